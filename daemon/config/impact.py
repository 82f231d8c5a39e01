"""What differs between two settings, and what that asks for, by the option table. Called by the engine at a reload."""

from __future__ import annotations

from collections.abc import Iterable

from daemon.config.model import DaemonSettings, SiteSettings
from daemon.config.options import BY_KEY, OPTIONS, Option
from states import Change, Impact

Input = tuple[str, str, object]
"""(section, option, value); the value of a secret is its `SecretSource` or None."""

_WEIGHT = {impact: weight for weight, impact in enumerate(Impact)}
_PLAIN = SiteSettings()
_USER_SIGN_IN = ("email", "password", "application_id", "application_key")
_APPLICATION_SIGN_IN = ("client_id", "client_secret")


def changes_between(old: SiteSettings, new: SiteSettings) -> tuple[Change, ...]:
    """The options of a site that differ, in the table's order. What a secret's reference leads to is not looked at."""
    rows = (option for option in OPTIONS if option.section != "daemon")
    return tuple(_change(row) for row in rows if _site_value(old, row) != _site_value(new, row))


def daemon_changes(old: DaemonSettings, new: DaemonSettings) -> tuple[Change, ...]:
    """The options of [daemon] that differ, in the table's order."""
    rows = (option for option in OPTIONS if option.section == "daemon")
    return tuple(_change(row) for row in rows if _daemon_value(old, row) != _daemon_value(new, row))


def change_of(section: str, option: str) -> Change:
    """The change of one option by name, for what is found elsewhere: a rotated secret. Raises KeyError."""
    return _change(BY_KEY[section, option])


def worst(changes: Iterable[Change]) -> Impact:
    """What the changes together ask for; `Impact.NONE` for none."""
    return max((change.impact for change in changes), key=_WEIGHT.__getitem__, default=Impact.NONE)


def bind_inputs(settings: SiteSettings) -> list[Input]:
    """Everything that a binding depends on, in a stable order: the options whose change means a new bind.

    What holds its default is left out, so that an option which a later version adds changes no stored fingerprint.
    """
    rows = (option for option in OPTIONS if option.impact is Impact.REBIND)
    values = [(row, _site_value(settings, row)) for row in rows]
    return [(row.section, row.name, value) for row, value in values if value != _site_value(_PLAIN, row)]


def sign_in_inputs(settings: SiteSettings) -> list[Input]:
    """The credentials alone: the method and what it uses, in a stable order."""
    binding = settings.binding
    used = _APPLICATION_SIGN_IN if binding.authentication_type == "application" else _USER_SIGN_IN
    return [("binding", name, getattr(binding, name)) for name in ("authentication_type", *used)]


def has_sign_in(settings: SiteSettings) -> bool:
    """Whether the site can sign in by itself; without, each bind needs a one-time sign-in."""
    return all(value for _, _, value in sign_in_inputs(settings))


def _change(option: Option) -> Change:
    return Change(section=option.section, option=option.name, impact=option.impact)


def _site_value(settings: SiteSettings, option: Option) -> object:
    part = settings if option.section == "site" else getattr(settings, option.section)
    return getattr(part, option.name)


def _daemon_value(settings: DaemonSettings, option: Option) -> object:
    return (settings.host, settings.port) if option.name == "listen" else getattr(settings, option.name)
