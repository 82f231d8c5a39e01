"""`PUT …/config` at a whole daemon: written, recorded, applied and bound; or refused, and nothing has happened."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path
from typing import Any

import pytest

from daemon.config import filing
from daemon.engine.editing import DONE, FAILED, INTENT
from daemon.ports import JournalUnavailable
from daemon.sandbox import Sandbox
from daemon.sandbox.world import DEMO_EMAIL, DEMO_PASSWORD
from states import Event, State, Step
from states.events import BindRequested
from tests.clock import ManualClock
from tests.engine.conftest import DAEMON
from tests.running import Running, ini, running, site_options, write

TOKEN = "let-me-in-please-0123456789"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
PATH = "/api/v1/sites/default/config"
RESULT = (DONE, FAILED)


@pytest.fixture
def config(tmp_path: Path, sandbox: Sandbox) -> Path:
    folder = tmp_path / "configuration"
    folder.mkdir()
    daemon = {**DAEMON, "api_token": f"literal:{TOKEN}", "database": str(tmp_path / "sitebind.db")}
    return write(folder / "config.ini", {"daemon": daemon, "site": {"display_name": "Old"}, **site_options(sandbox)})


async def shown(run: Running, path: str = PATH) -> dict[str, Any]:
    view: dict[str, Any] = await run.asked("GET", path, headers=HEADERS)
    return view


async def put(
    run: Running, options: Any, *, etag: str = "", status: int = 200, path: str = PATH, **more: Any
) -> dict[str, Any]:
    etag = etag or (await shown(run, path))["etag"]
    headers = {**HEADERS, "If-Match": etag}
    said: dict[str, Any] = await run.asked(
        "PUT", path, status=status, headers=headers, json={"options": options, **more}
    )
    return said


async def recorded(run: Running, *events: str) -> list[tuple[str, dict[str, Any]]]:
    records = await run.daemon.journal.audit(limit=1000)
    return [(record.event, dict(record.detail)) for record in records if record.event in events]


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []


# --- a change ------------------------------------------------------------------------------------


async def test_a_change_is_recorded_written_applied_and_told(run: Running) -> None:
    """In this order; the comments and the order of the file stay."""
    await run.reach(State.BOUND)
    text = run.path.read_text().replace("[site]\n", "# who we are\n[site]\n")
    run.path.write_text(text)
    before = await shown(run)
    done = await put(run, {"site": {"display_name": "New"}, "binding": {"verify_every": "5m"}}, etag=before["etag"])
    assert done["reload"]["outcome"] == "applied"
    assert [(one["option"], one["result"]) for one in done["reload"]["changes"]] == [
        ("display_name", "applied"),
        ("verify_every", "applied"),
    ]
    assert (done["bind"], run.now().state) == (None, State.BOUND)
    after = run.path.read_text()
    assert after == text.replace("= Old", "= New").replace(
        "trusted_suffixes = localhost\n", "trusted_suffixes = localhost\nverify_every = 5m\n"
    )
    assert (run.path.parent / done["backup"]).read_text() == text
    assert done["etag"] == (await shown(run))["etag"] != before["etag"]
    assert (await run.asked("GET", "/api/v1/sites/default"))["display_name"] == "New"
    (intent, result) = await recorded(run, INTENT, *RESULT)
    assert intent == (
        INTENT,
        {
            "file": "config.ini",
            "changes": [
                {"section": "site", "option": "display_name", "from": "Old", "to": "New"},
                {"section": "binding", "option": "verify_every", "from": "", "to": "5m"},
            ],
        },
    )
    assert result == (DONE, {"file": "config.ini", "backup": done["backup"]})


async def test_a_new_password_leads_to_the_bind_that_it_began(run: Running) -> None:
    """As in the original: Apply, then Site Bind. The bind is that of who changed it, and there is only one."""
    await run.reach(State.BOUND)
    run.sandbox.world.set_password(DEMO_EMAIL, "another one; # %d")
    done = await put(run, {"binding": {"password": {"secret": "another one; # %d"}}})
    assert [(one["option"], one["result"]) for one in done["reload"]["changes"]] == [("password", "rebind")]
    assert done["bind"] == "/api/v1/sites/default/binds/default-2"
    await run.ended("default-2")
    report = await run.asked("GET", done["bind"])
    assert (report["state"], report["reason"]) == ("succeeded", "changed: [binding] password")
    assert report["actor"].startswith("token:api_token")
    await run.manual.advance(5)
    assert [detail["reason"] for _, detail in await recorded(run, "bind_requested")][1:] == [report["reason"]]
    assert (run.now().attempt, run.now().state) == (2, State.BOUND)


async def test_a_bind_that_cannot_be_recorded_at_once_comes_in_its_slot(
    run: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change is made and told; what the site does by itself is not lost."""
    await run.reach(State.BOUND)
    ask = run.daemon.driver.ask

    async def refuses(site: str, event: Event) -> Step:
        if isinstance(event, BindRequested):
            raise JournalUnavailable("the disk is full")
        return await ask(site, event)

    monkeypatch.setattr(run.daemon.driver, "ask", refuses)
    done = await put(run, {"connection": {"no_proxy": "example.test"}})
    assert (done["bind"], done["reload"]["outcome"]) == (None, "applied")
    await run.in_time(lambda: run.now().attempt == 2 and run.now().state is State.BOUND)


