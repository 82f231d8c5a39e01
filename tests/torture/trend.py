"""Whether a measure grows with the work: a straight line through what was seen, and how sure its slope is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

SURE = 2.0
"""Standard errors on either side of a slope: what is within them may be chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """A least-squares line over a run. `slope` and `error` are per operation, `over` the operations of the run."""

    mean: float
    slope: float
    error: float
    over: float

    @property
    def by_the_end(self) -> float:
        """What the slope made of the measure from the first look to the last."""
        return self.slope * self.over

    def grows(self, allowed: float) -> bool:
        """Whether it surely grows, and by more than `allowed` over the run."""
        return self.slope - SURE * self.error > 0 and self.by_the_end > allowed


def trend(operations: Sequence[float], values: Sequence[float]) -> Trend:
    """The line through `values`, which were seen after so many operations. Raises ValueError under three looks."""
    if len(values) < 3:
        raise ValueError("a slope and how sure it is need three looks at least")
    line = statistics.linear_regression(operations, values)
    middle = statistics.fmean(operations)
    spread = sum((at - middle) ** 2 for at in operations)
    off = sum((value - line.intercept - line.slope * at) ** 2 for at, value in zip(operations, values, strict=True))
    error = math.sqrt(off / (len(values) - 2) / spread)
    return Trend(mean=statistics.fmean(values), slope=line.slope, error=error, over=max(operations) - min(operations))
