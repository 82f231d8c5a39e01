"""Bind reports as they stand: those that ended from the journal, the open one with its steps so far."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from daemon.engine.live import LiveBinds
from daemon.engine.operations import UnknownBind
from daemon.ports import BindReport, Clock, Journal
from states import Snapshot


class Reports:
    """`known` gives a site as it is; raises `UnknownSite` for one that is not."""

    def __init__(self, journal: Journal, *, live: LiveBinds, clock: Clock, known: Callable[[str], Snapshot]) -> None:
        self._journal = journal
        self._live = live
        self._clock = clock
        self._known = known

    async def newest(self, site: str, *, limit: int) -> list[BindReport]:
        """Reports, newest first."""
        self._known(site)
        return [self._current(report) for report in await self._journal.reports(site, limit=limit)]

    async def one(self, site: str, bind_id: str) -> BindReport:
        """One report. Raises `UnknownBind`."""
        self._known(site)
        report = await self._journal.report(site, bind_id)
        if report is None:
            raise UnknownBind(bind_id)
        return self._current(report)

    async def ended(self, site: str, bind_id: str, *, seconds: float) -> BindReport:
        """The report when the bind has ended, or as it stands after `seconds`. Raises `UnknownBind`."""
        waiting = (
            asyncio.create_task(self._live.wait(bind_id), name=f"wait for {bind_id}"),
            asyncio.create_task(self._clock.sleep(seconds), name=f"wait at most {seconds} s for {bind_id}"),
        )
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        return await self.one(site, bind_id)

    def _current(self, report: BindReport) -> BindReport:
        if report.state != "open":
            return report
        opened = self._known(report.site).open
        if opened is None or opened.bind_id != report.id:
            return report
        return replace(report, steps=self._live.steps(report.id))