async def test_a_secret_lies_in_a_file_of_its_own_and_nowhere_else(run: Running) -> None:
    """Replaced ones are removed, cleared ones with them; the file refers to what is there."""
    await run.reach(State.BOUND)
    folder = run.path.parent / "secrets"
    for text in ("first-canary", DEMO_PASSWORD):
        await put(run, {"binding": {"password": {"secret": text}}})
        (name,) = names(folder)
        assert name.startswith("default.binding.password-")
        assert (folder / name).read_text() == text
        assert f"password = file:secrets/{name}\n" in run.path.read_text()
    view = (await shown(run))["options"]["binding"]["password"]
    assert (view["kind"], view["reference"], view["value"]) == ("file", f"file:secrets/{name}", "")
    assert (len(view["fingerprint"]), view["set_at"].endswith("Z")) == (8, True)
    everything = [file.read_text() for file in (run.path, *(run.path.parent / "backups").iterdir())]
    assert not any("first-canary" in text for text in everything)
    done = await put(run, {"binding": {"password": None}})
    assert (names(folder), "password" in run.path.read_text()) == ([], False)
    assert done["bind"] is None
    assert [detail["changes"][0]["secret"] for _, detail in await recorded(run, INTENT)] == [
        "replaced", "replaced", "cleared",
    ]  # fmt: skip


