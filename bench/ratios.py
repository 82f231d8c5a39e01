"""The ratios that a later run is held against: `bench/ratios.json`, written with the page.

How much worse a row may be is its noise: three times the distance between the quartiles of its rounds, and never
less than what was seen between runs of the same code, a quarter; memory hardly varies, so a tenth there.
`make bench-check` holds a run against them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.table import Row, decimal

FILE = Path(__file__).with_name("ratios.json")
LEAST, LEAST_OF_MEMORY, MOST = 0.25, 0.10, 0.75
_MEMORY = ("KiB", "MiB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A row as it was: its ratio, the goal, and the part of the ratio by which it may be worse."""

    ratio: float
    noise: float
    goal: str


def noise_of(row: Row) -> float:
    """The part of the ratio by which a later run may be worse without anybody having made it so."""
    least = LEAST_OF_MEMORY if row.unit in _MEMORY else LEAST
    return round(min(MOST, max(least, 3 * (row.high - row.low) / row.ratio if row.ratio else 0.0)), 2)


def read(file: Path = FILE) -> dict[str, Stored]:
    """The stored rows by name. Raises OSError, ValueError."""
    return {name: Stored(**kept) for name, kept in json.loads(file.read_text(encoding="utf-8")).items()}


def write(rows: Iterable[Row], file: Path = FILE) -> None:
    """Store what a whole run found."""
    kept = {row.name: {"ratio": round(row.ratio, 4), "noise": noise_of(row), "goal": row.goal} for row in rows}
    file.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


def regressions(rows: Iterable[Row], stored: Mapping[str, Stored]) -> dict[str, str]:
    """By name, in words, each row that is worse than it was by more than its noise, or that nobody stored."""
    found = {row.name: _fault(row, stored.get(row.name)) for row in rows}
    return {name: fault for name, fault in found.items() if fault}


def missing(rows: Iterable[Row], stored: Mapping[str, Stored]) -> dict[str, str]:
    """By name, in words, each stored row that a whole run does not measure any more: it can get no worse, unseen."""
    gone = sorted(stored.keys() - {row.name for row in rows})
    return {
        name: f"{name}: its ratio is stored, and nothing measures it. Store what there is with: make bench"
        for name in gone
    }


def _fault(row: Row, kept: Stored | None) -> str:
    if kept is None:
        return f"{row.name}: no ratio is stored for it. Store it with: make bench"
    better = row.more_is_better
    limit = kept.ratio * (1 - kept.noise) if better else kept.ratio * (1 + kept.noise)
    if row.ratio >= limit if better else row.ratio <= limit:
        return ""
    worse = "fell" if better else "rose"
    return (
        f"{row.name}: the ratio {worse} from {decimal(kept.ratio)} to {decimal(row.ratio)}. Noise explains "
        f"{kept.noise:.0%}, which is {decimal(limit)}, and not more"
    )
