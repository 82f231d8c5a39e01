"""The lifecycle as data: which event leads from which state to which, and under what condition.

Rows of one event and state are tried in order; the first whose guard holds is taken. An event without a
row that holds is answered `Ignored`, or `Refused` where somebody asked for something. The diagram in the
README, the tests and the labels of the metrics are made from this table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from states.events import (
    DAEMON,
    BindFailed,
    BindingLost,
    BindingRefreshed,
    BindingVerified,
    BindRequested,
    BindSucceeded,
    ConfigAccepted,
    Event,
    Impact,
    KeysRevoked,
    OrphanFound,
    RetryDue,
    RevocationFailed,
    UnbindFailed,
    UnbindFinished,
    VerificationMissed,
    VerificationRefused,
)
from states.state import Snapshot, State

Guard = Callable[[Snapshot, Event], bool]


def must_rebind(_now: Snapshot, event: Event) -> bool:
    """The change identifies or authenticates the site in another way."""
    return isinstance(event, ConfigAccepted) and event.impact is Impact.REBIND


def held_binding_matches(now: Snapshot, event: Event) -> bool:
    """The held binding was made from just these bind inputs."""
    return (
        isinstance(event, ConfigAccepted)
        and now.binding is not None
        and now.binding.fingerprint == event.terms.fingerprint
    )


def is_current_attempt(now: Snapshot, event: Event) -> bool:
    """The result belongs to the attempt that is open."""
    return isinstance(event, BindSucceeded | BindFailed) and now.open is not None and now.open.attempt == event.attempt


def is_expected_retry(now: Snapshot, event: Event) -> bool:
    """The timer is the one that was set last."""
    return isinstance(event, RetryDue) and now.retry is not None and now.retry.attempt == event.attempt


def is_wanted(now: Snapshot, event: Event) -> bool:
    """Somebody asks; or the daemon asks by itself and has a reason to, also after the wait for its slot."""
    if event.actor != DAEMON:
        return True
    has_reason = now.state is State.CONFIGURED or now.owes_a_sign_in
    return has_reason and now.automatic_binding_applies


def may_join(_now: Snapshot, event: Event) -> bool:
    """The request brings no credentials of its own, so the open attempt serves it too."""
    return isinstance(event, BindRequested) and not event.one_time


def holds_a_binding(now: Snapshot, _event: Event) -> bool:
    """There is something to unbind."""
    return now.binding is not None


def is_about_the_held_binding(now: Snapshot, event: Event) -> bool:
    """The answer speaks of the keys that are held now."""
    about = (
        BindingVerified
        | BindingRefreshed
        | VerificationRefused
        | VerificationMissed
        | BindingLost
        | UnbindFinished
        | UnbindFailed
    )
    return isinstance(event, about) and now.holds(event.bind_id)


def is_not_held(now: Snapshot, event: Event) -> bool:
    """The keys are neither in use nor those that the open attempt is proving, so they may be revoked."""
    if not isinstance(event, OrphanFound) or now.holds(event.bind_id):
        return False
    return now.open is None or now.open.bind_id != event.bind_id


def revocation_is_pending(now: Snapshot, event: Event) -> bool:
    """The keys wait for the service to confirm that they are gone."""
    return isinstance(event, KeysRevoked | RevocationFailed) and event.bind_id in now.revoke_pending


@dataclass(frozen=True, slots=True)
class Row:
    """One arrow: `guard` None means always."""

    trigger: str
    source: State
    target: State
    guard: Guard | None = None


def _in_place(trigger: str, guard: Guard | None = None) -> tuple[Row, ...]:
    return tuple(Row(trigger, state, state, guard) for state in State)


_BINDABLE = (State.CONFIGURED, State.BOUND, State.FAILED)
_NOT_BOUND = (State.UNCONFIGURED, State.CONFIGURED, State.BINDING, State.FAILED)
_CONFIGURED_ONCE = (State.CONFIGURED, State.BINDING, State.BOUND, State.FAILED)

TABLE: tuple[Row, ...] = (
    Row("restarted", State.BINDING, State.CONFIGURED),
    *(Row("restarted", state, state) for state in State if state is not State.BINDING),
    *(Row("config_accepted", state, State.CONFIGURED, must_rebind) for state in State),
    Row("config_accepted", State.UNCONFIGURED, State.BOUND, held_binding_matches),
    Row("config_accepted", State.UNCONFIGURED, State.CONFIGURED),
    *(Row("config_accepted", state, state) for state in _CONFIGURED_ONCE),
    *_in_place("config_rejected"),
    *(Row("config_withdrawn", state, State.UNCONFIGURED) for state in State),
    *(Row("bind_requested", state, State.BINDING, is_wanted) for state in _BINDABLE),
    Row("bind_requested", State.BINDING, State.BINDING, may_join),
    Row("bind_succeeded", State.BINDING, State.BOUND, is_current_attempt),
    Row("bind_failed", State.BINDING, State.FAILED, is_current_attempt),
    Row("retry_due", State.FAILED, State.BINDING, is_expected_retry),
    *_in_place("binding_verified", is_about_the_held_binding),
    *_in_place("binding_refreshed", is_about_the_held_binding),
    *_in_place("verification_refused", is_about_the_held_binding),
    *_in_place("verification_missed", is_about_the_held_binding),
    Row("binding_lost", State.BOUND, State.FAILED, is_about_the_held_binding),
    *(Row("binding_lost", state, state, is_about_the_held_binding) for state in _NOT_BOUND),
    *_in_place("sign_in_refused"),
    Row("unbind_requested", State.BINDING, State.CONFIGURED, holds_a_binding),
    *(Row("unbind_requested", s, s, holds_a_binding) for s in State if s is not State.BINDING),
    Row("unbind_finished", State.UNCONFIGURED, State.UNCONFIGURED, is_about_the_held_binding),
    *(Row("unbind_finished", s, State.CONFIGURED, is_about_the_held_binding) for s in _CONFIGURED_ONCE),
    *_in_place("unbind_failed", is_about_the_held_binding),
    *_in_place("orphan_found", is_not_held),
    *_in_place("keys_revoked", revocation_is_pending),
    *_in_place("revocation_failed", revocation_is_pending),
)
