"""An audit record as an event of the Open Cybersecurity Schema Framework, version 1.3.0. Used by the exports.

Sign-ins (of sitebind at the service, and of people at the page) are Authentication, tokens are Account Change,
everything else is API Activity. The record itself, with its hash, is in `unmapped`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from daemon import __version__
from daemon.ports import AuditRecord
from daemon.store.audit_meaning import address, moment, outcome, words

VERSION: Final = "1.3.0"

_STATUS: Final = {"unknown": (0, "Unknown"), "success": (1, "Success"), "failure": (2, "Failure")}
_SEVERITY: Final = {"failure": (3, "Medium"), "success": (1, "Informational"), "unknown": (1, "Informational")}


@dataclass(frozen=True, slots=True)
class _Class:
    uid: int
    name: str
    category: int
    category_name: str


_ACCOUNT_CHANGE: Final = _Class(3001, "Account Change", 3, "Identity & Access Management")
_AUTHENTICATION: Final = _Class(3002, "Authentication", 3, "Identity & Access Management")
_API_ACTIVITY: Final = _Class(6003, "API Activity", 6, "Application Activity")

_Activity = tuple[int, str]
_LOGON: Final = (1, "Logon")
_LOGOFF: Final = (2, "Logoff")
_OTHER: Final = 99

AT_THE_SERVICE: Final[dict[str, _Activity]] = {
    "bind_succeeded": _LOGON,
    "bind_failed": _LOGON,
    "sign_in_refused": _LOGON,
    "keys_revoked": _LOGOFF,
    "unbind_finished": _LOGOFF,
}
AT_THE_PAGE: Final[dict[str, _Activity]] = {"signed_in": _LOGON, "signed_out": _LOGOFF}
OF_TOKENS: Final[dict[str, _Activity]] = {"token_created": (1, "Create"), "token_revoked": (6, "Delete")}
OF_THE_API: Final[dict[str, _Activity]] = {
    "audit_exported": (2, "Read"),
    "audit_pruned": (4, "Delete"),
    "backup_made": (2, "Read"),
    "restored": (3, "Update"),
    "config_accepted": (3, "Update"),
    "config_rejected": (3, "Update"),
    "config_write": (3, "Update"),
    "config_written": (3, "Update"),
    "config_write_failed": (3, "Update"),
    "vault_rekeyed": (3, "Update"),
    "config_withdrawn": (4, "Delete"),
}


def ocsf_line(record: AuditRecord) -> str:
    """One event as one line of JSON."""
    return json.dumps(ocsf_event(record), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def ocsf_event(record: AuditRecord) -> dict[str, Any]:
    """The event; `time` is left at 0 for a damaged record whose time is none."""
    kind, (activity, activity_name), own = _classified(record)
    how = outcome(record)
    (severity, severity_name), (status, status_name) = _SEVERITY[how], _STATUS[how]
    at = moment(record)
    return {
        "activity_id": activity,
        "activity_name": activity_name,
        "category_name": kind.category_name,
        "category_uid": kind.category,
        "class_name": kind.name,
        "class_uid": kind.uid,
        "message": words(record),
        "metadata": _metadata(record),
        "severity": severity_name,
        "severity_id": severity,
        "status": status_name,
        "status_id": status,
        "time": 0 if at is None else int(at.timestamp() * 1000),
        "type_name": f"{kind.name}: {activity_name}",
        "type_uid": kind.uid * 100 + activity,
        "unmapped": _record(record),
        "actor": {"user": {"name": record.actor}},
        "src_endpoint": _source(record),
        **own,
    }


def _classified(record: AuditRecord) -> tuple[_Class, _Activity, dict[str, Any]]:
    """The class, the activity, and what only this class has."""
    event = record.event
    if event in AT_THE_SERVICE:
        site = record.site or record.actor
        own = {"user": {"name": site, "type_id": _OTHER, "type": "Site"}, "service": {"name": "Mimecast"}}
        return _AUTHENTICATION, AT_THE_SERVICE[event], own
    if event in AT_THE_PAGE:
        return _AUTHENTICATION, AT_THE_PAGE[event], {"user": {"name": record.actor}, "service": {"name": "sitebind"}}
    if event in OF_TOKENS:
        user = {"name": str(record.detail.get("name", "")), "uid": str(record.detail.get("token", ""))}
        return _ACCOUNT_CHANGE, OF_TOKENS[event], {"user": user}
    api: dict[str, Any] = {"operation": event, "service": {"name": "sitebind"}}
    if record.request_id:
        api["request"] = {"uid": record.request_id}
    return _API_ACTIVITY, OF_THE_API.get(event, (_OTHER, event)), {"api": api}


def _metadata(record: AuditRecord) -> dict[str, Any]:
    found = {
        "version": VERSION,
        "product": {"name": "sitebind", "vendor_name": "sitebind", "version": __version__},
        "event_code": record.event,
        "log_name": "audit",
        "original_time": record.at,
        "sequence": record.seq,
        "uid": record.hash,
    }
    return found | ({"correlation_uid": record.request_id} if record.request_id else {})


def _source(record: AuditRecord) -> dict[str, Any]:
    where = address(record)
    return {"ip": where} if where else {"name": record.actor or "unknown"}


def _record(record: AuditRecord) -> dict[str, Any]:
    return {
        "site": record.site,
        "before": record.before,
        "after": record.after,
        "detail": record.detail,
        "previous_hash": record.previous_hash,
        "hash": record.hash,
    }
