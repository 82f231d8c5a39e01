"""An audit record as an RFC 5424 syslog message. Used by the exports and by `outbox`."""

from __future__ import annotations

import json
import re
from typing import Final

from daemon.ports import AuditRecord
from daemon.store.audit_cef import cef_line
from daemon.store.audit_meaning import moment, one_line, outcome

FACILITY: Final = 13
"""Log audit."""
ENTERPRISE: Final = "sitebind@32473"
"""32473 is the number that IANA keeps for examples: sitebind has none of its own."""

_SEVERITY: Final = {"failure": 4, "success": 6, "unknown": 6}
_MOST_SEQUENCE: Final = 2_147_483_647
_NO_NAME: Final = re.compile(r"[^!-~]")
_LONGEST_MSGID: Final = 32
_LONGEST_HOSTNAME: Final = 255


def syslog_line(record: AuditRecord, *, hostname: str = "-") -> str:
    """The message without framing. An export gives no HOSTNAME: the trail does not know it, and another may export.

    Its free text is the record's detail in ASCII, so that no byte order mark is needed.
    """
    detail = json.dumps(record.detail, sort_keys=True, separators=(",", ":"))
    return f"{_header(record, hostname)} {_data(record)} {detail}"


def cef_message(record: AuditRecord, *, hostname: str = "-") -> str:
    """CEF as the text of a syslog message, which is how it travels; as bytes of UTF-8 without a byte order mark."""
    return f"{_header(record, hostname)} - {cef_line(record)}"


def _header(record: AuditRecord, hostname: str) -> str:
    priority = FACILITY * 8 + _SEVERITY[outcome(record)]
    at = record.at if moment(record) is not None else "-"
    host = _NO_NAME.sub("_", hostname)[:_LONGEST_HOSTNAME] or "-"
    msgid = _NO_NAME.sub("_", record.event)[:_LONGEST_MSGID] or "-"
    return f"<{priority}>1 {at} {host} sitebind - {msgid}"


def _data(record: AuditRecord) -> str:
    given = {
        "seq": str(record.seq),
        "site": record.site,
        "actor": record.actor,
        "event": record.event,
        "before": record.before,
        "after": record.after,
        "requestId": record.request_id or "",
        "outcome": outcome(record),
        "previousHash": record.previous_hash,
        "hash": record.hash,
    }
    params = "".join(f' {name}="{_escaped(value)}"' for name, value in given.items())
    # The RFC lets it begin anew at 1 after its highest.
    return f'[meta sequenceId="{(record.seq - 1) % _MOST_SEQUENCE + 1}"][{ENTERPRISE}{params}]'


def _escaped(value: str) -> str:
    return one_line(value).replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")


def counted(message: str) -> str:
    """The message with its number of bytes before it, as RFC 6587 and RFC 5425 frame it on a stream; no line end."""
    return f"{len(message.encode('utf-8', 'replace'))} {message}"
