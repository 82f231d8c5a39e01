"""The one consumer of each site's events: decide, record, adopt, tell, then act.

Nobody else changes a snapshot. A site has a task only while events wait for it, so an idle site costs its
snapshot and nothing more. The new snapshot is adopted after its commit; effects are performed after that.

Requests whose answer changes nothing (who joins an open bind, who is refused) need not wait for each other:
they are recorded together, in one commit. What changes something waits for all before it, and is waited for.

When the journal cannot be written, requests are refused and results wait: memory stays as it was, and a
held binding goes on working.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from daemon.engine.live import LiveBinds
from daemon.engine.outage import RETRY_CEILING, RETRY_FIRST, Outage
from daemon.engine.pulse import Pulse
from daemon.engine.recording import entry_for
from daemon.engine.tasks import Tasks
from daemon.engine.thinning import Thinned
from daemon.engine.waiting import pause
from daemon.ports import Clock, Journal, JournalEntry, JournalUnavailable, Observer
from states import Effect, Event, Lifecycle, Refused, Snapshot, Step

_log = logging.getLogger("sitebind.driver")


class Performer(Protocol):
    """Carries effects out; their results come back as events."""

    def perform(self, snapshot: Snapshot, effect: Effect) -> None:
        """Start what `effect` orders. Must not wait."""


@dataclass(slots=True)
class _Waiting:
    event: Event
    answer: asyncio.Future[Step] | None


class _Decision(NamedTuple):
    """What the lifecycle answered, and when."""

    step: Step
    at: datetime

    @property
    def changes_nothing(self) -> bool:
        """Whether only the record of it is left to do."""
        return self.step.after is self.step.before and not self.step.effects


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
        refusals: Thinned,
    ) -> None:
        self._lifecycle = Lifecycle()
        self._journal = journal
        self._observer = observer
        self._clock = clock
        self._chance = chance
        self._tasks = tasks
        self._live = live
        self._refusals = refusals
        self._performer: Performer | None = None
        self._pauses: dict[str, asyncio.Event] = {}
        self._queues: dict[str, deque[_Waiting]] = {}
        self._calm: set[str] = set()
        self._pulse = Pulse()
        self._listeners: list[Callable[[Step], None]] = []
        self.snapshots: dict[str, Snapshot] = {}
        self.outage = Outage(journal=journal, clock=clock, recovered=self._try_all_again)

    @property
    def journal_trouble(self) -> tuple[str, datetime] | None:
        """Why the journal cannot be written, and since when; None while all is well."""
        return self.outage.told

    def attach(self, performer: Performer) -> None:
        """Name who acts. Before that, steps are recorded and nothing is done."""
        self._performer = performer

    def detach(self) -> None:
        """Let nobody act any more: what is recorded from now on is carried out after the next start."""
        self._performer = None

    def listen(self, listener: Callable[[Step], None]) -> None:
        """Call `listener` after every adopted step."""
        self._listeners.append(listener)

    def adopt(self, snapshot: Snapshot) -> None:
        """Take in a site as it was stored, or a new one, without an event."""
        self.snapshots[snapshot.site] = snapshot

    def post(self, site: str, event: Event) -> None:
        """Leave an event; it is kept until it could be recorded."""
        self._enqueue(site, _Waiting(event, None))

    async def beat(self) -> None:
        """Return once every consumer has had a turn; one that waits for the journal to come back is well."""
        await self._pulse.of(self._queues.keys() - self._pauses.keys())

    async def ask(self, site: str, event: Event) -> Step:
        """Leave a request and wait for its answer. Raises `JournalUnavailable`; then nothing happened."""
        if self._is_calm(site):
            decision = self._decide(site, event)
            if decision.changes_nothing:
                return await self._asked(decision)
        answer: asyncio.Future[Step] = asyncio.get_running_loop().create_future()
        self._enqueue(site, _Waiting(event, answer))
        return await answer

    def _is_calm(self, site: str) -> bool:
        """Whether nothing that may change the site is before whoever asks now."""
        queue = self._queues.get(site)
        return queue is None or (not queue and site in self._calm)

    def _enqueue(self, site: str, waiting: _Waiting) -> None:
        if site in self._queues:
            self._queues[site].append(waiting)
            if waiting.answer is not None and site in self._pauses:
                self._pauses[site].set()  # who asks is not to wait for the next try
            return
        self._queues[site] = deque([waiting])
        self._tasks.start(self._drain(site), name=f"driver {site}")

    async def _drain(self, site: str) -> None:
        queue = self._queues[site]
        try:
            while queue:
                together = self._taken_together(site, queue)
                if together:
                    self._calm.add(site)
                    await asyncio.gather(*together)
                    self._calm.discard(site)
                elif queue:
                    await self._answer(site, queue.popleft())
                self._pulse.turned(site)
        finally:
            self._pulse.turned(site)
            self._calm.discard(site)
            del self._queues[site]
            for left in queue:
                if left.answer is None:
                    _tell_lost(site, left.event)
                elif not left.answer.done():
                    left.answer.set_exception(JournalUnavailable("the daemon is stopping; ask again"))

    def _taken_together(self, site: str, queue: deque[_Waiting]) -> list[Coroutine[Any, Any, None]]:
        """Take from the queue's head the requests that change nothing; each is recorded by what is returned."""
        taken = []
        while queue and (answer := queue[0].answer) is not None:
            try:
                decision = self._decide(site, queue[0].event)
            except Exception:  # noqa: BLE001 - it comes again in its own turn, where it is logged and answered
                break
            if not decision.changes_nothing:
                break
            queue.popleft()
            if not answer.done():
                taken.append(self._tell(answer, decision))
        return taken

    async def _answer(self, site: str, waiting: _Waiting) -> None:
        """One event, whatever comes of it: a defect in one must not lose those behind it."""
        try:
            if waiting.answer is None:
                await self._apply_kept(site, waiting.event)
            elif not waiting.answer.done():
                await self._tell(waiting.answer, self._decide(site, waiting.event))
        except Exception as error:  # noqa: BLE001 - logged, and told to whoever asked
            _log.exception("event %s of site %s could not be applied", waiting.event.trigger, site)
            if waiting.answer is not None and not waiting.answer.done():
                waiting.answer.set_exception(error)

    async def _tell(self, answer: asyncio.Future[Step], decision: _Decision) -> None:
        """Record what was decided, and let whoever asked know. Raises nothing but a cancellation."""
        try:
            step = await self._asked(decision)
        except Exception as error:  # noqa: BLE001 - it belongs to whoever asked
            if not isinstance(error, JournalUnavailable):
                _log.exception("event %s of site %s failed", decision.step.event.trigger, decision.step.before.site)
            if not answer.done():
                answer.set_exception(error)
        except BaseException:
            if not answer.done():
                answer.set_exception(JournalUnavailable("the daemon is stopping"))
            raise
        else:
            if not answer.done():
                answer.set_result(step)

    async def _asked(self, decision: _Decision) -> Step:
        try:
            return await self._record(decision)
        except JournalUnavailable as error:
            self.journal_failed(error)
            raise

    async def _apply_kept(self, site: str, event: Event) -> None:
        """Record a result or a timer, however long that takes; time and chance are those of its arrival."""
        at, chance, wait = self._clock.now(), self._chance(), RETRY_FIRST
        while True:
            try:
                await self._record(self._decided(site, event, at=at, chance=chance))
            except JournalUnavailable as error:
                self.journal_failed(error)
                self._refuse_waiting(site, error)
                await self._pause(site, event, wait)
                wait = min(RETRY_CEILING, wait * 2)
            else:
                return

    async def _pause(self, site: str, event: Event, seconds: float) -> None:
        """Wait before the next try; somebody who asks, or a journal that is back, shortens it."""
        woken = self._pauses[site] = asyncio.Event()
        self._pulse.turned(site)
        try:
            await pause(self._clock, seconds, woken=woken, name=f"driver {site}")
        except asyncio.CancelledError:
            _tell_lost(site, event)
            raise
        finally:
            del self._pauses[site]

    def _try_all_again(self) -> None:
        for woken in self._pauses.values():
            woken.set()

    def _refuse_waiting(self, site: str, error: JournalUnavailable) -> None:
        queue = self._queues[site]
        for waiting in [waiting for waiting in queue if waiting.answer is not None]:
            queue.remove(waiting)
            if waiting.answer is not None and not waiting.answer.done():
                waiting.answer.set_exception(JournalUnavailable(str(error)))

    def journal_failed(self, error: JournalUnavailable, *, owed: JournalEntry | None = None) -> None:
        """A record could not be written; `owed` as in `Outage.failed`."""
        self._observer.journal_failed()
        self.outage.failed(error, owed=owed)

    def _decide(self, site: str, event: Event) -> _Decision:
        return self._decided(site, event, at=self._clock.now(), chance=self._chance())

    def _decided(self, site: str, event: Event, *, at: datetime, chance: float) -> _Decision:
        return _Decision(self._lifecycle.apply(self.snapshots[site], event, at=at, chance=chance), at)

    async def _record(self, decision: _Decision) -> Step:
        """Make it durable, and only then adopt it, tell it, and act."""
        step, at = decision
        entry = entry_for(step, at=at, live=self._live)
        who = f"{entry.actor} {entry.site}"
        if isinstance(step, Refused) and not self._refusals.admits(who, step.refusal.value, entry):
            return step  # counted, and recorded with the others of this minute; nothing else came of it
        await self._journal.append(entry)
        self.outage.over()
        if step.after is not step.before:
            self.snapshots[step.after.site] = step.after
        self._observer.saw(step, at=at)
        for listener in self._listeners:
            _guarded(listener, step)
        for effect in step.effects:
            if self._performer is not None:
                _guarded(self._performer.perform, step.after, effect)
        return step


def _guarded(call: Callable[..., None], *arguments: object) -> None:
    """The step is recorded: a defect in who hears of it, or in one effect, must not cost the others."""
    try:
        call(*arguments)
    except Exception:  # noqa: BLE001 - logged, see above
        _log.exception("%r failed after a recorded step", call)


def _tell_lost(site: str, event: Event) -> None:
    _log.error("%s of site %s could not be recorded before the stop and is lost", event.trigger, site)
