"""JSON answers: values of the engine in the shapes that the API promises.

Called by the handlers. Times are RFC 3339 in UTC; a record of the audit trail is passed on as it is stored,
because its hash is over just these characters.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from daemon.engine.history import ChainStatus
from daemon.engine.operations import Health, ReloadAnswer, SiteView
from daemon.ports import AuditRecord, BindReport, Seal
from states import BindStep, HeldBinding, Problem

Json = dict[str, Any]

# One encoder for all answers: `json.dumps` with options makes a new one for each call.
_encoder = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False)
_HEADERS = CIMultiDict(
    {"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
)


def encode(document: Json) -> bytes:
    """The document as JSON in UTF-8."""
    # A lone surrogate can come in with a query or a path, and must not turn an answer into a failure.
    return _encoder.encode(document).encode("utf-8", "replace")


def answer(document: Json, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON response."""
    own = _HEADERS.copy()
    if headers:
        own.update(headers)
    return web.Response(body=encode(document), status=status, headers=own)


def moment(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    at = at if at.tzinfo is UTC else at.astimezone(UTC)
    return f"{at.isoformat(timespec='milliseconds')[:-6]}Z"


def moment_or_none(at: datetime | None) -> str | None:
    """The same for what may never have been."""
    return None if at is None else moment(at)


def site_json(view: SiteView) -> Json:
    """A site."""
    return {
        "id": view.id,
        "state": view.state.value,
        "since": moment(view.since),
        "reason": view.reason,
        "server_name": view.server_name,
        "display_name": view.display_name,
        "site_code": view.site_code,
        "region": view.region,
        "company": view.company,
        "version": view.version,
        "binding": None if view.binding is None else _binding(view.binding),
        "retry_at": moment_or_none(view.retry_at),
        "problems": [_problem(problem) for problem in view.problems],
        "ready": view.ready,
    }


def _binding(binding: HeldBinding) -> Json:
    return {
        "account_code": binding.account_code,
        "bound_at": moment(binding.bound_at),
        "verified_at": moment(binding.verified_at),
        "expires_at": moment_or_none(binding.expires_at),
        "method": binding.method,
    }


def _problem(problem: Problem) -> Json:
    return {
        "code": problem.code,
        "severity": problem.severity,
        "text": problem.text,
        "remedy": problem.remedy,
        "since": moment(problem.since),
    }


def bind_json(report: BindReport) -> Json:
    """A bind with its steps; `fault` is the fault's code."""
    return {
        "id": report.id,
        "site": report.site,
        "attempt": report.attempt,
        "actor": report.actor,
        "reason": report.reason,
        "state": report.state,
        "fault": None if report.fault is None else report.fault.code,
        "started_at": moment(report.started_at),
        "finished_at": moment_or_none(report.finished_at),
        "steps": [step_json(step) for step in report.steps],
    }


def step_json(step: BindStep) -> Json:
    """A step of a bind, or a layer of the doctor."""
    return {
        "step": step.step,
        "status": step.status,
        "seconds": round(step.seconds, 6),
        "detail": step.detail,
        "remedy": step.remedy,
    }


def layers_json(layers: Iterable[BindStep]) -> Json:
    """A doctor's report: a bind report's steps, layer by layer."""
    return {"layers": [step_json(step) for step in layers]}


def audit_json(record: AuditRecord) -> Json:
    """One record of the audit trail, unchanged."""
    return {
        "seq": record.seq,
        "at": record.at,
        "site": record.site,
        "actor": record.actor,
        "event": record.event,
        "before": record.before,
        "after": record.after,
        "request_id": record.request_id,
        "detail": dict(record.detail),
        "previous_hash": record.previous_hash,
        "hash": record.hash,
    }


def chain_json(status: ChainStatus) -> Json:
    """The audit chain as a walk found it."""
    return {
        "intact": status.intact,
        "records": status.records,
        "head": status.head,
        "checked_at": moment(status.checked_at),
        "broken_at": status.broken_at,
        "reason": status.reason,
        "first": status.first,
        "pruned": None if status.anchor is None else pruned_json(status.anchor),
    }


def pruned_json(anchor: Seal) -> Json:
    """What was pruned of the trail last."""
    return {"last": anchor.seq, "records": anchor.count, "at": anchor.at, "key": anchor.key}


def health_json(health: Health) -> Json:
    """A health answer."""
    checks = [{"name": check.name, "status": check.status, "text": check.text} for check in health.checks]
    return {"status": health.status, "checks": checks}


def reload_json(reloaded: ReloadAnswer) -> Json:
    """What a reload did; `site` of a change is empty for [daemon]."""
    changes = [
        {"site": change.site, "section": change.section, "option": change.option, "result": change.result}
        for change in reloaded.changes
    ]
    return {"outcome": reloaded.outcome, "changes": changes, "findings": list(reloaded.findings)}
