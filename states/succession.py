"""The data of the next snapshot: what an applied event changes beside the state. Pure.

`states.lifecycle` calls `succeed` after the table has chosen the state.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from states.backoff import delay_before
from states.events import (
    BindFailed,
    BindingLost,
    BindingRefreshed,
    BindingVerified,
    BindRequested,
    BindSucceeded,
    ConfigAccepted,
    ConfigRejected,
    ConfigWithdrawn,
    Event,
    KeysRevoked,
    OrphanFound,
    Restarted,
    RetryDue,
    SignInRefused,
    UnbindFailed,
    UnbindFinished,
    UnbindRequested,
    VerificationMissed,
    VerificationRefused,
)
from states.state import HeldBinding, OpenBind, Refusals, Retry, Snapshot, State, Terms, Trouble, Unbinding

DEFAULT_TERMS = Terms(fingerprint="", credentials=None, automatic=False)
"""Intervals to go by while no configuration is in force."""


def terms_of(snapshot: Snapshot) -> Terms:
    """The accepted terms, or defaults while a held binding outlives its configuration."""
    return snapshot.terms or DEFAULT_TERMS


def succeed(before: Snapshot, state: State, event: Event, *, at: datetime, chance: float) -> Snapshot:
    """The snapshot after `event` led from `before` to `state` at the moment `at`."""
    after = _data(before, event, at=at, chance=chance)
    if state is before.state:
        return after
    if state is not State.FAILED:
        after = replace(after, retry=None)
    if state is not State.BINDING:
        after = replace(after, open=None)
    if state is State.BOUND:
        after = replace(after, failures=0, trouble=None, interrupted=False)
    return replace(after, state=state, since=at, reason=_reason(before, event))


def forget_late(before: Snapshot, event: Event, *, at: datetime) -> Snapshot:
    """What an ignored event leaves behind: only the keys of a late success, which must be revoked."""
    if not isinstance(event, BindSucceeded) or before.holds(event.binding.bind_id):
        return before
    return _revoke_later(before, event.binding.bind_id, at=at)


def _data(before: Snapshot, event: Event, *, at: datetime, chance: float) -> Snapshot:  # noqa: C901, PLR0911, PLR0912 - one arm an event
    match event:
        case Restarted():
            interrupted = before.interrupted or before.open is not None
            return replace(before, open=None, interrupted=interrupted)
        case ConfigAccepted():
            return _accepted(before, event)
        case ConfigRejected():
            return replace(before, findings=event.findings, findings_since=at)
        case ConfigWithdrawn():
            return _withdrawn(before, event, at=at)
        case BindRequested():
            return before if before.open else _opened(before, event, reason=event.reason, at=at)
        case RetryDue():
            return _opened(before, event, reason="retry", at=at)
        case BindSucceeded():
            return _bound(before, event, at=at)
        case BindFailed():
            return _failed(before, event, at=at, chance=chance)
        case BindingVerified() | BindingRefreshed() if before.binding is not None:
            return _verified(before, before.binding, event, at=at)
        case VerificationRefused():
            return _refused(before, event, at=at)
        case VerificationMissed():
            since = before.missed.since if before.missed else at
            return replace(before, missed=Trouble(fault=event.fault, detail=event.detail, since=since))
        case BindingLost():
            return _lost(before, event, at=at)
        case SignInRefused():
            retry = before.retry if before.retry is not None and before.retry.one_time else None
            return replace(before, refused_credentials=event.credentials, retry=retry)
        case UnbindRequested():
            way: Unbinding = "local" if event.local_only else "remote"
            return replace(before, unbinding=way, unbind_trouble=None, retry=None, open=None)
        case UnbindFinished():
            return _unbound(before)
        case UnbindFailed():
            trouble = Trouble(fault=event.fault, detail=event.detail, since=at)
            # An unbind without the service was asked for meanwhile: it goes on, whatever the service said.
            going_on: Unbinding = "local" if before.unbinding == "local" else ""
            return _with_retry(replace(before, unbinding=going_on, unbind_trouble=trouble), at=at, chance=chance)
        case OrphanFound():
            return _revoke_later(before, event.bind_id, at=at)
        case KeysRevoked():
            left = tuple(bind_id for bind_id in before.revoke_pending if bind_id != event.bind_id)
            return replace(before, revoke_pending=left, revoke_since=before.revoke_since if left else None)
        case _:
            return before


def _accepted(before: Snapshot, event: ConfigAccepted) -> Snapshot:
    return replace(
        before,
        terms=event.terms,
        findings=(),
        findings_since=None,
        warnings=event.warnings,
    )


def _withdrawn(before: Snapshot, event: ConfigWithdrawn, *, at: datetime) -> Snapshot:
    return replace(
        before,
        terms=None,
        reason=event.reason,
        findings=event.findings,
        findings_since=at if event.findings else None,
        warnings=(),
    )


def _opened(before: Snapshot, event: Event, *, reason: str, at: datetime) -> Snapshot:
    attempt = before.attempt + 1
    opened = OpenBind(
        bind_id=f"{before.site}-{attempt}",
        attempt=attempt,
        actor=event.actor,
        reason=reason,
        one_time=_one_time(before, event),
        started_at=at,
    )
    return replace(before, attempt=attempt, open=opened, retry=None, interrupted=False, unbound_by_operator=False)


def _one_time(before: Snapshot, event: Event) -> bool:
    if isinstance(event, BindRequested):
        return event.one_time
    return before.retry is not None and before.retry.one_time


def _bound(before: Snapshot, event: BindSucceeded, *, at: datetime) -> Snapshot:
    after = before
    if before.binding is not None:
        after = _revoke_later(before, before.binding.bind_id, at=at)
    # A one-time sign-in that worked says nothing about the configured one.
    one_time = before.open is not None and before.open.one_time
    return replace(
        after,
        binding=event.binding,
        refusals=None,
        missed=None,
        refused_credentials=before.refused_credentials if one_time else None,
        unbinding="",
        unbind_trouble=None,
        bind_warnings=event.warnings,
    )


def _failed(before: Snapshot, event: BindFailed, *, at: datetime, chance: float) -> Snapshot:
    failures = before.failures + 1
    trouble = before.trouble
    since = trouble.since if trouble is not None and trouble.fault is event.fault else at
    return replace(
        before,
        failures=failures,
        trouble=Trouble(fault=event.fault, detail=event.detail, since=since),
        refused_credentials=_refused_credentials(before, event),
        retry=_retry(before, event, failures=failures, at=at, chance=chance),
    )


def _refused_credentials(before: Snapshot, event: BindFailed) -> str | None:
    """The sign-in not to be tried again. A refused one-time sign-in does not excuse the configured one."""
    if event.credentials is None or not event.fault.refuses_credentials:
        return before.refused_credentials
    one_time = before.open is not None and before.open.one_time
    if one_time and before.terms is not None and before.terms.credentials != event.credentials:
        return before.refused_credentials
    return event.credentials


def _retry(before: Snapshot, event: BindFailed, *, failures: int, at: datetime, chance: float) -> Retry | None:
    if not event.fault.heals_by_itself:
        return None
    terms = terms_of(before)
    wait = delay_before(failures, chance=chance, first=terms.retry_first, ceiling=terms.retry_ceiling) + float(
        event.retry_after or 0
    )
    one_time = before.open is not None and before.open.one_time
    return Retry(attempt=before.attempt + 1, due_at=at + timedelta(seconds=wait), one_time=one_time)


def _with_retry(after: Snapshot, *, at: datetime, chance: float) -> Snapshot:
    """The unbind that took the retry away came to nothing, so the site goes on where it stood."""
    trouble = after.trouble
    if after.state is not State.FAILED or trouble is None or after.retry is not None:
        return after
    if not trouble.fault.heals_by_itself or not after.automatic_binding_applies:
        return after
    terms = terms_of(after)
    wait = delay_before(max(1, after.failures), chance=chance, first=terms.retry_first, ceiling=terms.retry_ceiling)
    return replace(after, retry=Retry(attempt=after.attempt + 1, due_at=at + timedelta(seconds=wait)))


def _verified(
    before: Snapshot, held: HeldBinding, event: BindingVerified | BindingRefreshed, *, at: datetime
) -> Snapshot:
    binding = replace(held, verified_at=at, expires_at=event.expires_at or held.expires_at)
    return replace(before, binding=binding, refusals=None, missed=None)


def _refused(before: Snapshot, event: VerificationRefused, *, at: datetime) -> Snapshot:
    earlier = before.refusals
    refusals = Refusals(
        count=earlier.count + 1 if earlier else 1,
        fault=event.fault,
        detail=event.detail,
        since=earlier.since if earlier else at,
    )
    refused = event.credentials if event.fault.refuses_credentials else None
    # A retry would try the refused sign-in again; one with a one-time sign-in would not.
    pointless = refused is not None and before.retry is not None and not before.retry.one_time
    return replace(
        before,
        refusals=refusals,
        missed=None,
        refused_credentials=refused or before.refused_credentials,
        retry=None if pointless else before.retry,
    )


def _lost(before: Snapshot, event: BindingLost, *, at: datetime) -> Snapshot:
    after = _revoke_later(before, event.bind_id, at=at)
    after = replace(
        after,
        binding=None,
        refusals=None,
        missed=None,
        unbinding="",
        unbind_trouble=None,
        # Already gone at the service: the unbind that was under way has what it wanted.
        unbound_by_operator=before.unbound_by_operator or before.unbinding != "",
        bind_warnings=(),
    )
    if before.state is not State.BOUND:  # what keeps the site from signing in is still the trouble to tell
        return after
    return replace(after, failures=0, trouble=Trouble(fault=event.fault, detail=event.detail, since=at))


def _unbound(before: Snapshot) -> Snapshot:
    return replace(
        before,
        binding=None,
        refusals=None,
        missed=None,
        unbinding="",
        unbind_trouble=None,
        unbound_by_operator=True,
        trouble=None,
        failures=0,
        bind_warnings=(),
    )


def _revoke_later(before: Snapshot, bind_id: str, *, at: datetime) -> Snapshot:
    pending = tuple(dict.fromkeys((*before.revoke_pending, bind_id)))
    return replace(before, revoke_pending=pending, revoke_since=before.revoke_since or at)


def _reason(before: Snapshot, event: Event) -> str:
    match event:
        case ConfigAccepted() | ConfigWithdrawn() | BindRequested() | UnbindRequested():
            return event.reason
        case BindFailed() | BindingLost():
            return f"{event.fault.code}: {event.detail}"
        case BindSucceeded():
            return before.open.reason if before.open else "bind succeeded"
        case Restarted():
            return "a restart interrupted the bind"
        case UnbindFinished():
            return "unbound by operator" + (f"; {event.left_behind}" if event.left_behind else "")
        case _:
            return event.trigger.replace("_", " ")  # "retry due"
