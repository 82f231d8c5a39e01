"""An audit record in the Common Event Format, version 0. Used by the exports."""

from __future__ import annotations

import json
import re
from typing import Final

from daemon import __version__
from daemon.ports import AuditRecord
from daemon.store.audit_meaning import address, moment, one_line, outcome, words

_SEVERITY: Final = {"failure": 6, "success": 3, "unknown": 3}
_AT_LINE_ENDS: Final = re.compile(r"([\r\n])")
_LINE_ENDS: Final = {"\n": "\\n", "\r": "\\r"}


def cef_line(record: AuditRecord) -> str:
    """The header's seven fields, then the extension. What is empty is not in it."""
    severity = str(_SEVERITY[outcome(record)])
    header = ("CEF:0", "sitebind", "sitebind", __version__, record.event, words(record), severity)
    extension = " ".join(f"{key}={_value(value)}" for key, value in _extension(record).items() if value)
    return "|".join([header[0], *map(_field, header[1:])]) + f"|{extension}"


def _extension(record: AuditRecord) -> dict[str, str]:
    at, where = moment(record), address(record)
    labelled = {
        "site": record.site,
        "before": record.before,
        "after": record.after,
        "requestId": record.request_id or "",
        "hash": record.hash,
        "previousHash": record.previous_hash,
    }
    custom: dict[str, str] = {}
    for number, (label, value) in enumerate(labelled.items(), start=1):
        custom |= {f"cs{number}Label": label, f"cs{number}": value} if value else {}
    return {
        "rt": "" if at is None else str(int(at.timestamp() * 1000)),
        "externalId": str(record.seq),
        "outcome": outcome(record),
        "suser": record.actor,
        "c6a2" if ":" in where else "src": where,
        **({"c6a2Label": "Source IPv6 Address"} if ":" in where else {}),
        **custom,
        "msg": json.dumps(record.detail, ensure_ascii=False, sort_keys=True, separators=(",", ":")),
    }


def _field(text: str) -> str:
    """In the header a pipe ends a field, and there is no way to write a line end."""
    return one_line(" ".join(text.splitlines())).replace("\\", "\\\\").replace("|", "\\|")


def _value(text: str) -> str:
    r"""In the extension an equals sign ends a key; line ends are written `\n` and `\r`."""
    return "".join(_LINE_ENDS.get(piece) or _escaped(piece) for piece in _AT_LINE_ENDS.split(text))


def _escaped(text: str) -> str:
    return one_line(text).replace("\\", "\\\\").replace("=", "\\=")
