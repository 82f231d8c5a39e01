"""One measurement against its baseline, and how the table is printed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Row:
    """`ratio` is ours over baseline, the median of its rounds; `goal` is like ">= 0.60", or empty."""

    name: str
    ours: float
    baseline: float
    ratio: float
    goal: str = ""
    unit: str = "/s"

    @property
    def met(self) -> bool | None:
        """Whether the goal was reached; None where there is none."""
        if not self.goal:
            return None
        sign, number = self.goal.split()
        return self.ratio >= float(number) if sign == ">=" else self.ratio <= float(number)


def against(
    name: str,
    ours: Callable[[], float],
    baseline: Callable[[], float],
    *,
    goal: str = "",
    unit: str = "/s",
    rounds: int = 5,
) -> Row:
    """Measure both sides in turn, `rounds` times; noise that lasts hits both."""
    pairs = []
    for number in range(rounds):
        # The first of a pair may warm something up for the second: take turns.
        if number % 2:
            theirs = baseline()
            pairs.append((ours(), theirs))
        else:
            mine = ours()
            pairs.append((mine, baseline()))
    return Row(
        name,
        median(mine for mine, _ in pairs),
        median(theirs for _, theirs in pairs),
        median(mine / theirs for mine, theirs in pairs),
        goal,
        unit,
    )


def shown(rows: Iterable[Row]) -> str:
    """The table as text."""
    lines = [f"{'what':<58}{'ours':>14}{'baseline':>14}{'ratio':>9}  goal"]
    for row in rows:
        mark = {True: "met", False: "MISSED", None: ""}[row.met]
        lines.append(
            f"{row.name:<58}{_number(row.ours, row.unit):>14}{_number(row.baseline, row.unit):>14}"
            f"{row.ratio:>9.2f}  {row.goal:<9}{mark}".rstrip()
        )
    return "\n".join(lines)


def _number(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:,.2f} {unit}"
