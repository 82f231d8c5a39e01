"""The one consumer of each site's events: decide, record, adopt, tell, then act.

Nobody else changes a snapshot. A site has a task only while events wait for it, so an idle site costs its
snapshot and nothing more. The new snapshot is adopted after its commit; effects are performed after that.

When the journal cannot be written, requests are refused and results wait: memory stays as it was, and a
held binding goes on working.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from daemon.engine.live import LiveBinds
from daemon.engine.recording import entry_for
from daemon.engine.tasks import Tasks
from daemon.ports import Clock, Journal, JournalUnavailable, Observer
from states import Effect, Event, Lifecycle, Snapshot, Step

_log = logging.getLogger("sitebind.driver")

RETRY_FIRST = 0.5
RETRY_CEILING = 15.0


class Performer(Protocol):
    """Carries effects out; their results come back as events."""

    def perform(self, snapshot: Snapshot, effect: Effect) -> None:
        """Start what `effect` orders. Must not wait."""


@dataclass(slots=True)
class _Waiting:
    event: Event
    answer: asyncio.Future[Step] | None


class Driver:
    """Implements `daemon.ports.Inbox`."""

    def __init__(
        self,
        *,
        journal: Journal,
        observer: Observer,
        clock: Clock,
        chance: Callable[[], float],
        tasks: Tasks,
        live: LiveBinds,
    ) -> None:
        self._lifecycle = Lifecycle()
        self._journal = journal
        self._observer = observer
        self._clock = clock
        self._chance = chance
        self._tasks = tasks
        self._live = live
        self._performer: Performer | None = None
        self._queues: dict[str, deque[_Waiting]] = {}
        self._listeners: list[Callable[[Step], None]] = []
        self.snapshots: dict[str, Snapshot] = {}
        self.journal_trouble: tuple[str, datetime] | None = None

    def attach(self, performer: Performer) -> None:
        """Name who acts. Before that, steps are recorded and nothing is done."""
        self._performer = performer

    def listen(self, listener: Callable[[Step], None]) -> None:
        """Call `listener` after every adopted step."""
        self._listeners.append(listener)

    def adopt(self, snapshot: Snapshot) -> None:
        """Take in a site as it was stored, or a new one, without an event."""
        self.snapshots[snapshot.site] = snapshot

    def post(self, site: str, event: Event) -> None:
        """Leave an event; it is kept until it could be recorded."""
        self._enqueue(site, _Waiting(event, None))

    async def ask(self, site: str, event: Event) -> Step:
        """Leave a request and wait for its answer. Raises `JournalUnavailable`; then nothing happened."""
        answer: asyncio.Future[Step] = asyncio.get_running_loop().create_future()
        self._enqueue(site, _Waiting(event, answer))
        return await answer

    def _enqueue(self, site: str, waiting: _Waiting) -> None:
        if site in self._queues:
            self._queues[site].append(waiting)
            return
        self._queues[site] = deque([waiting])
        self._tasks.start(self._drain(site), name=f"driver {site}")

    async def _drain(self, site: str) -> None:
        queue = self._queues[site]
        try:
            while queue:
                await self._answer(site, queue.popleft())
        finally:
            del self._queues[site]
            for left in queue:
                if left.answer is not None and not left.answer.done():
                    left.answer.set_exception(JournalUnavailable("the daemon is stopping; ask again"))

    async def _answer(self, site: str, waiting: _Waiting) -> None:
        """One event, whatever comes of it: a defect in one must not lose those behind it."""
        try:
            if waiting.answer is None:
                await self._apply_kept(site, waiting.event)
            elif not waiting.answer.done():
                await self._apply_asked(site, waiting.event, waiting.answer)
        except Exception:  # noqa: BLE001 - logged; a defect in one event must not lose those behind it
            _log.exception("event %s of site %s could not be applied", waiting.event.trigger, site)

    async def _apply_asked(self, site: str, event: Event, answer: asyncio.Future[Step]) -> None:
        try:
            step = await self._apply(site, event, at=self._clock.now(), chance=self._chance())
        except JournalUnavailable as error:
            self._journal_failed(error)
            if not answer.done():
                answer.set_exception(error)
        except BaseException as error:
            if not answer.done():
                answer.set_exception(
                    error if isinstance(error, Exception) else JournalUnavailable("the daemon is stopping")
                )
            raise
        else:
            if not answer.done():
                answer.set_result(step)

    async def _apply_kept(self, site: str, event: Event) -> None:
        """Record a result or a timer, however long that takes; time and chance are those of its arrival."""
        at, chance, wait = self._clock.now(), self._chance(), RETRY_FIRST
        while True:
            try:
                await self._apply(site, event, at=at, chance=chance)
            except JournalUnavailable as error:
                self._journal_failed(error)
                self._refuse_waiting(site, error)
                await self._clock.sleep(wait)
                wait = min(RETRY_CEILING, wait * 2)
            else:
                return

    def _refuse_waiting(self, site: str, error: JournalUnavailable) -> None:
        queue = self._queues[site]
        for waiting in [waiting for waiting in queue if waiting.answer is not None]:
            queue.remove(waiting)
            if waiting.answer is not None and not waiting.answer.done():
                waiting.answer.set_exception(JournalUnavailable(str(error)))

    def _journal_failed(self, error: JournalUnavailable) -> None:
        self._observer.journal_failed()
        if self.journal_trouble is None:
            self.journal_trouble = (str(error), self._clock.now())

    async def _apply(self, site: str, event: Event, *, at: datetime, chance: float) -> Step:
        step = self._lifecycle.apply(self.snapshots[site], event, at=at, chance=chance)
        await self._journal.append(entry_for(step, at=at, live=self._live))
        self.journal_trouble = None
        self.snapshots[site] = step.after
        self._observer.saw(step, at=at)
        for listener in self._listeners:
            listener(step)
        if self._performer is not None:
            for effect in step.effects:
                self._performer.perform(step.after, effect)
        return step
