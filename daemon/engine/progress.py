"""The report of a bind as it grows: its steps in their order, each timed and told as it ends.

Filled by `binding.py`; begun and read by `performer.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from daemon.ports import Clock, ProviderFault
from states import BIND_STEPS, BindStep, Fault
from states.state import StepStatus


@dataclass(slots=True)
class Line:
    """What a step says of itself while it runs."""

    detail: str = ""
    status: StepStatus = "passed"
    remedy: str = ""


@dataclass(slots=True)
class Progress:
    """The report as it grows. `told` is called with every ended step; `sealed` once there are keys to end."""

    clock: Clock
    told: Callable[[BindStep], None]
    steps: list[BindStep] = field(default_factory=list)
    sealed: bool = False

    def add(self, step: BindStep) -> None:
        """Append and tell."""
        self.steps.append(step)
        self.told(step)

    def seal(self) -> None:
        """There are keys of this attempt now, which must be ended if it fails."""
        self.sealed = True

    def skip_rest(self, because: str) -> None:
        """Every step that was not reached says why."""
        for name in BIND_STEPS[len(self.steps) :]:
            self.add(BindStep(step=name, status="skipped", seconds=0.0, detail=f"not reached: {because}"))

    @asynccontextmanager
    async def step(self, name: str) -> AsyncIterator[Line]:
        """Time one step; a `ProviderFault` inside, or a defect, makes it `failed` and goes on up."""
        began, line = self.clock.monotonic(), Line()
        try:
            yield line
        except ProviderFault as fault:
            self._close(name, began, Line(fault.detail, "failed", fault.fault.remedy))
            raise
        except Exception as error:
            text = f"{type(error).__name__}: a defect; the log holds the traceback"
            self._close(name, began, Line(text, "failed", Fault.UNEXPECTED.remedy))
            raise
        self._close(name, began, line)

    def _close(self, name: str, began: float, line: Line) -> None:
        seconds = round(self.clock.monotonic() - began, 4)
        self.add(BindStep(step=name, status=line.status, seconds=seconds, detail=line.detail, remedy=line.remedy))
