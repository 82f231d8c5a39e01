"""Feeds the service manager's watchdog from the loop, and only while every worker gives a sign of life.

A loop that hangs feeds nothing by itself. A worker that hangs while the loop turns would go unseen: so each is
asked for a heartbeat first, and who does not answer is named in the log before the daemon is ended from outside.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from daemon.ports import Clock

_log = logging.getLogger("sitebind.watchdog")

Beat = Callable[[], Coroutine[Any, Any, None]]
"""Returns once the worker has had a turn."""


class Watchdog:
    """Calls `feed` every `every` seconds; `workers` are those who must turn, by a name for the log."""

    def __init__(self, workers: Mapping[str, Beat], *, feed: Callable[[], None], every: float, clock: Clock) -> None:
        self._workers = workers
        self._feed = feed
        self._every = every
        self._clock = clock

    async def run(self) -> None:
        """Feed until cancelled. A heartbeat that raises ends it, and with it the feeding."""
        while True:
            asked = self._clock.monotonic()
            await self._heartbeats()
            self._feed()
            # The heartbeats' own time is part of the interval; after a late one the rhythm goes on, without a burst.
            await self._clock.sleep(self._every - (self._clock.monotonic() - asked) % self._every)

    async def _heartbeats(self) -> None:
        beats = {asyncio.create_task(beat(), name=f"heartbeat of {who}"): who for who, beat in self._workers.items()}
        naming = asyncio.create_task(self._name_late(beats), name="heartbeats that are late")
        try:
            await asyncio.wait(beats)
        finally:
            for task in (naming, *beats):
                task.cancel()
        for task in beats:
            task.result()
        if naming.done():
            _log.warning("every worker turns again; the watchdog is fed")

    async def _name_late(self, beats: Mapping[asyncio.Task[None], str]) -> None:
        await self._clock.sleep(self._every)
        late = ", ".join(who for task, who in beats.items() if not task.done())
        _log.error(
            "no sign of life for %g s from: %s. The watchdog is not fed, so the service manager will end the daemon "
            "and start it again; please report these lines",
            self._every,
            late,
        )
