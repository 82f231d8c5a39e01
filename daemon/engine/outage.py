"""A journal that cannot be written: since when, why, and the record of the gap once it can be written again.

Told by the driver, shown by the front door. `watch` tries by itself, so that the problem ends when its cause does,
and not with the next event, which for an idle site may be far away.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from daemon.engine.waiting import pause
from daemon.ports import Clock, Journal, JournalEntry, JournalUnavailable
from states import DAEMON

_log = logging.getLogger("sitebind.journal")

RETRY_FIRST = 0.5
RETRY_CEILING = 15.0


@dataclass(slots=True)
class _Gap:
    reason: str
    since: datetime
    failures: int = 0


class Outage:
    """`recovered` is called when a record was written again after a failure."""

    def __init__(self, *, journal: Journal, clock: Clock, recovered: Callable[[], None]) -> None:
        self._journal = journal
        self._clock = clock
        self._recovered = recovered
        self._gap: _Gap | None = None
        self._unrecorded: _Gap | None = None
        self._owed: list[JournalEntry] = []
        self._began = asyncio.Event()
        self._ended = asyncio.Event()

    @property
    def told(self) -> tuple[str, datetime] | None:
        """The reason and the beginning of an outage that lasts."""
        return None if self._gap is None else (self._gap.reason, self._gap.since)

    def failed(self, error: JournalUnavailable, *, owed: JournalEntry | None = None) -> None:
        """A record could not be written. One that is `owed` is written behind that of the gap, with its own time."""
        if owed is not None:
            self._owed.append(owed)
        if self._gap is None:
            self._gap = self._unrecorded or _Gap(str(error), self._clock.now())
            self._unrecorded = self._gap
            self._ended.clear()
            self._began.set()
        self._gap.failures += 1

    def over(self) -> None:
        """A record was written."""
        if self._gap is not None:
            self._gap = None
            self._ended.set()
            self._recovered()

    async def watch(self, *, afterwards: Callable[[], None]) -> None:
        """Record each gap as soon as that is possible, and call `afterwards`. Runs until cancelled."""
        while True:
            await self._began.wait()
            self._began.clear()
            await self._record_gap()
            afterwards()

    async def _record_gap(self) -> None:
        wait = RETRY_FIRST
        while (gap := self._unrecorded) is not None:
            if self._gap is not None:
                await pause(self._clock, wait, woken=self._ended, name="journal outage")
                wait = min(RETRY_CEILING, wait * 2)
            try:
                await self._journal.append(self._entry(gap))
            except JournalUnavailable as error:
                self.failed(error)
            else:
                self._unrecorded = None
                self.over()
                _log.warning("the journal can be written again; it could not since %s", gap.since.isoformat())
                await self._pay()

    async def _pay(self) -> None:
        while self._owed:
            try:
                await self._journal.append(self._owed[0])
            except JournalUnavailable as error:
                self.failed(error)
                return
            del self._owed[0]

    def _entry(self, gap: _Gap) -> JournalEntry:
        detail = {"since": gap.since.isoformat(), "failures": gap.failures, "reason": gap.reason}
        return JournalEntry(
            at=self._clock.now(),
            site="",
            actor=DAEMON,
            event="journal_recovered",
            before="",
            after="",
            detail=detail,
        )
