"""The page of a run: `docs/performance.md` with its plot. Why a goal is missed is written by hand in `reasons.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.machine import described
from bench.plot import described as in_words
from bench.plot import drawn
from bench.ratios import noise_of
from bench.table import Row, decimal, number, spread

DOCS = Path(__file__).resolve().parent.parent / "docs"
REASONS = Path(__file__).with_name("reasons.toml")

BEGIN = """# Speed and size

Written by `make bench`; nothing here is edited by hand. Each row measures two sides in the same run, in turn, so that
a noise that lasts hits both: only the **ratio** means something on another machine. A row names what was measured and,
behind the colon, its baseline (`limit`: a number that was agreed on, and not a measurement).

"""
READING = """
The ratio is the median of the rounds, ours over the baseline; the quartiles say between which ratios the middle half
of the rounds lay (a dash: one round). The tolerance is how much worse the ratio of a later run may be: three times the
distance of the quartiles, at least a quarter, a tenth where memory is measured. `make bench-check` measures again and
fails, naming the row, where a ratio is worse than the stored one (`bench/ratios.json`) by more. The goals are aims:
what falls short is listed below with the reason.

"""


def reasons(file: Path = REASONS) -> dict[str, str]:
    """Why goals are missed, by the name of the row."""
    found: dict[str, str] = tomllib.loads(file.read_text(encoding="utf-8"))
    return {name: " ".join(reason.split()) for name, reason in found.items()}


def write(rows: Sequence[Row], *, seconds: float, docs: Path = DOCS) -> None:
    """Write the page and its plot."""
    (docs / "performance.svg").write_text(drawn(rows), encoding="utf-8")
    (docs / "performance.md").write_text(text(rows, reasons(), seconds=seconds), encoding="utf-8")


def text(rows: Sequence[Row], why: Mapping[str, str], *, seconds: float) -> str:
    """The page. A row that misses its goal says why, or that nobody wrote it yet."""
    aimed = [row for row in rows if row.goal]
    missed = [row for row in aimed if not row.met]
    plot = f"![{in_words(aimed)}](performance.svg)\n"
    return "".join(
        [
            BEGIN,
            f"{datetime.now(UTC):%Y-%m-%d}, {len(rows)} rows in {seconds / 60:.0f} minutes; ",
            f"{len(aimed) - len(missed)} of {len(aimed)} goals are met.\n\n",
            plot,
            READING,
            *_table(rows),
            "\n## What falls short, and why\n\n",
            *(f"- **{row.name}**: {decimal(row.ratio)}, goal {row.goal}. {_why(row, why)}\n" for row in missed),
            "\n## The machine\n\n| | |\n|---|---|\n",
            *(f"| {what} | {value} |\n" for what, value in described()),
        ]
    )


def _why(row: Row, why: Mapping[str, str]) -> str:
    return why.get(row.name, "Nobody wrote the reason down yet: bench/reasons.toml.")


def _table(rows: Sequence[Row]) -> Iterator[str]:
    yield "| what : baseline | ours | baseline | ratio | quartiles | goal | | tolerance |\n"
    yield "|---|--:|--:|--:|---|---|---|--:|\n"
    for row in rows:
        mark = {True: "met", False: "**missed**", None: ""}[row.met]
        ours, theirs = number(row.ours, row.unit), number(row.baseline, row.unit)
        yield (
            f"| {row.name} | {ours} | {theirs} | {decimal(row.ratio)} | {spread(row)} | {row.goal} | {mark} "
            f"| {noise_of(row):.0%} |\n"
        )
