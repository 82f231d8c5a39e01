"""A clock that moves only when a test moves it; implements `daemon.ports.Clock`."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta


class ManualClock:
    """Wall time and monotonic time move together, by `advance`; `jump` moves the wall alone.

    The wall begins at the real time, because certificates on the wire are checked against that.
    """

    def __init__(self) -> None:
        self._began = datetime.now(UTC)
        self._elapsed = 0.0
        self._shift = timedelta(0)
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def now(self) -> datetime:
        return self._began + self._shift + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._numbers), done))
        await done

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an administrator or NTP does."""
        self._shift += timedelta(seconds=seconds)

    async def advance(self, seconds: float) -> None:
        """Let time pass, waking each sleeper at its own moment."""
        until = self._elapsed + seconds
        await self._turn()
        while self._sleepers and self._sleepers[0][0] <= until:
            due, _, done = heapq.heappop(self._sleepers)
            self._elapsed = max(self._elapsed, due)
            if not done.done():
                done.set_result(None)
            await self._turn()
        self._elapsed = until
        await self._turn()

    async def _turn(self) -> None:
        """Let everything run that can run without time."""
        for _ in range(20):
            await asyncio.sleep(0)
