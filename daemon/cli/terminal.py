"""Words on a terminal: width, colour, wrapping, moments of time. Used by the commands that print for a person."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, TextIO

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_COLOURS: Final = {"green": "32", "yellow": "33", "red": "31", "bold": "1", "dim": "2"}


def width(limit: int = 110) -> int:
    """How many columns there are; never so many that a line is hard to read."""
    return max(50, min(limit, shutil.get_terminal_size((100, 24)).columns))


def plain(text: object) -> str:
    """Text that cannot steer the terminal, whoever wrote it: control characters become spaces."""
    return _CONTROL.sub(" ", str(text))


class Palette:
    """Colour where a person looks: on a terminal, and without NO_COLOR. No meaning is carried by colour alone."""

    def __init__(self, stream: TextIO | None = None) -> None:
        stream = sys.stdout if stream is None else stream
        wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._on = wanted and stream.isatty()

    def paint(self, text: str, colour: str) -> str:
        """The text in a colour, or as it is."""
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self._on and colour else text


def labelled(label: str, text: str, *, indent: int = 2, column: int = 11) -> Iterator[str]:
    """Lines of `label   text`, the text wrapped under itself."""
    lead = " " * indent + label.ljust(column)
    lines = textwrap.wrap(plain(text), max(20, width() - len(lead)), break_on_hyphens=False) or [""]
    yield (lead + lines[0]).rstrip()
    yield from (" " * len(lead) + line for line in lines[1:])


def moment(text: str | None, *, now: datetime) -> str:
    """An RFC 3339 time as `2026-11-23 12:01:02 UTC (3 min ago)`; what is no time stays as it is."""
    if not text:
        return "never"
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return plain(text)
    if at.tzinfo is None:
        return plain(text)
    return f"{at.astimezone(now.tzinfo):%Y-%m-%d %H:%M:%S} UTC ({distance(at, now=now)})"


def distance(at: datetime, *, now: datetime) -> str:
    """How far away a moment is: `now`, `3 min ago`, `in 11 h`."""
    away = at - now
    if abs(away) < timedelta(seconds=1):
        return "now"
    length = span(abs(away).total_seconds())
    return f"{length} ago" if away < timedelta(0) else f"in {length}"


def span(seconds: float) -> str:
    """A length of time in one unit."""
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def counted(number: int, noun: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
