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
    UnbindFailed,
    UnbindFinished,
    UnbindRequested,
    VerificationMissed,
    VerificationRefused,
)
from states.state import OpenBind, Refusals, Retry, Snapshot, State, Terms, Trouble

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
            return replace(before, terms=None, findings=event.findings, findings_since=at, warnings=())
        case BindRequested():
            return before if before.open else _opened(before, event, reason=event.reason, at=at)
        case RetryDue():
            return _opened(before, event, reason="retry", at=at)
        case BindSucceeded():
            return _bound(before, event, at=at)
        case BindFailed():
            return _failed(before, event, at=at, chance=chance)
        case BindingVerified() | BindingRefreshed():
            return _verified(before, event, at=at)
        case VerificationRefused():
            return _refused(before, event, at=at)
        case VerificationMissed():
            since = before.missed.since if before.missed else at
            return replace(before, missed=Trouble(fault=event.fault, detail=event.detail, since=since))
        case BindingLost():
            return _lost(before, event, at=at)
        case UnbindRequested():
            return replace(before, unbinding="local" if event.local_only else "remote", unbind_trouble=None, retry=None, open=None)
        case UnbindFinished():
            return _unbound(before)
        case UnbindFailed():
            trouble = Trouble(fault=event.fault, detail=event.detail, since=at)
            return replace(before, unbinding="", unbind_trouble=trouble)
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
    return replace(before, attempt=attempt, open=opened, retry=None, interrupted=False)


def _one_time(before: Snapshot, event: Event) -> bool:
    if isinstance(event, BindRequested):
        return event.one_time
    return before.retry is not None and before.retry.one_time


def _bound(before: Snapshot, event: BindSucceeded, *, at: datetime) -> Snapshot:
    after = before
    if before.binding is not None:
        after = _revoke_later(before, before.binding.bind_id, at=at)
    return replace(
        after,
        binding=event.binding,
        failures=0,
        trouble=None,
        refusals=None,
        missed=None,
        refused_credentials=None,
        unbound_by_operator=False,
        unbind_trouble=None,
        bind_warnings=event.warnings,
    )


def _failed(before: Snapshot, event: BindFailed, *, at: datetime, chance: float) -> Snapshot:
    failures = before.failures + 1
    same = before.trouble is not None and before.trouble.fault is event.fault
    since = before.trouble.since if same and before.trouble else at
    refused = event.credentials if event.fault.refuses_credentials else None
    return replace(
        before,
        failures=failures,
        trouble=Trouble(fault=event.fault, detail=event.detail, since=since),
        refused_credentials=refused or before.refused_credentials,
        retry=_retry(before, event, failures=failures, at=at, chance=chance),
    )


def _retry(
    before: Snapshot, event: BindFailed, *, failures: int, at: datetime, chance: float
) -> Retry | None:
    if not event.fault.heals_by_itself:
        return None
    terms = terms_of(before)
    wait = delay_before(
        failures, chance=chance, first=terms.retry_first, ceiling=terms.retry_ceiling
    ) + float(event.retry_after or 0)
    one_time = before.open is not None and before.open.one_time
    return Retry(attempt=before.attempt + 1, due_at=at + timedelta(seconds=wait), one_time=one_time)


def _verified(before: Snapshot, event: BindingVerified | BindingRefreshed, *, at: datetime) -> Snapshot:
    if before.binding is None:  # the guard has seen to it; mypy has not
        return before
    binding = replace(
        before.binding, verified_at=at, expires_at=event.expires_at or before.binding.expires_at
    )
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
    return replace(
        before,
        refusals=refusals,
        missed=None,
        refused_credentials=refused or before.refused_credentials,
    )


def _lost(before: Snapshot, event: BindingLost, *, at: datetime) -> Snapshot:
    after = _revoke_later(before, event.bind_id, at=at)
    trouble = Trouble(fault=event.fault, detail=event.detail, since=at)
    return replace(
        after, binding=None, refusals=None, missed=None, unbinding="", trouble=trouble, bind_warnings=()
    )


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
        case RetryDue():
            return "retry"
        case UnbindFinished():
            return "unbound by operator"
        case _:
            return event.trigger.replace("_", " ")