async def test_a_secret_by_reference_is_written_as_it_was_typed(run: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITEBIND_TEST_PASSWORD", DEMO_PASSWORD)
    await run.reach(State.BOUND)
    await put(run, {"binding": {"password": {"reference": "env:SITEBIND_TEST_PASSWORD"}}})
    assert "password = env:SITEBIND_TEST_PASSWORD\n" in run.path.read_text()
    view = (await shown(run))["options"]["binding"]["password"]
    assert (view["kind"], view["reference"], view["set_at"]) == ("env", "env:SITEBIND_TEST_PASSWORD", None)
    again = await put(run, {"binding": {"password": {"reference": "env:SITEBIND_TEST_PASSWORD"}}})
    assert (again["backup"], again["reload"]["outcome"]) == ("", "unchanged")


async def test_a_fingerprint_tells_one_secret_from_the_next(run: Running) -> None:
    await run.reach(State.BOUND)
    prints = []
    for text in ("first", "second", "first"):
        await put(run, {"binding": {"password": {"secret": text}}})
        prints.append((await shown(run))["options"]["binding"]["password"]["fingerprint"])
    assert prints[0] == prints[2] != prints[1]


async def test_a_secret_that_a_crash_left_behind_goes_at_the_next_change(run: Running) -> None:
    await run.reach(State.BOUND)
    folder = run.path.parent / "secrets"
    folder.mkdir(mode=0o700)
    (folder / "default.binding.password-0123456789abcdef").write_text("never referred to")
    (folder / "put-there-by-hand").write_text("x")
    await put(run, {"site": {"display_name": "New"}})
    assert names(folder) == ["put-there-by-hand"]


async def test_what_is_so_already_is_not_written(run: Running) -> None:
    """In whatever spelling: nothing is recorded, kept or bound."""
    await run.reach(State.BOUND)
    before = run.path.read_bytes()
    done = await put(
        run,
        {
            "site": {"display_name": "Old", "id": "default"},
            "account": {"client_secret": None, "tenant_id": ""},
            "binding": {"trusted_suffixes": "localhost,", "authentication_type": "Cloud", "automatic": None},
        },
    )
    assert (done["backup"], done["bind"], done["reload"]["outcome"]) == ("", None, "unchanged")
    assert (run.path.read_bytes(), names(run.path.parent / "backups")) == (before, [])
    assert await recorded(run, INTENT, *RESULT) == []


async def test_the_watcher_never_takes_the_answer_away(run: Running) -> None:
    """It sees the rename too, and finds nothing left to do: the answer says what the change changed, each time."""
    await run.reach(State.BOUND)
    for number in range(8):
        reloads = [asyncio.create_task(run.asked("POST", "/-/reload", headers=HEADERS)) for _ in range(3)]
        done = await put(run, {"site": {"display_name": f"Name {number}"}})
        assert [one["option"] for one in done["reload"]["changes"]] == ["display_name"]
        await asyncio.gather(*reloads)


# --- refusals ------------------------------------------------------------------------------------


async def test_all_findings_come_at_once_and_nothing_is_written(run: Running) -> None:
    await run.reach(State.BOUND)
    before = run.path.read_bytes()
    refused = await put(
        run,
        {
            "connection": {"use_proxy": "yes", "proxy_port": "99999"},
            "account": {"smtp_address": "nobody", "password": {"secret": "never-stored"}},
        },
        status=422,
    )
    found = {(one["section"], one["option"]) for one in refused["findings"] if one["severity"] == "error"}
    assert found == {("connection", "proxy_host"), ("connection", "proxy_port"), ("account", "smtp_address")}
    assert all(one["line"] for one in refused["findings"] if one["option"] == "proxy_port")
    assert (run.path.read_bytes(), names(run.path.parent / "secrets")) == (before, [])
    assert await recorded(run, INTENT, *RESULT) == []


@pytest.mark.parametrize(
    "options, option, says",
    [
        ({"account": {"passwort": "x"}}, "passwort", 'did you mean "password"?'),
        ({"accounts": {"password": None}}, "password", "the sections are [site]"),
        ({"account": {"pw-canary-1234": "x"}}, "", ""),
        ({"daemon": {"listen": "127.0.0.1:1"}}, "listen", "change [daemon] in its file"),
        ({"site": {"id": "other"}}, "id", "change it in the file by hand"),
        ({"binding": {"password": "pw-canary-1234"}}, "password", "give it as a secret or by reference"),
        ({"binding": {"email": {"secret": "pw-canary-1234"}}}, "email", "give its value as text"),
        ({"binding": {"email": {"reference": "pw-canary-1234"}}}, "email", "give its value as text"),
        ({"binding": {"password": {"reference": "pw-canary-1234"}}}, "password", "write file:PATH"),
        ({"binding": {"password": {"reference": "literal:pw-canary-1234"}}}, "password", "write file:PATH"),
        ({"binding": {"password": {"reference": "env:pw canary 1234"}}}, "password", "write file:PATH"),
        ({"binding": {"password": {"secret": "pw-canary-1234\n"}}}, "password", "one line of text"),
        ({"site": {"display_name": " blanks"}}, "display_name", "neither begins nor ends with a blank"),
        ({"site": {"display_name": "two\nlines"}}, "display_name", "neither begins nor ends with a blank"),
    ],
)
async def test_what_cannot_be_asked_for_is_said_at_its_option(
    run: Running, options: Any, option: str, says: str
) -> None:
    before = run.path.read_bytes()
    refused = await put(run, options, status=422)
    first = refused["findings"][0]
    assert (refused["code"], first["option"], says in first["remedy"]) == ("config-invalid", option, True)
    assert ("pw-canary" in str(refused), run.path.read_bytes()) == (False, before)


async def test_a_file_that_is_out_of_order_says_where_and_is_left_alone(run: Running) -> None:
    await run.reach(State.BOUND)
    broken = run.path.read_text() + "stray line\n"
    run.path.write_text(broken)
    refused = await put(run, {"site": {"display_name": "New"}}, status=422)
    assert [one["line"] for one in refused["findings"] if one["line"]][-1] == broken.count("\n")
    assert run.path.read_text() == broken


async def test_an_option_that_is_wrong_in_the_file_is_mended_from_here(run: Running) -> None:
    """The daemon runs on what was good before, and takes the mended file."""
    await run.reach(State.BOUND)
    run.path.write_text(run.path.read_text().replace("[connection]\n", "[connection]\nproxy_port = none\n"))
    view = await shown(run)
    assert [(one["option"], one["severity"]) for one in view["findings"]][-1] == ("proxy_port", "error")
    done = await put(run, {"connection": {"proxy_port": None}})
    assert (done["reload"]["outcome"], (await shown(run))["findings"][-1]["option"]) in [
        ("applied", "require"), ("unchanged", "require"),
    ]  # fmt: skip
    ((_, detail),) = await recorded(run, INTENT)
    assert detail["changes"] == [{"section": "connection", "option": "proxy_port", "from": "(not usable)", "to": ""}]


async def test_a_change_over_a_newer_version_shows_both(run: Running) -> None:
    await run.reach(State.BOUND)
    seen = await shown(run)
    await put(run, {"site": {"display_name": "Theirs"}, "binding": {"lost_after": "5", "password": {"secret": "new"}}})
    theirs = run.path.read_bytes()
    fingerprint = seen["options"]["binding"]["password"]["fingerprint"]
    conflict = await put(
        run,
        {"site": {"display_name": "Yours"}, "account": {"tenant_id": "t"}, "binding": {"password": {"secret": "mine"}}},
        etag=seen["etag"],
        status=412,
        was={
            "site": {"display_name": "Old"},
            "account": {"tenant_id": "", "client_id": ""},
            "binding": {"lost_after": "", "password": fingerprint},
        },
    )
    now = conflict["config"]["options"]["binding"]["password"]["fingerprint"]
    assert [tuple(line.values()) for line in conflict["merge"]] == [
        ("site", "display_name", "Old", "Theirs", "Yours", True),
        ("account", "tenant_id", "", "", "t", False),
        ("binding", "password", f"set, fingerprint {fingerprint}", f"set, fingerprint {now}", "a new one", True),
        ("binding", "lost_after", "", "5", "", False),
    ]
    assert conflict["config"]["etag"] == (await shown(run))["etag"]
    assert run.path.read_bytes() == theirs


async def test_what_was_seen_is_not_known_and_so_every_difference_is_a_conflict(run: Running) -> None:
    options = {"site": {"display_name": "Yours"}, "binding": {"authentication_type": "cloud", "password": None}}
    conflict = await put(run, options, etag='"another"', status=412)
    assert [(line["option"], line["conflict"]) for line in conflict["merge"]] == [
        ("display_name", True),
        ("password", True),
    ]


async def test_of_two_writers_at_once_one_wins_and_the_other_is_told(run: Running) -> None:
    await run.reach(State.BOUND)
    etag = (await shown(run))["etag"]

    async def one(name: str) -> int:
        headers = {**HEADERS, "If-Match": etag}
        body = {"options": {"site": {"display_name": name}}}
        async with run.http.put(run.daemon.web.url + PATH, headers=headers, json=body) as answer:
            return answer.status

    ended = await asyncio.gather(*(one(f"Writer {number}") for number in range(6)))
    assert sorted(ended) == [200, 412, 412, 412, 412, 412]
    winner = ended.index(200)
    assert f"display_name = Writer {winner}\n" in run.path.read_text()
    assert len(names(run.path.parent / "backups")) == 1


async def test_a_change_by_hand_in_this_moment_is_not_lost(run: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """An editor saves between our look at the file and our rename."""
    await run.reach(State.BOUND)
    theirs = run.path.read_text().replace("Old", "By hand")
    keep = filing.keep

    def interrupted(path: Path, data: bytes, **rest: Any) -> str:
        path.write_text(theirs)
        return keep(path, data, **rest)

    monkeypatch.setattr(filing, "keep", interrupted)
    conflict = await put(run, {"site": {"display_name": "Yours"}, "binding": {"password": {"secret": "x"}}}, status=412)
    assert conflict["config"]["options"]["site"]["display_name"]["value"] == "By hand"
    assert (run.path.read_text(), names(run.path.parent / "secrets")) == (theirs, [])
    assert [event for event, _ in await recorded(run, INTENT, *RESULT)] == [INTENT, FAILED]


# --- what cannot be written ----------------------------------------------------------------------


async def test_a_config_map_is_shown_and_not_written(run: Running) -> None:
    await run.reach(State.BOUND)
    folder = run.path.parent
    (folder / "..2026").mkdir()
    run.path.rename(folder / "..2026" / "config.ini")
    (folder / "..data").symlink_to("..2026")
    run.path.symlink_to("..data/config.ini")
    assert "ConfigMap" in (await shown(run))["managed"]
    refused = await put(run, {"site": {"display_name": "New"}}, status=409)
    assert (refused["code"], "ConfigMap" in refused["detail"]) == ("config-managed-externally", True)
    assert await recorded(run, INTENT) == []


async def test_a_read_only_file_is_shown_and_not_written(run: Running) -> None:
    await run.reach(State.BOUND)
    run.path.chmod(0o400)
    assert "read-only" in (await shown(run))["managed"]
    assert (await put(run, {"site": {"display_name": "New"}}, status=409))["code"] == "config-managed-externally"


@pytest.mark.parametrize(
    "code, status, problem",
    [(errno.ENOSPC, 503, "config-not-written"), (errno.EBUSY, 409, "config-managed-externally")],
)
async def test_a_disk_that_refuses_leaves_the_file_as_it_was(
    run: Running, monkeypatch: pytest.MonkeyPatch, code: int, status: int, problem: str
) -> None:
    """A full disk heals; a file that is a mount of its own, as containers have it, is never ours."""
    await run.reach(State.BOUND)
    before = run.path.read_bytes()

    def refuses(path: Path, _target: Path) -> None:
        raise OSError(code, os.strerror(code))

    etag = (await shown(run))["etag"]
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuses)
        options = {"site": {"display_name": "New"}, "binding": {"password": {"secret": "never-kept"}}}
        refused = await put(run, options, etag=etag, status=status)
    assert (refused["code"], os.strerror(code).lower() in refused["detail"]) == (problem, True)
    assert (run.path.read_bytes(), names(run.path.parent / "secrets")) == (before, [])
    assert [event for event, _ in await recorded(run, INTENT, *RESULT)] == [INTENT, FAILED]
    assert (await put(run, {"site": {"display_name": "New"}}))["reload"]["outcome"] == "applied"


async def test_what_cannot_be_recorded_is_not_written(run: Running) -> None:
    await run.reach(State.BOUND)
    before, etag = run.path.read_bytes(), (await shown(run))["etag"]
    with run.without_journal():
        refused = await put(run, {"site": {"display_name": "New"}}, etag=etag, status=503)
    assert (refused["code"], run.path.read_bytes()) == ("journal-unavailable", before)


async def test_a_journal_that_is_lost_after_the_write_is_told(run: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is in its place, and to say that nothing was done would be a lie."""
    await run.reach(State.BOUND)
    etag, away = (await shown(run))["etag"], run.daemon.journal.path.with_name("away.db")
    replace = filing.replace

    def lost(path: Path, data: bytes, **rest: Any) -> None:
        replace(path, data, **rest)
        run.daemon.journal.path.rename(away)

    monkeypatch.setattr(filing, "replace", lost)
    done = await put(run, {"site": {"display_name": "New"}}, etag=etag)
    assert (done["reload"]["outcome"], "when the journal" in done["reload"]["findings"][0]) == ("rejected", True)
    assert "display_name = New" in run.path.read_text()
    away.rename(run.daemon.journal.path)
    assert (await run.asked("POST", "/-/reload", headers=HEADERS))["outcome"] in {"applied", "unchanged"}
    assert (await run.asked("GET", "/api/v1/sites/default"))["display_name"] == "New"


async def test_a_site_whose_file_is_gone_has_none(run: Running) -> None:
    await run.reach(State.BOUND)
    etag = (await shown(run))["etag"]
    run.path.unlink()
    for outcome in ("applied", "unchanged"):
        refused = await put(run, {"site": {"display_name": "New"}}, etag=etag, status=409)
        assert (refused["code"], "cannot be read" in refused["detail"]) == ("not-configured", True)
        assert (await run.asked("POST", "/-/reload", headers=HEADERS))["outcome"] == outcome


# --- many sites ----------------------------------------------------------------------------------


async def test_each_site_of_a_folder_has_its_own_file(tmp_path: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """The errors of another site are not told as those of this change, and no backup becomes a site."""
    folder = tmp_path / "sites"
    folder.mkdir()
    write(folder / "daemon.ini", {"daemon": {**DAEMON, "api_token": f"literal:{TOKEN}"}})
    for name in ("one", "two"):
        write(folder / f"{name}.ini", site_options(sandbox))
    async with running(folder, sandbox, clock) as run:
        await run.in_time(lambda: [now.state for now in run.daemon.driver.snapshots.values()] == [State.BOUND] * 2)
        (folder / "two.ini").write_text(ini(site_options(sandbox)) + "stray\n")
        path = "/api/v1/sites/one/config"
        assert (await shown(run, path))["options"]["site"]["id"]["default"] == "one"
        done = await put(run, {"site": {"display_name": "One"}, "binding": {"password": {"secret": "x"}}}, path=path)
        assert (done["reload"]["outcome"], done["reload"]["findings"]) == ("applied", [])
        assert done["bind"] == "/api/v1/sites/one/binds/one-2"
        assert {change["site"] for change in done["reload"]["changes"]} == {"one"}
        assert names(folder / "secrets")[0].startswith("one.binding.password-")
        assert sorted(run.daemon.driver.snapshots) == ["one", "two"]
        refused = await put(run, {"daemon": {"pace": "3"}}, path=path, status=422)
        assert refused["findings"][0]["section"] == "daemon"
        (folder / "two.ini").unlink()
        await run.asked("POST", "/-/reload", headers=HEADERS)
        refused = await put(run, {}, path="/api/v1/sites/two/config", etag='"1"', status=409)
        assert (refused["code"], "any more" in refused["detail"]) == ("not-configured", True)


async def test_a_change_that_a_locked_vault_keeps_from_being_applied_says_so(
    config: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """The file is written, and of its site it is told why it is not in force."""
    async with running(config, sandbox, clock) as run:
        await run.reach(State.BOUND)
    (config.parent.parent / "sitebind.db.key").rename(config.parent.parent / "elsewhere")
    async with running(config, sandbox, clock) as run:
        await run.until(lambda: bool(run.now().findings))
        done = await put(run, {"site": {"display_name": "New"}})
        assert done["reload"]["outcome"] == "rejected"
        assert "vault" in " ".join(done["reload"]["findings"])
    assert "display_name = New" in config.read_text()
