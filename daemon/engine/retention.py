"""Prunes old audit records, whole days of them, after the start and then every hour.

Run by the supervisor, told by the settings. What the receiver of the trail has not got yet stays, however old it is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from daemon.audit_ports import Prunable, Pruner, SealingFailed
from daemon.config.model import DaemonSettings, SecretSource
from daemon.config.secrets import SecretUnreadable
from daemon.engine.lasting import LastingProblem
from daemon.engine.signin import Resolve
from daemon.engine.waiting import pause
from daemon.ports import Clock, JournalUnavailable, Observer
from states import Problem

_log = logging.getLogger("sitebind.retention")

DAY: Final = 86_400.0
EVERY: Final = 3_600.0
"""Seconds between two looks: so a daemon that is restarted every night comes to believe its clock all the same."""
RETRY: Final = 600.0
STRIDE: Final = 10
"""For each day that passed the clock is believed a tenth of what is kept beyond that day, and a day at least. A clock
that leaps by years must not take the whole trail away before somebody sees it."""

_BY_ITSELF: Final = "It is tried again every ten minutes; nothing is removed before it is signed."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    keep: timedelta
    key: SecretSource


class Retention:
    """Idle until `apply` says how long records are kept. `not_beyond` is the last record that may go, None: any."""

    def __init__(
        self,
        pruner: Pruner,
        *,
        begun_behind: int,
        not_beyond: Callable[[], int | None],
        resolve: Resolve,
        observer: Observer,
        clock: Clock,
    ) -> None:
        self._pruner = pruner
        self._begun_behind = begun_behind
        self._not_beyond = not_beyond
        self._resolve = resolve
        self._observer = observer
        self._clock = clock
        self._plan: _Plan | None = None
        self._believed: datetime | None = None
        self._looked: float | None = None
        self._doubted = False
        self._changed = asyncio.Event()
        self._lasting = LastingProblem("audit-pruning-failing", "old audit records are pruned", clock=clock)

    def apply(self, settings: DaemonSettings) -> None:
        """Keep records as long as these settings say, from now on."""
        plan = _plan_of(settings)
        if plan != self._plan:
            self._plan, self._lasting.problem = plan, None
        # Also where nothing changed by name: another key may lie in the same place.
        self._changed.set()

    def problem(self) -> Problem | None:
        """Why old records stay, while that is so."""
        return self._lasting.problem

    async def run(self) -> None:
        """Go on with what was interrupted; then prune, until cancelled."""
        finished = False
        while True:
            self._changed.clear()
            try:
                if not finished:
                    await self._finish()
                    finished = True
                await self._prune()
            except JournalUnavailable as error:
                finished = False  # what was begun may stand half done
                self._failed(error, _BY_ITSELF)
            except SealingFailed as error:
                self._failed(error, f"{error.remedy} {_BY_ITSELF}")
            seconds = EVERY if self._lasting.problem is None else RETRY
            await pause(self._clock, seconds, woken=self._changed, name="retention")

    def _failed(self, error: Exception, remedy: str) -> None:
        self._observer.upkeep_failed("pruning")
        self._lasting.failed(f"Old audit records cannot be pruned: {error}", remedy)

    async def _finish(self) -> None:
        gone = await self._pruner.finish()
        if gone:
            _log.info("%d audit records were removed: their pruning was recorded before, and then interrupted", gone)

    async def _prune(self) -> None:
        plan = self._plan
        if plan is not None:
            before = (await self._today(plan.keep) - plan.keep).date().isoformat()
            what = await self._pruner.prunable(before, not_beyond=self._not_beyond())
            if what is not None and not await self._pruned(what, plan):
                return
        self._lasting.over()

    async def _pruned(self, what: Prunable, plan: _Plan) -> bool:
        """Whether its key could be read."""
        try:
            key = await self._resolve(plan.key)
        except SecretUnreadable as error:
            self._failed(error, _BY_ITSELF)
            return False
        anchor = await self._pruner.prune(what, key=key, at=self._clock.now())
        _log.info("%d audit records from before %s were pruned, up to %d", what.count, what.before, anchor.seq)
        return True

    async def _today(self, keep: timedelta) -> datetime:
        """The wall time as far as it is believed: as it was kept, and what has passed since on the other clock."""
        now, looked = self._clock.now(), self._clock.monotonic()
        passed = timedelta(seconds=0.0 if self._looked is None else looked - self._looked)
        reference = self._believed
        if reference is None:
            reference = await self._pruner.believed(begun_behind=self._begun_behind) or now
        stride = max(keep / STRIDE, timedelta(days=1))
        believed = min(now, min(now, reference) + passed + stride * (passed / timedelta(seconds=DAY)))
        if believed != self._believed:
            await self._pruner.believe(believed)
        self._looked, self._believed = looked, believed
        self._doubt(now, believed, stride=stride)
        return believed

    def _doubt(self, now: datetime, believed: datetime, *, stride: timedelta) -> None:
        """Said once each time it begins. That it was stopped for a while is no reason for it."""
        doubted = now - believed > stride
        if doubted and not self._doubted:
            _log.warning(
                "the clock says %s, which is believed bit by bit only: records are pruned as if it were %s. "
                "Correct the clock if it is wrong",
                now.isoformat(),
                believed.isoformat(),
            )
        self._doubted = doubted


def _plan_of(settings: DaemonSettings) -> _Plan | None:
    if settings.audit_keep is None or settings.checkpoint_key is None:
        return None
    return _Plan(keep=timedelta(seconds=settings.audit_keep), key=settings.checkpoint_key)
