"""What a changed option asks for, as the table says."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pytest

from daemon.config import impact, options
from daemon.config.model import (
    AccountSettings,
    BindingSettings,
    ConnectionSettings,
    DaemonSettings,
    SecretSource,
    SiteSettings,
)
from daemon.ports import Secret
from states import Change, Impact

PASSWORD = SecretSource(kind="plain", text=Secret("old"))


def change(section: str, option: str, impact: Impact) -> Change:
    return Change(section=section, option=option, impact=impact)


def test_the_table_and_the_settings_have_the_same_options() -> None:
    """A field without a row, or a row without a field, would never be compared."""
    inside: set[tuple[str, str]] = set()
    for field in fields(SiteSettings):
        part = getattr(SiteSettings(), field.name)
        inside |= {(field.name, own.name) for own in fields(part)} if is_dataclass(part) else {("site", field.name)}
    inside |= {("daemon", field.name) for field in fields(DaemonSettings)}
    split = {("daemon", "host"), ("daemon", "port"), ("site", "source")}
    assert inside - split == {option.key for option in options.OPTIONS} - {("daemon", "listen")}


def test_every_difference_is_told_with_its_impact() -> None:
    """In the table's order, whichever way round."""
    old = SiteSettings(binding=BindingSettings(password=PASSWORD))
    new = replace(
        old,
        display_name="x",
        account=AccountSettings(smtp_address="a@example.com"),
        binding=BindingSettings(password=SecretSource(kind="plain", text=Secret("new")), verify_every=60),
        connection=ConnectionSettings(ca_file=Path("ca.pem")),
    )
    assert impact.changes_between(old, new) == (
        change("site", "display_name", Impact.APPLY),
        change("account", "smtp_address", Impact.REBIND),
        change("binding", "password", Impact.REBIND),
        change("binding", "verify_every", Impact.APPLY),
        change("connection", "ca_file", Impact.REBIND),
    )
    assert impact.changes_between(new, new) == ()


def test_the_daemons_listener_is_one_option() -> None:
    """Whether its host or its port differs."""
    old = DaemonSettings()
    for new in (replace(old, port=1), replace(old, host="::1")):
        assert impact.daemon_changes(old, new) == (change("daemon", "listen", Impact.RESTART),)
    assert impact.daemon_changes(old, replace(old, log_level="debug")) == (change("daemon", "log_level", Impact.APPLY),)


@pytest.mark.parametrize(
    "impacts, worst",
    [
        ((), Impact.NONE),
        ((Impact.APPLY,), Impact.APPLY),
        ((Impact.APPLY, Impact.REBIND, Impact.RESTART), Impact.REBIND),
        ((Impact.RESTART, Impact.APPLY), Impact.RESTART),
    ],
)
def test_the_worst_impact_decides(impacts: tuple[Impact, ...], worst: Impact) -> None:
    """From nothing to a new bind."""
    assert impact.worst(change("x", "y", each) for each in impacts) is worst


def test_bind_inputs_are_what_asks_for_a_new_bind() -> None:
    """Every such option that is not at its default, secrets by their source, in the table's order."""
    site = SiteSettings(
        connection=ConnectionSettings(use_proxy=True), binding=BindingSettings(password=PASSWORD, verify_every=60)
    )
    assert impact.bind_inputs(site) == [("binding", "password", PASSWORD), ("connection", "use_proxy", True)]
    assert impact.bind_inputs(SiteSettings(id="other")) == [("site", "id", "other")]


def test_an_option_that_a_later_version_adds_changes_no_fingerprint() -> None:
    """What holds its default is no input, so an upgrade does not make every site bind anew."""
    assert impact.bind_inputs(SiteSettings()) == []


def test_sign_in_inputs_are_those_of_the_method() -> None:
    """What a method does not use does not make a refused sign-in a new one."""
    user = SiteSettings(binding=BindingSettings(email="a@example.com", password=PASSWORD, client_id="unused"))
    names = [option for _, option, _ in impact.sign_in_inputs(user)]
    assert names == ["authentication_type", "email", "password", "application_id", "application_key"]
    assert not impact.has_sign_in(user)
    application = BindingSettings(authentication_type="application", client_id="c", client_secret=PASSWORD)
    site = SiteSettings(binding=application)
    assert [option for _, option, _ in impact.sign_in_inputs(site)] == [
        "authentication_type", "client_id", "client_secret",
    ]  # fmt: skip
    assert impact.has_sign_in(site)
