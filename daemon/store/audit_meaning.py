"""What an audit record means to whoever collects events: how grave, how it ended, who from where. For the exports.

Used by `audit_syslog`, `audit_cef` and `audit_ocsf`, so that all three say the same.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime
from typing import Final, Literal

from daemon.ports import AuditRecord

Outcome = Literal["success", "failure", "unknown"]

_FAILURES: Final = frozenset({
    "bind_failed", "binding_lost", "call_refused", "config_rejected", "config_write_failed", "revocation_failed",
    "sign_in_refused", "unbind_failed", "verification_missed", "verification_refused",
})  # fmt: skip
_SUCCESSES: Final = frozenset({
    "audit_exported", "audit_pruned", "backup_made", "bind_succeeded", "binding_refreshed", "binding_verified",
    "config_accepted", "config_withdrawn", "config_written", "daemon_started", "daemon_stopped", "doctor_finished",
    "journal_recovered", "keys_revoked", "restored", "signed_in", "signed_out", "token_created", "token_revoked",
    "unbind_finished", "vault_rekeyed",
})  # fmt: skip
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z", re.ASCII)
_BREAKS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def outcome(record: AuditRecord) -> Outcome:
    """How it ended; what only began, or is of a later version, is unknown."""
    if record.event in _FAILURES:
        return "failure"
    return "success" if record.event in _SUCCESSES else "unknown"


def words(record: AuditRecord) -> str:
    """`bind failed: binding -> failed`, or the event alone where the state stayed."""
    moved = f": {record.before} -> {record.after}" if record.before != record.after else ""
    return record.event.replace("_", " ") + moved


def address(record: AuditRecord) -> str:
    """The actor's IP address; empty where it has none (the daemon itself, the socket, the command line)."""
    kind, _, rest = record.actor.partition(":")
    text = rest.rpartition("@")[2] if kind in ("http", "token") else ""
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        return ""


def moment(record: AuditRecord) -> datetime | None:
    """When it was; None for a damaged record, whose time is none."""
    try:
        return datetime.fromisoformat(record.at) if _MOMENT.fullmatch(record.at) else None
    except ValueError:
        return None


def one_line(text: str) -> str:
    r"""The text with whatever could end a line or command a terminal written as `\u000a`."""
    return _BREAKS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
