"""What the journal keeps of a step: the audit row, the snapshot and the bind report, made from one value."""

from __future__ import annotations

from datetime import datetime

from daemon.engine.live import LiveBinds
from daemon.ports import BindReport, BindState, JournalEntry
from states import Event, Ignored, Moved, OpenBind, Refused, Step, detail_of
from states.events import BindFailed, BindSucceeded


def entry_for(step: Step, *, at: datetime, live: LiveBinds) -> JournalEntry:
    """The journal entry of a step. The snapshot is left out where nothing of it changed.

    `live` knows the steps of a bind that ends without a result of its own.
    """
    before, after = step.before, step.after
    detail = detail_of(step.event)
    match step:
        case Refused(refusal=refusal, reason=reason):
            detail |= {"refused": refusal.value, "why": reason}
        case Ignored(reason=reason):
            detail |= {"ignored": reason}
        case Moved():
            detail |= _attempt(step)
    return JournalEntry(
        at=at,
        site=before.site,
        actor=step.event.actor,
        event=step.event.trigger,
        before=before.state.value,
        after=after.state.value,
        request_id=step.event.request_id,
        detail=detail,
        snapshot=after if after is not before else None,
        report=_report(step, at=at, live=live) if isinstance(step, Moved) else None,
    )


def _attempt(step: Moved) -> dict[str, object]:
    opened = step.after.open or step.before.open
    if opened is None:
        return {}
    said: dict[str, object] = {"bind_id": opened.bind_id, "attempt": opened.attempt}
    if step.after.open is not None and (step.after is step.before or step.after.open == step.before.open):
        said["joined"] = opened.bind_id
    if step.after.retry is not None and step.after.retry != step.before.retry:
        said["retry_at"] = step.after.retry.due_at.isoformat()
    return said


def _report(step: Moved, *, at: datetime, live: LiveBinds) -> BindReport | None:
    if step.after is step.before:
        return None
    before, after = step.before.open, step.after.open
    if after is not None and after != before:
        return report_of(step.after.site, after)
    if before is None or after is not None:
        return None
    return _closed(step, before, at=at, live=live)


def _closed(step: Moved, opened: OpenBind, *, at: datetime, live: LiveBinds) -> BindReport:
    event = step.event
    return BindReport(
        id=opened.bind_id,
        site=step.after.site,
        attempt=opened.attempt,
        actor=opened.actor,
        reason=opened.reason,
        state=ending(event),
        started_at=opened.started_at,
        finished_at=at,
        fault=event.fault if isinstance(event, BindFailed) else None,
        steps=event.steps if isinstance(event, (BindSucceeded, BindFailed)) else live.steps(opened.bind_id),
    )


def ending(event: Event) -> BindState:
    """How a bind ended by this event."""
    match event:
        case BindSucceeded():
            return "succeeded"
        case BindFailed():
            return "failed"
        case _:
            return "cancelled"


def report_of(site: str, opened: OpenBind) -> BindReport:
    """The report of a bind that has just begun."""
    return BindReport(
        id=opened.bind_id,
        site=site,
        attempt=opened.attempt,
        actor=opened.actor,
        reason=opened.reason,
        state="open",
        started_at=opened.started_at,
    )
