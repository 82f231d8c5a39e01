"""The lines of a report, a bind's or the doctor's: status, step, seconds, detail, and the remedy below."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from daemon.cli.terminal import Palette, labelled, plain

_COLOURS: Final = {"passed": "green", "failed": "red", "warning": "yellow", "skipped": "dim"}


def step_lines(step: dict[str, Any], palette: Palette, *, column: int) -> Iterator[str]:
    """`passed   connect   0.31 s  detail`, with the remedy below. `column` is as wide as the longest step's name."""
    status = plain(step.get("status"))
    lead = f"{plain(step.get('step')).ljust(column)}{float(step.get('seconds') or 0.0):6.2f} s  "
    first, *others = labelled(status.ljust(9) + lead, str(step.get("detail") or ""), column=0)
    yield first.replace(status, palette.paint(status, _COLOURS.get(status, "")), 1)
    yield from others
    if step.get("remedy"):
        yield from labelled(" " * 9, f"→ {step['remedy']}", column=9)
