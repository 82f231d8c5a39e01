"""The little of Markdown that the reference pages are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

NOTE = "Written by `make references` from the program itself; a change here would be lost."


def title(heading: str, *, first: str) -> list[str]:
    """How every page begins."""
    return [f"# {heading}", "", f"<!-- {NOTE} -->", "", first, ""]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table, and the empty line behind it."""
    return [_line(head), _line(["---"] * len(head)), *(_line(map(cell, row)) for row in rows), ""]


def cell(text: str) -> str:
    """One line, in which nothing ends the cell."""
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    """As it is typed; nothing where there is nothing."""
    return f"`{text}`" if text else ""


def codes(texts: Iterable[str]) -> str:
    """The same of several."""
    return ", ".join(map(code, texts))


def fenced(text: str, language: str = "sh") -> list[str]:
    """Lines that are typed or seen."""
    return [f"```{language}", *text.strip("\n").splitlines(), "```", ""]


def anchor(heading: str) -> str:
    """What GitHub makes of a heading."""
    words = re.sub(r"[`*]", "", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


def page(lines: Iterable[str]) -> str:
    """The text of a file."""
    return "\n".join(lines).rstrip("\n") + "\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
