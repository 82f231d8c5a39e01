"""What a run under fire counted, and how it is written into `docs/reliability.md`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table: what was done, how often, and what was found. Never a secret, never a path."""

    what: str
    amount: str
    found: str

    @property
    def row(self) -> str:
        """The line."""
        return f"| {self.what} | {self.amount} | {self.found} |"


def counted_in(figure: Figure, words: str) -> int:
    """The number that stands before these words: a proof that risked nothing shows nothing."""
    found = re.search(rf"([\d,]+) {words}", f"{figure.amount}; {figure.found}")
    assert found is not None, figure
    return int(found[1].replace(",", ""))


def begin_of(module: str) -> str:
    """The comment that a module's figures stand behind."""
    return f"<!-- figures of {module}: written by make torture -->"


END = "<!-- end of figures -->"


def rewrite(module: str, figures: Iterable[Figure], *, page: Path = PAGE) -> None:
    """Put a module's figures in the place of those that stand there. Raises ValueError if it has no place."""
    text, begin = page.read_text(encoding="utf-8"), begin_of(module)
    before, found, after = text.partition(begin)
    if not found:
        raise ValueError(f"{page.name} has no place for {module}: {begin}")
    _, ended, rest = after.partition(END)
    if not ended:
        raise ValueError(f"{page.name}: the figures of {module} have no end: {END}")
    table = ["", "| What was done | How often | What was found |", "|---|---|---|", *(one.row for one in figures), ""]
    page.write_text(before + begin + "\n".join(table) + END + rest, encoding="utf-8")
