"""The audit trail in memory, searched as the journal searches it, and exported by the journal's own lines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from daemon.ports import AuditFilter, AuditRecord, ExportFormat
from daemon.store.audit import CSV_HEADER, LINES


def found(records: Sequence[AuditRecord], wanted: AuditFilter) -> list[AuditRecord]:
    hits = [record for record in records if _is_wanted(record, wanted)]
    if wanted.newest_first:
        hits.reverse()
    return hits[: wanted.limit]


def _is_wanted(record: AuditRecord, wanted: AuditFilter) -> bool:
    at, actor = datetime.fromisoformat(record.at), wanted.actor or "*"
    return (
        wanted.site in (None, record.site)
        and wanted.after < record.seq
        and (wanted.before is None or record.seq < wanted.before)
        and (wanted.since is None or wanted.since <= at)
        and (wanted.until is None or at < wanted.until)
        and (record.actor.startswith(actor[:-1]) if actor.endswith("*") else record.actor == actor)
        and (not wanted.events or record.event in wanted.events)
        and record.event not in wanted.without
    )


async def pieces(
    records: Sequence[AuditRecord], format: ExportFormat, *, broken: Exception | None
) -> AsyncIterator[bytes]:
    """A line a piece; `broken` is raised behind the third."""
    lines = [CSV_HEADER] * (format == "csv") + list(map(LINES[format], records))
    for number, line in enumerate(lines):
        if broken is not None and number == 3:
            raise broken
        yield f"{line}\n".encode()
