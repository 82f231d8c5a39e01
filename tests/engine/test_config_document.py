"""How a configuration file is shown: every option, one spelling, and of a secret only where and since when."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.config.secrets import CREDENTIALS_VARIABLE
from daemon.engine.config_document import SITE_OPTIONS
from daemon.engine.config_plan import merged
from daemon.engine.config_views import ConfigEdit, ConfigView, OptionView
from daemon.ports import Secret
from daemon.sandbox import Sandbox
from states import State
from tests.clock import ManualClock
from tests.engine.conftest import DAEMON
from tests.running import Running, running, site_options, write

THEN = datetime(2026, 11, 20, 8, 15, tzinfo=UTC)
PASSWORD = ("binding", "password")


def option(view: ConfigView, section: str, name: str) -> OptionView:
    (found,) = [one for one in view.options if (one.section, one.option) == (section, name)]
    return found


async def test_every_option_of_a_site_is_there_with_its_meaning(run: Running) -> None:
    await run.reach(State.BOUND)
    view = await run.daemon.front.config("default")
    assert [(one.section, one.option) for one in view.options] == [one.key for one in SITE_OPTIONS]
    assert all(one.meaning and one.impact for one in view.options)
    assert (option(view, "binding", "automatic").choices, option(view, "binding", "automatic").default) == (
        ("yes", "no"), "yes",
    )  # fmt: skip
    assert not option(view, "binding", "automatic").given
    assert "literal:" not in repr(view)


@pytest.mark.parametrize(
    "section, name, written, shown",
    [
        ("binding", "automatic", "TRUE", "yes"),
        ("binding", "automatic", "0", "no"),
        ("binding", "automatic", "perhaps", "perhaps"),
        ("account", "directory_type", "Microsoft Active Directory", "microsoft-active-directory"),
        ("connection", "no_proxy", "a.example,\n    b.example", "a.example, b.example"),
        ("binding", "require", "None", "None"),
        ("site", "display_name", "50 % # of it", "50 % # of it"),
    ],
)
async def test_a_value_is_shown_in_one_spelling(
    run: Running, section: str, name: str, written: str, shown: str
) -> None:
    await run.reach(State.BOUND)
    options = site_options(run.sandbox)
    options.setdefault(section, {})[name] = written
    write(run.path, {"daemon": DAEMON, **options})
    assert option(await run.daemon.front.config("default"), section, name).value == shown


async def test_what_the_address_gives_is_the_default_of_the_user(run: Running) -> None:
    view = await run.daemon.front.config("default")
    assert option(view, "binding", "email").default == option(view, "account", "smtp_address").value


async def test_a_secret_is_shown_by_its_place(run: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that cannot be had: then there is no fingerprint."""
    monkeypatch.setenv(CREDENTIALS_VARIABLE, str(tmp_path))
    for name in ("in-a-file", "of-systemd"):
        (tmp_path / name).write_text("s3cret\n")
        os.utime(tmp_path / name, (THEN.timestamp(), THEN.timestamp()))
    await run.reach(State.BOUND)
    found = {}
    for text in ("file:in-a-file", "file:missing", "credential:of-systemd", "env:NOT_THERE", "literal:s3cret", "s3cret",
                 "file:", "keyring:a/b"):  # fmt: skip
        write(run.path, {"daemon": DAEMON, **site_options(run.sandbox, password=text)})
        one = option(await run.daemon.front.config("default"), *PASSWORD)
        assert one.value == ""
        found[text] = (one.kind, one.reference, len(one.fingerprint), one.set_at)
    assert found == {
        "file:in-a-file": ("file", "file:in-a-file", 8, THEN),
        "file:missing": ("file", "file:missing", 0, None),
        "credential:of-systemd": ("credential", "credential:of-systemd", 8, THEN),
        "env:NOT_THERE": ("env", "env:NOT_THERE", 0, None),
        "literal:s3cret": ("text", "", 8, None),
        "s3cret": ("text", "", 8, None),
        "file:": ("text", "", 0, None),
        "keyring:a/b": ("keyring", "keyring:a/b", 0, None),
    }


