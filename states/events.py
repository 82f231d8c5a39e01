"""Everything that can happen to a site, as facts in the past tense.

Anyone may post an event; only the driver applies it. No event ever holds a secret: keys travel through
the vault under their bind id, one-time credentials stay in the performer's memory.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar

from states.faults import Fault
from states.state import BindStep, HeldBinding, Terms

DAEMON = "daemon"
"""The actor of everything that the daemon does by itself."""


class Impact(Enum):
    """What a changed option asks for, from least to most."""

    NONE = "unchanged"
    APPLY = "applied"
    RESTART = "needs_restart"
    REBIND = "rebind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One option that differs from the running settings, and what became of it. Holds no value."""

    section: str
    option: str
    impact: Impact


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What every event says: who caused it, and under which request."""

    trigger: ClassVar[str]
    actor: str = DAEMON
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted(Event):
    """The daemon started and found this site in its database."""

    trigger: ClassVar[str] = "restarted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigAccepted(Event):
    """A valid configuration came into force."""

    trigger: ClassVar[str] = "config_accepted"
    terms: Terms
    impact: Impact
    reason: str
    changes: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = ()
    at_start: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigRejected(Event):
    """A changed configuration has errors; the last good one stays in force."""

    trigger: ClassVar[str] = "config_rejected"
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigWithdrawn(Event):
    """There is no usable configuration: the file is gone, or it is bad at start."""

    trigger: ClassVar[str] = "config_withdrawn"
    reason: str
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BindRequested(Event):
    """Somebody, or a rule, wants the site to sign in."""

    trigger: ClassVar[str] = "bind_requested"
    reason: str
    one_time: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BindSucceeded(Event):
    """An attempt ended with proven keys, which lie in the vault under `binding.bind_id`."""

    trigger: ClassVar[str] = "bind_succeeded"
    attempt: int
    binding: HeldBinding
    warnings: tuple[str, ...] = ()
    steps: tuple[BindStep, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BindFailed(Event):
    """An attempt ended without a binding. `credentials` is the fingerprint of a refused sign-in."""

    trigger: ClassVar[str] = "bind_failed"
    attempt: int
    fault: Fault
    detail: str
    retry_after: int | None = None
    credentials: str | None = None
    steps: tuple[BindStep, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryDue(Event):
    """The wait before `attempt` is over."""

    trigger: ClassVar[str] = "retry_due"
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingVerified(Event):
    """The service accepted the held keys."""

    trigger: ClassVar[str] = "binding_verified"
    bind_id: str
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingRefreshed(Event):
    """The held keys were given a new lifetime."""

    trigger: ClassVar[str] = "binding_refreshed"
    bind_id: str
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationRefused(Event):
    """The service refused the held keys, or to refresh them; `credentials` then names a refused sign-in."""

    trigger: ClassVar[str] = "verification_refused"
    bind_id: str
    fault: Fault
    detail: str
    credentials: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationMissed(Event):
    """The held keys could not be asked about: the service was not reached or was not itself."""

    trigger: ClassVar[str] = "verification_missed"
    bind_id: str
    fault: Fault
    detail: str
    retry_after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingLost(Event):
    """The held keys were refused often enough, over long enough, to believe it."""

    trigger: ClassVar[str] = "binding_lost"
    bind_id: str
    fault: Fault
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInRefused(Event):
    """A sign-in that was tried outside of a bind was refused; `credentials` is its fingerprint."""

    trigger: ClassVar[str] = "sign_in_refused"
    fault: Fault
    detail: str
    credentials: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnbindRequested(Event):
    """An operator wants the association ended; with `local_only` without asking the service."""

    trigger: ClassVar[str] = "unbind_requested"
    reason: str
    local_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UnbindFinished(Event):
    """The keys are gone here; at the service they are revoked, or left behind as `left_behind` says."""

    trigger: ClassVar[str] = "unbind_finished"
    bind_id: str
    left_behind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnbindFailed(Event):
    """The service did not confirm; the keys are kept."""

    trigger: ClassVar[str] = "unbind_failed"
    bind_id: str
    fault: Fault
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrphanFound(Event):
    """The vault holds keys that no record speaks of: an attempt ended, or a crash came, before they were of use."""

    trigger: ClassVar[str] = "orphan_found"
    bind_id: str
    at_start: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysRevoked(Event):
    """The service confirmed that keys which are no longer used are gone."""

    trigger: ClassVar[str] = "keys_revoked"
    bind_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationFailed(Event):
    """Keys that are no longer used may still be accepted by the service."""

    trigger: ClassVar[str] = "revocation_failed"
    bind_id: str
    fault: Fault
    detail: str


EVENTS: tuple[type[Event], ...] = (
    Restarted,
    ConfigAccepted,
    ConfigRejected,
    ConfigWithdrawn,
    BindRequested,
    BindSucceeded,
    BindFailed,
    RetryDue,
    BindingVerified,
    BindingRefreshed,
    VerificationRefused,
    VerificationMissed,
    BindingLost,
    SignInRefused,
    UnbindRequested,
    UnbindFinished,
    UnbindFailed,
    OrphanFound,
    KeysRevoked,
    RevocationFailed,
)

_NOT_IN_DETAIL = frozenset({"actor", "request_id", "steps", "terms", "binding"})
_DETAILED = {
    kind.trigger: tuple(field.name for field in fields(kind) if field.name not in _NOT_IN_DETAIL) for kind in EVENTS
}


def detail_of(event: Event) -> dict[str, Any]:
    """What the audit record says of an event, in JSON's types and without floats."""
    said = {name: getattr(event, name) for name in _DETAILED[event.trigger]}
    detail: dict[str, Any] = {name: _plain(value) for name, value in said.items() if value not in (None, (), "")}
    if isinstance(event, BindSucceeded):
        detail |= _summary(event.binding)
    return detail


def _summary(binding: HeldBinding) -> dict[str, Any]:
    names = ("bind_id", "method", "account_code", "company", "region", "expires_at")
    return {name: _plain(value) for name in names if (value := getattr(binding, name)) is not None}


def _plain(value: object) -> object:
    match value:
        case Fault():
            return value.code
        case Enum():
            return value.value
        case datetime():
            return value.isoformat()
        case Change():
            return {"section": value.section, "option": value.option, "result": value.impact.value}
        case tuple():
            return [_plain(item) for item in value]
        case _:
            return value
