"""Carries effects out. Every long act is a named task whose result comes back as an event.

The journal has the step before an effect is performed, and every effect is safe to repeat.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial

from daemon.config.model import SiteSettings
from daemon.engine.binding import Attempt, Bound, NotBound, Procedure
from daemon.engine.care import Caretaker
from daemon.engine.live import LiveBinds
from daemon.engine.progress import Progress
from daemon.engine.scheduler import Scheduler
from daemon.engine.signin import OneTimeSignIns
from daemon.engine.tasks import Tasks
from daemon.ports import Clock, Inbox, Observer
from states import DAEMON, BindStep, Effect, Fault, Snapshot
from states.effects import (
    CancelBind,
    CancelRetry,
    CancelVerification,
    DeclareLost,
    RefreshKeys,
    RequestBind,
    RevokeKeys,
    RevokeOrphan,
    ScheduleRetry,
    ScheduleVerification,
    StartBind,
    Unbind,
    WipeKeys,
)
from states.events import (
    BindFailed,
    BindingLost,
    BindRequested,
    BindSucceeded,
    OrphanFound,
    RetryDue,
)

_log = logging.getLogger("sitebind.performer")

REQUEST = "request"
"""What the timer is for that binds a site by itself."""


class Performer:
    """One for all sites. `settings_of` and `snapshot_of` give what is in force at the moment of asking."""

    def __init__(
        self,
        *,
        inbox: Inbox,
        procedure: Procedure,
        caretaker: Caretaker,
        scheduler: Scheduler,
        tasks: Tasks,
        live: LiveBinds,
        one_time: OneTimeSignIns,
        observer: Observer,
        clock: Clock,
        settings_of: Callable[[str], SiteSettings | None],
        snapshot_of: Callable[[str], Snapshot],
    ) -> None:
        self._inbox = inbox
        self._procedure = procedure
        self._caretaker = caretaker
        self._scheduler = scheduler
        self._tasks = tasks
        self._live = live
        self._one_time = one_time
        self._observer = observer
        self._clock = clock
        self._settings_of = settings_of
        self._snapshot_of = snapshot_of
        self._binds: dict[str, asyncio.Task[None]] = {}
        self._unended: dict[str, set[asyncio.Task[None]]] = {}

    def perform(self, snapshot: Snapshot, effect: Effect) -> None:  # noqa: C901, PLR0912 - one arm an effect
        """Start what `effect` orders for the site of `snapshot`."""
        site = snapshot.site
        match effect:
            case StartBind():
                self._start_bind(snapshot, effect)
            case CancelBind(bind_id=bind_id):
                self._cancel_bind(site, bind_id)
            case RequestBind(reason=reason):
                self._plan(site, REQUEST, self._clock.now(), lambda: self._request(site, reason))
            case ScheduleRetry(attempt=attempt, due_at=due_at):
                self._plan(site, "retry", due_at, lambda: self._inbox.post(site, RetryDue(attempt=attempt)))
            case CancelRetry():
                self._scheduler.cancel((site, "retry"))
                if snapshot.open is None:  # else the retry has come, or a bind that was asked for took its place
                    self._one_time.forget(site)
            case ScheduleVerification(bind_id=bind_id, due_at=due_at):
                self._plan(site, "verify", due_at, lambda: self._caretaker.verify(site, bind_id))
            case CancelVerification():
                self._scheduler.cancel((site, "verify"))
            case RefreshKeys(bind_id=bind_id):
                self._caretaker.refresh(site, bind_id)
            case (
                RevokeKeys(bind_id=bind_id, due_at=due_at, in_slot=in_slot)
                | RevokeOrphan(bind_id=bind_id, due_at=due_at, in_slot=in_slot)
            ):
                key = (site, f"revoke {bind_id}")
                self._scheduler.at(due_at, key, lambda: self._caretaker.revoke(site, bind_id), paced=in_slot)
            case WipeKeys(bind_id=bind_id):
                self._caretaker.wipe(site, bind_id)
            case Unbind(bind_id=bind_id, local_only=local_only):
                # Over the timers, which begin when the settings are known: a start may find an unbind to finish.
                act = partial(self._caretaker.unbind, site, bind_id, local_only=local_only)
                self._scheduler.at(self._clock.now(), (site, "unbind"), act)
            case DeclareLost(bind_id=bind_id, fault=fault, detail=detail):
                self._inbox.post(site, BindingLost(bind_id=bind_id, fault=fault, detail=detail))

    def _plan(self, site: str, purpose: str, due_at: datetime, action: Callable[[], None]) -> None:
        self._scheduler.at(due_at, (site, purpose), action, paced=True)

    def _request(self, site: str, reason: str) -> None:
        """The slot has come: ask, if what led to it is still so."""
        snapshot = self._snapshot_of(site)
        if snapshot.automatic_binding_applies and snapshot.open is None and not snapshot.unbinding:
            self._inbox.post(site, BindRequested(reason=reason))

    def _start_bind(self, snapshot: Snapshot, effect: StartBind) -> None:
        site = snapshot.site
        if not effect.one_time:
            self._one_time.forget(site)
        elif snapshot.open is not None and snapshot.open.actor != DAEMON:  # else it is a retry of what is kept
            self._one_time.accept(site)
        self._live.begin(effect.bind_id, site=site)
        progress = Progress(self._clock, lambda step: self._stepped(site, effect.bind_id, step))
        unended = self._unended.setdefault(site, set())
        task = self._tasks.start(
            self._bind(snapshot, effect, progress, earlier=frozenset(unended)),
            name=f"bind {effect.bind_id}",
            failed=lambda error: self._defect(site, effect, progress, error),
        )
        self._binds[site] = task
        unended.add(task)
        task.add_done_callback(lambda done: self._forget(site, done))

    def _forget(self, site: str, done: asyncio.Task[None]) -> None:
        self._unended[site].discard(done)
        if self._binds.get(site) is done:
            del self._binds[site]

    def _cancel_bind(self, site: str, bind_id: str) -> None:
        task = self._binds.get(site)
        if task is not None and task.get_name() == f"bind {bind_id}":
            task.cancel()
        self._one_time.forget(site)
        self._observer.bind_ended(site, bind_id=bind_id, result="cancelled", fault=None, seconds=None)

    async def _bind(
        self, snapshot: Snapshot, effect: StartBind, progress: Progress, *, earlier: frozenset[asyncio.Task[None]]
    ) -> None:
        site, began = snapshot.site, self._clock.monotonic()
        if earlier:
            # A cancelled bind may still wait for the answer to its sign-in; no two overlap, however many changes come.
            await asyncio.wait(earlier)
        try:
            result = await self._run(snapshot, effect, progress)
        except asyncio.CancelledError:
            if progress.sealed:
                self._inbox.post(site, OrphanFound(bind_id=effect.bind_id))
            raise
        self._report(snapshot, effect, result, progress, seconds=self._clock.monotonic() - began)

    async def _run(self, snapshot: Snapshot, effect: StartBind, progress: Progress) -> Bound | NotBound:
        settings = self._settings_of(snapshot.site)
        if settings is None:
            return NotBound(fault=Fault.CREDENTIALS_MISSING, detail="the configuration is gone", retry_after=None)
        attempt = Attempt(
            bind_id=effect.bind_id,
            number=effect.attempt,
            settings=settings,
            snapshot=snapshot,
            one_time=self._one_time.get(snapshot.site) if effect.one_time else None,
            needs_one_time=effect.one_time,
        )
        return await self._procedure.run(attempt, progress)

    def _report(
        self,
        snapshot: Snapshot,
        effect: StartBind,
        result: Bound | NotBound,
        progress: Progress,
        *,
        seconds: float,
    ) -> None:
        site, bind_id, steps = snapshot.site, effect.bind_id, tuple(progress.steps)
        if isinstance(result, Bound):
            self._observer.bind_ended(site, bind_id=bind_id, result="succeeded", fault=None, seconds=seconds)
            self._one_time.forget(site)
            event = BindSucceeded(attempt=effect.attempt, binding=result.binding, warnings=result.warnings, steps=steps)
            self._inbox.post(site, event)
            return
        self._observer.bind_ended(site, bind_id=bind_id, result="failed", fault=result.fault, seconds=seconds)
        if not result.fault.heals_by_itself:
            self._one_time.forget(site)
        self._inbox.post(site, self._failure(snapshot, effect, result, steps))
        if progress.sealed:
            self._inbox.post(site, OrphanFound(bind_id=bind_id))

    def _failure(
        self, snapshot: Snapshot, effect: StartBind, result: NotBound, steps: tuple[BindStep, ...]
    ) -> BindFailed:
        configured = snapshot.terms.credentials if snapshot.terms and not effect.one_time else None
        return BindFailed(
            attempt=effect.attempt,
            fault=result.fault,
            detail=result.detail,
            retry_after=None if result.retry_after is None else max(0, round(result.retry_after)),
            credentials=configured if result.fault.refuses_credentials else None,
            steps=steps,
        )

    def _stepped(self, site: str, bind_id: str, step: BindStep) -> None:
        self._live.add(bind_id, step)
        self._observer.bind_step(site, step)

    def _defect(self, site: str, effect: StartBind, progress: Progress, error: BaseException) -> None:
        """An error that no adapter classified: the attempt ends, a human is asked for, and its keys are revoked."""
        self._observer.bind_ended(site, bind_id=effect.bind_id, result="failed", fault=Fault.UNEXPECTED, seconds=None)
        self._one_time.forget(site)
        progress.skip_rest("a defect ended the attempt")
        self._inbox.post(
            site,
            BindFailed(
                attempt=effect.attempt,
                fault=Fault.UNEXPECTED,
                detail=f"{type(error).__name__} in the bind procedure; the log holds the traceback",
                steps=tuple(progress.steps),
            ),
        )
        if progress.sealed:
            self._inbox.post(site, OrphanFound(bind_id=effect.bind_id))
