"""Writes signed checkpoints of the audit trail to a second place: at the start, regularly, and last of all in a stop.

Run and ended by the supervisor, told by the settings. Records never wait for it: a place that cannot be written is a
problem of the process, and is tried again by itself.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from daemon.audit_ports import Checkpoints, SealingFailed
from daemon.config.model import DaemonSettings, SecretSource
from daemon.config.secrets import SecretUnreadable
from daemon.engine.lasting import LastingProblem
from daemon.engine.signin import Resolve
from daemon.engine.waiting import pause
from daemon.ports import Clock, Observer
from states import Problem

RETRY: Final = 60.0
"""Seconds until it is tried again, at most: a mount comes back without a word."""

ANSWERS_WITHIN: Final = 30.0
"""Seconds that the second place may take: a mount whose server is away takes for ever."""
LAST_WITHIN: Final = 5.0
"""The same in a stop, which has other parts to end too."""

_BY_ITSELF: Final = "It is tried again every minute; what is recorded meanwhile is in the next checkpoint."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    file: Path
    key: SecretSource
    every: int


class Checkpointing:
    """Idle until `apply` names a file and a key."""

    def __init__(self, checkpoints: Checkpoints, *, resolve: Resolve, observer: Observer, clock: Clock) -> None:
        self._checkpoints = checkpoints
        self._resolve = resolve
        self._observer = observer
        self._clock = clock
        self._plan: _Plan | None = None
        self._written = 0
        self._changed = asyncio.Event()
        self._lasting = LastingProblem(
            "audit-checkpoint-failing", "checkpoints of the audit trail are written", clock=clock
        )

    def apply(self, settings: DaemonSettings) -> None:
        """Write to the file of these settings from now on; there it begins with one at once."""
        plan = _plan_of(settings)
        if plan != self._plan:
            self._plan, self._written = plan, 0
            self._lasting.problem = None
            if plan is None:
                self._observer.checkpointed(None)
        # Also where nothing changed by name: another key may lie in the same place.
        self._changed.set()

    def problem(self) -> Problem | None:
        """Why none can be written, while that is so."""
        return self._lasting.problem

    async def run(self) -> None:
        """Write them until cancelled."""
        while True:
            self._changed.clear()
            await self._write()
            await self._rest()

    async def close(self) -> None:
        """One for what was recorded until now."""
        await self._write(seconds=LAST_WITHIN)

    async def _write(self, *, seconds: float = ANSWERS_WITHIN) -> None:
        plan = self._plan
        if plan is None or self._checkpoints.last_seq in (0, self._written):
            return
        at, failed = self._clock.now(), None
        try:
            key = await self._resolve(plan.key)
            written = await self._checkpoints.write(plan.file, key=key, at=at, seconds=seconds)
        except SecretUnreadable as error:
            failed = f"No checkpoint of the audit trail can be signed: {error}", _BY_ITSELF
        except SealingFailed as error:
            failed = f"No checkpoint of the audit trail can be kept: {error}", f"{error.remedy} {_BY_ITSELF}"
        if plan is not self._plan:
            return  # it says nothing about the place that is wanted now
        if failed is not None:
            self._observer.upkeep_failed("checkpoint")
            self._lasting.failed(*failed)
            return
        self._written = written
        self._lasting.over()
        self._observer.checkpointed(at)

    async def _rest(self) -> None:
        if self._plan is None:
            await self._changed.wait()
            return
        seconds = float(self._plan.every)
        if self._lasting.problem is not None:
            seconds = min(seconds, RETRY)
        await pause(self._clock, seconds, woken=self._changed, name="checkpoints")


def _plan_of(settings: DaemonSettings) -> _Plan | None:
    if settings.checkpoint_file is None or settings.checkpoint_key is None:
        return None
    return _Plan(file=settings.checkpoint_file, key=settings.checkpoint_key, every=settings.checkpoint_every)
