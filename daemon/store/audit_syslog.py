"""An audit record as an RFC 5424 syslog message. Used by the exports."""

from __future__ import annotations

import json
import re
from typing import Final

from daemon.ports import AuditRecord
from daemon.store.audit_meaning import moment, one_line, outcome

FACILITY: Final = 13
"""Log audit."""
ENTERPRISE: Final = "sitebind@32473"
"""32473 is the number that IANA keeps for examples: sitebind has none of its own."""

_SEVERITY: Final = {"failure": 4, "success": 6, "unknown": 6}
_MOST_SEQUENCE: Final = 2_147_483_647
_NO_NAME: Final = re.compile(r"[^!-~]")
_LONGEST_MSGID: Final = 32


def syslog_line(record: AuditRecord) -> str:
    """The message without framing. HOSTNAME is not given: the trail does not know it, and the exporter may be another.

    Its free text is the record's detail in ASCII, so that no byte order mark is needed.
    """
    priority = FACILITY * 8 + _SEVERITY[outcome(record)]
    at = record.at if moment(record) is not None else "-"
    msgid = _NO_NAME.sub("_", record.event)[:_LONGEST_MSGID] or "-"
    detail = json.dumps(record.detail, sort_keys=True, separators=(",", ":"))
    return f"<{priority}>1 {at} - sitebind - {msgid} {_data(record)} {detail}"


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
