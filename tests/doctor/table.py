"""The table of faults in `docs/doctor.md`: its rows as the tests saw them, and the document around it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "doctor.md"
BEGIN = "<!-- faults: begin -->\n"
END = "<!-- faults: end -->\n"
HEAD = ("| What is wrong | The doctor names | What to do |", "| --- | --- | --- |")


def row(fault: str, layer: str, remedy: str) -> str:
    """One line of the table."""
    return f"| {fault} | {layer} | {remedy.replace('|', chr(92) + '|')} |"


def written() -> list[str]:
    """The rows that stand in the document."""
    text = PAGE.read_text(encoding="utf-8")
    table = text.partition(BEGIN)[2].partition(END)[0].splitlines()
    assert tuple(table[:2]) == HEAD, f"{PAGE.name} has lost its table"
    return table[2:]


def rewrite(rows: Iterable[str]) -> None:
    """Put these rows into the document."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    table = "\n".join((*HEAD, *rows))
    PAGE.write_text(f"{before}{BEGIN}{table}\n{END}{after}", encoding="utf-8")
