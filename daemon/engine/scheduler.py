"""Timers for all sites on one heap, and the pace that keeps many sites from moving at once.

One task serves every timer. A paced timer that has come due takes the next free slot, at most `pace` slots
a second over all sites; an unpaced one fires at once. What a timer does must be quick: it posts an event
or starts a task.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from daemon.engine.waiting import pause
from daemon.ports import Clock

_log = logging.getLogger("sitebind.timers")

Key = tuple[str, str]

_ROOM = 64
_HEARTBEAT: Key = ("", "heartbeat")


@dataclass(slots=True)
class _Timer:
    action: Callable[[], None]
    paced: bool


class Scheduler:
    """Timers by key (site, purpose): setting one again replaces it."""

    def __init__(self, clock: Clock, *, pace: int) -> None:
        self._clock = clock
        self._gap = 1.0 / pace
        self._free_at = 0.0
        self._heap: list[tuple[float, int, Key]] = []
        self._timers: dict[Key, tuple[int, _Timer]] = {}
        self._withheld: dict[Key, tuple[float, _Timer] | None] = {}
        self._numbers = itertools.count()
        self._changed = asyncio.Event()
        self._runs = False

    def set_pace(self, pace: int) -> None:
        """Slots a second from now on."""
        self._gap = 1.0 / pace

    def at(self, due_at: datetime, key: Key, action: Callable[[], None], *, paced: bool = False) -> None:
        """Do `action` at the wall time `due_at`; measured by the monotonic clock from now on."""
        wait = (due_at - self._clock.now()).total_seconds()
        self._put(self._clock.monotonic() + max(0.0, wait), key, _Timer(action, paced))

    def cancel(self, key: Key) -> None:
        """Forget a timer; one that does not exist is well."""
        self._timers.pop(key, None)
        if key in self._withheld:
            self._withheld[key] = None

    @contextmanager
    def withheld(self, key: Key) -> Iterator[None]:
        """A timer that is set for `key` in here fires afterwards at the soonest, and not at all if it is cancelled."""
        self._withheld[key] = None
        try:
            yield
        finally:
            kept = self._withheld.pop(key)
            if kept is not None:
                self._put(kept[0], key, kept[1])

    def __len__(self) -> int:
        return len(self._timers)

    async def run(self) -> None:
        """Fire timers until cancelled."""
        self._runs = True
        while True:
            self._fire_due()
            await self._wait_for_next()

    async def beat(self) -> None:
        """Return once the task has fired a timer that is due now; at once while it has not begun."""
        if self._runs:
            fired = asyncio.Event()
            self.at(self._clock.now(), _HEARTBEAT, fired.set)
            await fired.wait()

    def _put(self, due: float, key: Key, timer: _Timer) -> None:
        if key in self._withheld:
            self._timers.pop(key, None)
            self._withheld[key] = due, timer
            return
        number = next(self._numbers)
        self._timers[key] = (number, timer)
        heapq.heappush(self._heap, (due, number, key))
        if len(self._heap) > _ROOM + 2 * len(self._timers):
            # Timers that were replaced or cancelled lie here until they would have been due: that may be days.
            self._heap = [entry for entry in self._heap if self._timers.get(entry[2], (None,))[0] == entry[1]]
            heapq.heapify(self._heap)
        self._changed.set()

    def _fire_due(self) -> None:
        now = self._clock.monotonic()
        while self._heap and self._heap[0][0] <= now:
            _, number, key = heapq.heappop(self._heap)
            known = self._timers.get(key)
            if known is None or known[0] != number:
                continue
            del self._timers[key]
            self._fire(key, known[1], now)

    def _fire(self, key: Key, timer: _Timer, now: float) -> None:
        if not timer.paced:
            self._act(key, timer)
            return
        slot = max(now, self._free_at)
        self._free_at = slot + self._gap
        if slot <= now:
            self._act(key, timer)
        else:
            self._put(slot, key, _Timer(timer.action, paced=False))

    def _act(self, key: Key, timer: _Timer) -> None:
        """A defect in what one site wanted must not end the timers of all."""
        try:
            timer.action()
        except Exception:  # noqa: BLE001 - logged, see above
            _log.exception("timer %s of site %s failed", key[1], key[0])

    async def _wait_for_next(self) -> None:
        self._changed.clear()
        if not self._heap:
            await self._changed.wait()
            return
        wait = self._heap[0][0] - self._clock.monotonic()
        await pause(self._clock, wait, woken=self._changed, name="timers")
