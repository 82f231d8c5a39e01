"""What must be done after a step: a pure function from (before, event, after) to orders."""

from __future__ import annotations

from datetime import datetime, timedelta

from states.effects import (
    CancelBind,
    CancelRetry,
    CancelVerification,
    DeclareLost,
    Effect,
    RefreshKeys,
    RequestBind,
    RevokeKeys,
    RevokeOrphan,
    ScheduleRetry,
    ScheduleVerification,
    StartBind,
    Unbind,
    WipeKeys,
)
from states.events import (
    BindFailed,
    BindingLost,
    BindingRefreshed,
    BindingVerified,
    BindSucceeded,
    ConfigAccepted,
    Event,
    Impact,
    KeysRevoked,
    OrphanFound,
    Restarted,
    RevocationFailed,
    UnbindFailed,
    UnbindFinished,
    UnbindRequested,
    VerificationMissed,
    VerificationRefused,
)
from states.faults import Fault
from states.state import HeldBinding, Refusals, Snapshot, State
from states.succession import terms_of

REFUSAL_GAP = timedelta(seconds=30)
"""Refusals count as spread over time when they lie this far apart on average."""
VERIFY_JITTER = 0.1
"""The share by which an interval between checks is longer or shorter, so that sites drift apart."""
RESTART_GRACE = timedelta(seconds=1)
"""A restored binding is verified this soon after a start, in its slot."""
REVOKE_AGAIN = timedelta(minutes=5)
"""Keys that could not be revoked are tried again this often."""


def consequences(
    before: Snapshot, after: Snapshot, event: Event, *, at: datetime, chance: float = 0.5
) -> tuple[Effect, ...]:
    """The orders that follow from a step; `before` and `after` hold the data, `event` the cause.

    `chance` in [0, 1) feeds the jitter of what is planned; in the middle there is none.
    """
    return (
        *_endings(before, after),
        *_beginnings(before, after, event),
        *_care(before, after, event, at=at, chance=chance),
        *_revocations(before, after, event, at=at),
    )


def _endings(before: Snapshot, after: Snapshot) -> tuple[Effect, ...]:
    effects: list[Effect] = []
    if before.state is State.BINDING and before.open and after.open is None and not _settled(after):
        effects.append(CancelBind(bind_id=before.open.bind_id, attempt=before.open.attempt))
    if before.retry is not None and after.retry is None:
        effects.append(CancelRetry())
    if before.binding is not None and after.binding is None:
        effects.append(CancelVerification())
    return tuple(effects)


def _settled(after: Snapshot) -> bool:
    return after.state in (State.BOUND, State.FAILED)


def _beginnings(before: Snapshot, after: Snapshot, event: Event) -> tuple[Effect, ...]:
    if after.open is not None and after.open != before.open:
        opened = after.open
        return (StartBind(bind_id=opened.bind_id, attempt=opened.attempt, one_time=opened.one_time),)
    match event:
        case BindFailed() if after.retry is not None:
            return (ScheduleRetry(attempt=after.retry.attempt, due_at=after.retry.due_at),)
        case UnbindFailed() if after.retry is not None and before.retry is None:
            return (ScheduleRetry(attempt=after.retry.attempt, due_at=after.retry.due_at),)
        case UnbindFailed() if after.state is State.CONFIGURED and after.automatic_binding_applies:
            return (RequestBind(reason=after.reason),)  # what asked for it came while the unbind was under way
        case Restarted() if after.retry is not None and after.state is State.FAILED:
            return (ScheduleRetry(attempt=after.retry.attempt, due_at=after.retry.due_at),)
        case ConfigAccepted() if _may_bind_now(before, after, event):
            return (RequestBind(reason=_why(after, event)),)
        case BindingLost() if after.automatic_binding_applies and before.state is State.BOUND:
            return (RequestBind(reason=f"binding lost: {event.fault.code}"),)
        case _:
            return ()


def _may_bind_now(before: Snapshot, after: Snapshot, event: ConfigAccepted) -> bool:
    if not after.automatic_binding_applies:
        return False
    if after.state is not State.CONFIGURED:
        return event.at_start and after.owes_a_sign_in
    changed = before.state is not after.state or before.terms != after.terms
    return event.at_start or event.impact is Impact.REBIND or changed


def _why(after: Snapshot, event: ConfigAccepted) -> str:
    if after.state is State.FAILED:
        return f"binding lost: {after.reason}"
    if after.interrupted and event.impact is not Impact.REBIND:
        return "recovery: a restart interrupted the bind"
    return event.reason


