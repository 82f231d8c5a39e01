"""Between the tables' rows and the values of the ports. Used by the journal and the audit functions."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from daemon.ports import AuditRecord, BindReport, JournalUnavailable
from daemon.store.chain import Row, moment, readable, whole
from states import BindStep, Snapshot, fault_named, recall, remember

REPORT_COLUMNS = "id, site, attempt, actor, reason, state, fault, started_at, finished_at, steps"

_ENCODER = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))


def record_of(row: Row) -> AuditRecord:
    """An audit record. A detail that was damaged is shown as it is; `verify` is who judges."""
    seq, at, site, actor, event, before, after, request_id, detail, previous_hash, digest = row
    found = readable(detail)
    return AuditRecord(
        seq=seq,
        at=at,
        site=site,
        actor=actor,
        event=event,
        before=before,
        after=after,
        request_id=request_id,
        detail={"damaged": str(detail)} if found is None else found,
        previous_hash=previous_hash,
        hash=digest,
    )


def document_of(snapshot: Snapshot) -> str:
    """A snapshot as it is stored."""
    return _ENCODER.encode(remember(snapshot))


def snapshot_of(site: str, document: str) -> Snapshot:
    """A stored snapshot. Raises `JournalUnavailable`: guessing would give the site a new identity."""
    try:
        return recall(json.loads(document))
    except ValueError as error:
        raise JournalUnavailable(
            f"the stored state of site {site} cannot be read ({error}). Restore a backup of the database; "
            "or, to let the site begin anew, stop the daemon and delete its row from the table snapshots."
        ) from error


def report_row(report: BindReport) -> tuple[Any, ...]:
    """A bind report in the order of REPORT_COLUMNS."""
    return (
        report.id,
        report.site,
        report.attempt,
        whole(report.actor),
        whole(report.reason),
        report.state,
        None if report.fault is None else report.fault.code,
        moment(report.started_at),
        None if report.finished_at is None else moment(report.finished_at),
        _ENCODER.encode([_step_document(step) for step in report.steps]),
    )


def report_of(row: tuple[Any, ...]) -> BindReport:
    """A bind report from the columns REPORT_COLUMNS."""
    bind_id, site, attempt, actor, reason, state, fault, started_at, finished_at, steps = row
    return BindReport(
        id=bind_id,
        site=site,
        attempt=attempt,
        actor=actor,
        reason=reason,
        state=state,
        fault=None if fault is None else fault_named(fault),
        started_at=datetime.fromisoformat(started_at),
        finished_at=None if finished_at is None else datetime.fromisoformat(finished_at),
        steps=tuple(BindStep(**step) for step in json.loads(steps)),
    )


def _step_document(step: BindStep) -> dict[str, Any]:
    return {
        "step": step.step,
        "status": step.status,
        "seconds": step.seconds,
        "detail": step.detail,
        "remedy": step.remedy,
    }
