"""One measurement against its baseline, and how the table is printed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True, slots=True)
class Row:
    """`ratio` is ours over baseline, the median of its rounds; `goal` is like ">= 0.60", or empty.

    `low` and `high` are the rounds' quartiles; both are 0 where there was one round only.
    """

    name: str
    ours: float
    baseline: float
    ratio: float
    goal: str = ""
    unit: str = "/s"
    low: float = 0.0
    high: float = 0.0

    @property
    def more_is_better(self) -> bool:
        """Whether a greater ratio is the better one."""
        return self.goal.startswith(">=") if self.goal else self.unit == "/s"

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
    return row_of(name, pairs, goal=goal, unit=unit)


def row_of(name: str, pairs: Sequence[tuple[float, float]], *, goal: str = "", unit: str = "/s") -> Row:
    """The row of rounds that measured (ours, baseline)."""
    ratios = [mine / theirs for mine, theirs in pairs]
    low, _, high = quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else (0.0, 0.0, 0.0)
    mine, other = median(mine for mine, _ in pairs), median(theirs for _, theirs in pairs)
    return Row(name, mine, other, median(ratios), goal, unit, low, high)


def shown(rows: Iterable[Row]) -> str:
    """The table as text."""
    lines = [f"{'what':<66}{'ours':>14}{'baseline':>14}{'ratio':>9}  {'quartiles':<15}goal"]
    for row in rows:
        mark = {True: "met", False: "MISSED", None: ""}[row.met]
        lines.append(
            f"{row.name:<66}{number(row.ours, row.unit):>14}{number(row.baseline, row.unit):>14}"
            f"{decimal(row.ratio):>9}  {spread(row):<15}{row.goal:<9}{mark}".rstrip()
        )
    return "\n".join(lines)


def spread(row: Row) -> str:
    """Between which ratios the middle half of the rounds lay; a dash where there was one round."""
    return f"{decimal(row.low)} to {decimal(row.high)}" if row.high else "-"


def decimal(ratio: float) -> str:
    """A ratio with the digits that mean something."""
    return f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.4f}"


def number(value: float, unit: str) -> str:
    """A measured value as it is read."""
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:,.2f} {unit}"