def _care(before: Snapshot, after: Snapshot, event: Event, *, at: datetime, chance: float) -> tuple[Effect, ...]:
    """What the held binding needs next: a check, a refresh or its end."""
    binding = after.binding
    if binding is None:
        return ()
    match event:
        case Restarted() if after.unbinding:
            return (Unbind(bind_id=binding.bind_id, local_only=after.unbinding == "local"),)
        case UnbindRequested():
            return (Unbind(bind_id=binding.bind_id, local_only=event.local_only),)
        case VerificationRefused() if after.refusals is not None:
            return _after_refusal(after, binding, after.refusals, at=at)
    due_at = _next_check(after, binding, event, at=at, chance=chance)
    plan = () if due_at is None else (_verify(binding, due_at),)
    # A refresh that was refused a moment ago waits for the next check: it is a sign-in.
    if isinstance(event, BindingVerified) and before.refusals is None:
        return (*plan, *_refresh_ahead(after, binding, at=at))
    return plan


def _next_check(after: Snapshot, binding: HeldBinding, event: Event, *, at: datetime, chance: float) -> datetime | None:
    terms = terms_of(after)
    every = terms.verify_every * (1 + VERIFY_JITTER * (2 * chance - 1))
    match event:
        case Restarted():
            return at + RESTART_GRACE
        case ConfigAccepted() if not event.at_start:  # at a start, the restart has planned a check already
            # From the last check on, or a file that is saved often would put the check off for ever.
            return max(at, _routine_check(binding, every=every, last=binding.verified_at))
        case UnbindFailed():  # a restart that found the unbind under way has planned no check
            return max(at, _routine_check(binding, every=every, last=binding.verified_at))
        case BindSucceeded() if event.binding.bind_id != binding.bind_id:
            return None  # a late success: nothing changes for the keys that are held
        case BindSucceeded() | BindingVerified() | BindingRefreshed():
            return _routine_check(binding, every=every, last=at)
        case VerificationMissed():
            soon = min(terms.verify_every, terms.retry_ceiling)
            return at + timedelta(seconds=max(event.retry_after or 0, soon))
        case _:
            return None


def _verify(binding: HeldBinding, due_at: datetime) -> ScheduleVerification:
    return ScheduleVerification(bind_id=binding.bind_id, due_at=due_at)


def _routine_check(binding: HeldBinding, *, every: float, last: datetime) -> datetime:
    due = last + timedelta(seconds=every)
    if binding.expires_at is not None and last < binding.expires_at < due:
        return binding.expires_at
    return due


def _refresh_ahead(after: Snapshot, binding: HeldBinding, *, at: datetime) -> tuple[Effect, ...]:
    if binding.expires_at is None or not after.has_usable_credentials:
        return ()
    ahead = timedelta(seconds=2 * terms_of(after).verify_every)
    return (RefreshKeys(bind_id=binding.bind_id),) if binding.expires_at - at <= ahead else ()


def _after_refusal(after: Snapshot, binding: HeldBinding, refusals: Refusals, *, at: datetime) -> tuple[Effect, ...]:
    terms = terms_of(after)
    spread = REFUSAL_GAP * (terms.lost_after - 1)
    many = refusals.count >= terms.lost_after and at - refusals.since >= spread
    # While an operator's unbind is under way, refused keys are its success and no loss.
    if many and not after.unbinding:
        return (DeclareLost(bind_id=binding.bind_id, fault=refusals.fault, detail=refusals.detail),)
    again = _verify(binding, at + REFUSAL_GAP)
    if refusals.fault is Fault.BINDING_EXPIRED and after.has_usable_credentials:
        return (RefreshKeys(bind_id=binding.bind_id), again)
    return (again,)


def _revocations(before: Snapshot, after: Snapshot, event: Event, *, at: datetime) -> tuple[Effect, ...]:
    match event:
        case BindSucceeded():
            fresh = [b for b in after.revoke_pending if b not in before.revoke_pending]
            order = RevokeKeys if after.holds(event.binding.bind_id) else RevokeOrphan
            return tuple(order(bind_id=bind_id, due_at=at) for bind_id in fresh)
        case OrphanFound():
            # A start may find one for each site.
            return (RevokeOrphan(bind_id=event.bind_id, due_at=at, in_slot=event.at_start),)
        case BindingLost():
            return (RevokeKeys(bind_id=event.bind_id, due_at=at),)
        case RevocationFailed():
            return (RevokeKeys(bind_id=event.bind_id, due_at=at + REVOKE_AGAIN, in_slot=True),)
        case Restarted():
            return tuple(RevokeKeys(bind_id=bind_id, due_at=at, in_slot=True) for bind_id in after.revoke_pending)
        case UnbindRequested() if not event.local_only:
            # Whoever ends the association wants nothing left behind: the next try comes at once.
            return tuple(RevokeKeys(bind_id=bind_id, due_at=at) for bind_id in after.revoke_pending)
        case KeysRevoked() | UnbindFinished():
            return (WipeKeys(bind_id=event.bind_id),)
        case _:
            return ()
