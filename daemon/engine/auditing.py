"""The audit trail for whoever asks at the front door: records, exports, the state of the chain, a site's past."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from daemon.engine.backups import record_backup
from daemon.engine.history import ChainStatus, StateHistory, held_now, intervals_of
from daemon.engine.operations import Caller
from daemon.ports import (
    AuditFilter,
    AuditRecord,
    Backup,
    ChainReport,
    Clock,
    ExportFormat,
    Journal,
    JournalEntry,
)
from states import Snapshot

CHAIN_SECONDS: Final = 60.0
"""How old an answer about the chain may be."""
MOST_MOVES: Final = 10_000
"""Changes of state that a history tells of: a site that fails every few seconds makes so many in some days."""


@dataclass(frozen=True, slots=True)
class _Walked:
    status: ChainStatus
    began: float
    """On the monotonic clock."""


class Auditing:
    """`known` raises `UnknownSite` for a site that is not; `walked` is told what each walk of the chain found."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        *,
        known: Callable[[str], Snapshot],
        walked: Callable[[ChainReport], None],
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._tell = walked
        self._known = known
        self._turn = asyncio.Lock()
        self._walked: _Walked | None = None

    async def records(self, wanted: AuditFilter) -> list[AuditRecord]:
        """The records that are wanted. Raises `UnknownSite`, `JournalUnavailable`."""
        self._check(wanted)
        return [record async for page in self._journal.find(wanted) for record in page]

    async def export(self, wanted: AuditFilter, format: ExportFormat, *, caller: Caller) -> AsyncIterator[bytes]:
        """The same in pieces, once it is recorded who exports what. Raises `UnknownSite`, `JournalUnavailable`."""
        self._check(wanted)
        await self._journal.append(
            JournalEntry(
                at=self._clock.now(),
                site="",
                actor=caller.actor,
                event="audit_exported",
                before="",
                after="",
                request_id=caller.request_id,
                detail={"format": format, "filter": _told(wanted)},
            )
        )
        return self._journal.export(wanted, format)

    async def backup_made(self, backup: Backup, *, caller: Caller) -> int:
        """Record a backup. Raises `RequestRefused` for that of another trail, `JournalUnavailable`."""
        return await record_backup(self._journal, backup, caller=caller, at=self._clock.now())

    async def chain(self, *, fresh: bool) -> ChainStatus:
        """What a walk of the chain found, no longer ago than `CHAIN_SECONDS`; `fresh`: one that begins from now on.

        One walk at a time, and all who came while it could not begin share it. Raises `JournalUnavailable`.
        """
        asked = self._clock.monotonic()
        async with self._turn:
            oldest = asked if fresh else asked - CHAIN_SECONDS
            if self._walked is None or self._walked.began < oldest:
                began = self._clock.monotonic()
                report = await self._journal.verify()
                self._tell(report)
                self._walked = _Walked(_status(report, self._clock.now()), began)
            return self._walked.status

    async def history(self, site: str, since: datetime) -> StateHistory:
        """In which states the site was since a time. Raises `UnknownSite`, `JournalUnavailable`."""
        now = self._known(site)
        records = await self._journal.moves(site, since=since, most=MOST_MOVES)
        return StateHistory(
            site=site,
            since=since,
            until=self._clock.now(),
            intervals=intervals_of(records) or (held_now(now),),
            complete=len(records) != MOST_MOVES,
        )

    def _check(self, wanted: AuditFilter) -> None:
        if wanted.site is not None:
            self._known(wanted.site)


def _status(report: ChainReport, at: datetime) -> ChainStatus:
    return ChainStatus(
        intact=report.intact,
        records=report.records,
        head=report.head,
        checked_at=at,
        broken_at=report.broken_at,
        reason=report.reason,
        first=report.first,
        anchor=report.anchor,
        signer=report.signer,
    )


def _told(wanted: AuditFilter) -> dict[str, object]:
    """What of a filter narrows anything, as the trail holds it."""
    given = {name: value for name, value in asdict(wanted).items() if value}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in given.items()}
