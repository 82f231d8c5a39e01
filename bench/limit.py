"""A row whose baseline is a number that was agreed on and not a measurement."""

from __future__ import annotations

from bench.table import Row


def within(name: str, ours: float, limit: float, *, goal: str = "<= 1.00", unit: str) -> Row:
    """What was measured, beside its limit."""
    return Row(name, ours, limit, ours / limit, goal, unit)
