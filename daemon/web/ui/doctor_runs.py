"""Runs of the doctor that somebody began on the page: their layers so far, so that they can be watched.

The last run of each site is kept in memory. Runs are tasks of the listener and end with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from daemon.engine.operations import Caller, Operations
from daemon.engine.tasks import Tasks
from daemon.ports import Clock
from states import BindStep

_MOST: Final = 64
_STOP_SECONDS: Final = 2.0


@dataclass(slots=True)
class DoctorRun:
    """One run. `broke` says why it ended before its end, and is empty where it did not."""

    began_at: datetime
    layers: dict[str, BindStep] = field(default_factory=dict)
    ended: bool = False
    broke: str = ""


class DoctorRuns:
    """The last run of each site."""

    def __init__(self, operations: Operations, clock: Clock) -> None:
        self._operations = operations
        self._clock = clock
        self._tasks = Tasks()
        self._runs: dict[str, DoctorRun] = {}

    def of(self, site: str) -> DoctorRun | None:
        """The last run, or the one under way."""
        return self._runs.get(site)

    def begin(self, site: str, caller: Caller) -> None:
        """Begin a run; one that is under way is left to end, and is what the caller sees. Raises `UnknownSite`."""
        self._operations.site(site)
        running = self._runs.get(site)
        if running is not None and not running.ended:
            return
        self._runs.pop(site, None)
        while len(self._runs) >= _MOST:
            del self._runs[next(iter(self._runs))]
        run = self._runs[site] = DoctorRun(began_at=self._clock.now())

        def failed(error: BaseException) -> None:
            run.broke = f"{type(error).__name__}, a defect in sitebind; the log holds the traceback"

        self._tasks.start(self._examine(site, caller, run), name=f"doctor of {site} for the page", failed=failed)

    async def close(self) -> None:
        """End every run."""
        await self._tasks.close(seconds=_STOP_SECONDS)

    async def _examine(self, site: str, caller: Caller, run: DoctorRun) -> None:
        def told(layer: BindStep) -> None:
            run.layers[layer.step] = layer

        try:
            # The report itself has the order, and what was not reached.
            layers = await self._operations.doctor(site, caller=caller, told=told)
            run.layers = {layer.step: layer for layer in layers}
        finally:
            run.ended = True