async def test_a_locked_vault_is_no_reason_not_to_look(config: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """There are no fingerprints then; the version of the file holds as long as the process."""
    async with running(config, sandbox, clock) as run:
        await run.reach(State.BOUND)
        known = await run.daemon.front.config("default")
    config.with_name("sitebind.db.key").rename(config.with_name("elsewhere"))
    async with running(config, sandbox, clock) as run:
        await run.until(lambda: bool(run.now().findings))
        first, second = [await run.daemon.front.config("default") for _ in range(2)]
        assert first.etag == second.etag != known.etag
        assert option(first, *PASSWORD).fingerprint == ""
    config.with_name("elsewhere").rename(config.with_name("sitebind.db.key"))
    async with running(config, sandbox, clock) as run:
        assert await run.daemon.front.config("default") == known


# --- both sides of a conflict --------------------------------------------------------------------


def plain(name: str, value: str, *, default: str = "") -> OptionView:
    return OptionView(
        section="binding", option=name, value=value, default=default, given=bool(value), secret=False, impact="apply",
        meaning="",
    )  # fmt: skip


def secret(fingerprint: str, *, given: bool = True) -> OptionView:
    return OptionView(
        section="binding", option="password", value="", default="", given=given, secret=True, impact="rebind",
        meaning="", kind="file" if given else "", fingerprint=fingerprint,
    )  # fmt: skip


def lines(edit: ConfigEdit, *options: OptionView) -> list[tuple[str, str, str, bool]]:
    view = ConfigView(site="a", file="a.ini", etag='"2"', managed="", options=options, findings=())
    return [(line.was, line.theirs, line.yours, line.conflict) for line in merged(edit, view)]


@pytest.mark.parametrize(
    "was, theirs, yours, expected",
    [
        ("3", "3", "5", [("3", "3", "5", False)]),
        ("3", "4", "5", [("3", "4", "5", True)]),
        ("3", "5", "5", [("3", "5", "5", False)]),
        ("3", "4", None, [("3", "4", "", True)]),
        ("3", "", None, [("3", "", "", False)]),
        ("3", "3", "3", []),
        ("1", "", "5", [("", "", "5", False)]),
    ],
)
def test_a_conflict_is_what_both_sides_changed_to_something_else(
    was: str, theirs: str, yours: str | None, expected: list[tuple[str, str, str, bool]]
) -> None:
    """A form shows the default, here 1, where nothing is given: that is no change of the other side."""
    key = ("binding", "lost_after")
    edit = ConfigEdit(etag='"1"', values={key: yours}, was={key: was})
    assert lines(edit, plain("lost_after", theirs, default="1")) == expected


def test_what_only_the_other_side_changed_is_shown_beside() -> None:
    edit = ConfigEdit(etag='"1"', was={("binding", "lost_after"): "3"})
    assert lines(edit, plain("lost_after", "4"), plain("email", "x")) == [("3", "4", "3", False)]


@pytest.mark.parametrize(
    "was, theirs, yours, expected",
    [
        ("aa", secret("aa"), Secret("x"), ("set, fingerprint aa", "set, fingerprint aa", "a new one", False)),
        ("aa", secret("bb"), Secret("x"), ("set, fingerprint aa", "set, fingerprint bb", "a new one", True)),
        ("aa", secret("bb"), None, ("set, fingerprint aa", "set, fingerprint bb", "not set", True)),
        ("", secret("", given=False), Secret("x"), ("not set", "not set", "a new one", False)),
        ("", secret("aa"), Secret("x"), ("not set", "set, fingerprint aa", "a new one", True)),
        ("", secret(""), Secret("x"), ("set", "set", "a new one", False)),
    ],
)
def test_a_secret_is_told_by_its_fingerprint(
    was: str, theirs: OptionView, yours: Secret | None, expected: tuple[str, str, str, bool]
) -> None:
    edit = ConfigEdit(etag='"1"', secrets={PASSWORD: yours}, was={PASSWORD: was})
    assert lines(edit, theirs) == [expected]
