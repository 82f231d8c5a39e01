"""Records that a backup was made. Used by the front door, and by the command while no daemon runs."""

from __future__ import annotations

from datetime import datetime

from daemon.engine.operations import Caller, RequestRefused
from daemon.ports import Backup, Journal, JournalEntry


async def record_backup(journal: Journal, backup: Backup, *, caller: Caller, at: datetime) -> int:
    """Record a backup whose head is in this trail; the record's number.

    Raises `RequestRefused` for the backup of another trail, and `daemon.ports.JournalUnavailable`.
    """
    if backup.last > 0:
        found = await journal.audit(after=backup.last - 1, limit=1)
        if [(record.seq, record.hash) for record in found] != [(backup.last, backup.head)]:
            raise RequestRefused(
                "backup-of-another-trail",
                f"record {backup.last} of the backup is not in this daemon's trail: it is the backup of another "
                "database. Name the daemon that holds it with --config or --url.",
            )
    return await journal.append(
        JournalEntry(
            at=at,
            site="",
            actor=caller.actor,
            event="backup_made",
            before="",
            after="",
            request_id=caller.request_id,
            detail={"file": backup.file, "records": backup.records, "last": backup.last, "head": backup.head},
        )
    )
