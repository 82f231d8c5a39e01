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
from daemon.web.errors import HttpProblem
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
        """Begin a run; one that is under way is left to end, and is what the caller sees.

        Raises `UnknownSite`, and `HttpProblem` (503) while too many are under way.
        """
        self._operations.site(site)
        running = self._runs.get(site)
        if running is not None and not running.ended:
            return
        self._runs.pop(site, None)
        self._make_room()
        run = self._runs[site] = DoctorRun(began_at=self._clock.now())
        self._tasks.start(self._examine(site, caller, run), name=f"doctor of {site} for the page")

    def _make_room(self) -> None:
        """The oldest that has ended goes; so many at once are more than anybody watches."""
        if len(self._runs) < _MOST:
            return
        oldest = next((site for site, run in self._runs.items() if run.ended), None)
        if oldest is None:
            raise HttpProblem(
                503, "too-many-runs", f"The doctor examines {_MOST} sites already.", headers={"Retry-After": "30"}
            )
        del self._runs[oldest]

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
        except Exception as error:
            run.broke = f"{type(error).__name__}, a defect in sitebind; the log holds the traceback"
            raise
        finally:
            run.ended = True
