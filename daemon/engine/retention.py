"""Prunes old audit records, whole days of them, once after the start and then once a day.

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
from daemon.ports import Clock, JournalUnavailable
from states import Problem

_log = logging.getLogger("sitebind.retention")

DAY: Final = 86_400.0
RETRY: Final = 600.0
STRIDE: Final = 10
"""So far the clock is believed beyond the newest record, or beyond what passed since the last look: a tenth of what is
kept. A clock that leaps by years must not take the whole trail away before somebody sees it."""

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
        clock: Clock,
    ) -> None:
        self._pruner = pruner
        self._begun_behind = begun_behind
        self._not_beyond = not_beyond
        self._resolve = resolve
        self._clock = clock
        self._plan: _Plan | None = None
        self._believed: datetime | None = None
        self._looked = 0.0
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
                self._lasting.failed(f"Old audit records cannot be pruned: {error}", _BY_ITSELF)
            seconds = DAY if self._lasting.problem is None else RETRY
            await pause(self._clock, seconds, woken=self._changed, name="retention")

    async def _finish(self) -> None:
        gone = await self._pruner.finish()
        if gone:
            _log.info("%d audit records were removed: their pruning was recorded before, and then interrupted", gone)

    async def _prune(self) -> None:
        plan = self._plan
        if plan is None:
            return
        before = (await self._today(plan.keep) - plan.keep).date().isoformat()
        what = await self._pruner.prunable(before, not_beyond=self._not_beyond())
        if what is not None and not await self._pruned(what, plan):
            return
        self._lasting.over()

    async def _pruned(self, what: Prunable, plan: _Plan) -> bool:
        """Whether that could be signed."""
        try:
            key = await self._resolve(plan.key)
            anchor = await self._pruner.prune(what, key=key, at=self._clock.now())
        except SecretUnreadable as error:
            self._lasting.failed(f"Old audit records cannot be pruned: {error}", _BY_ITSELF)
        except SealingFailed as error:
            self._lasting.failed(f"Old audit records cannot be pruned: {error}", f"{error.remedy} {_BY_ITSELF}")
        else:
            _log.info("%d audit records from before %s were pruned, up to %d", what.count, what.before, anchor.seq)
            return True
        return False

    async def _today(self, keep: timedelta) -> datetime:
        """The wall time as far as it is believed."""
        now, passed = self._clock.now(), self._clock.monotonic()
        reference = self._believed
        if reference is None:
            reference = await self._pruner.last_at(self._begun_behind) or now
        else:
            reference += timedelta(seconds=passed - self._looked)
        self._looked, self._believed = passed, min(now, reference + max(keep / STRIDE, timedelta(days=1)))
        if self._believed < now:
            _log.warning(
                "the clock says %s, long after what was recorded last: records are pruned as if it were %s. "
                "Correct the clock if it is wrong",
                now.isoformat(),
                self._believed.isoformat(),
            )
        return self._believed


def _plan_of(settings: DaemonSettings) -> _Plan | None:
    if settings.audit_keep is None or settings.checkpoint_key is None:
        return None
    return _Plan(keep=timedelta(seconds=settings.audit_keep), key=settings.checkpoint_key)
