"""How long a loop was held up, without what other processes on the machine took from us."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

_TICK = 0.001


TURN = 0.05
"""Seconds for which nothing may hold up the loop."""


async def shortest(work: Callable[[], Awaitable[object]], *, rounds: int = 3) -> float:
    """Do the same work a few times; the least of their longest stalls.

    What the code does to the loop it does each time; what the machine does, now and then.
    """
    longest: list[float] = []
    for _ in range(rounds):
        async with Stalls() as stalls:
            await work()
        longest.append(stalls.longest)
        if stalls.longest < TURN:
            break
    return min(longest)


class Stalls:
    """`async with Stalls() as stalls:`; `longest` is the longest time between two turns of the loop, in seconds.

    A turn that came late because the kernel let somebody else run is not counted as ours.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self._ticking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._ticking = asyncio.create_task(self._tick(), name="stalls")
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._ticking is not None
        await asyncio.sleep(2 * _TICK)
        self._ticking.cancel()
        await asyncio.wait([self._ticking])

    async def _tick(self) -> None:
        schedule = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        before, waited = time.perf_counter(), _waited(schedule)
        while True:
            await asyncio.sleep(_TICK)
            now, waiting = time.perf_counter(), _waited(schedule)
            self.longest = max(self.longest, now - before - _TICK - (waiting - waited))
            before, waited = now, waiting


def _waited(schedule: Path) -> float:
    """Seconds that this thread was ready to run and did not."""
    return int(schedule.read_text().split()[1]) / 1e9
