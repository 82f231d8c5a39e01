"""The audit chain verified by several processes at once, each a range of it. Called by `sitebind audit verify --jobs`.

The ranges only ever prove that all is well: every range is whole in itself, and each ends in the very record that the
next one begins behind. Where anything does not fit, one walk over the whole chain says what and where, so that the
answer is the same as that of `daemon.store.audit.verify_file`. These functions block.
"""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from daemon.ports import ChainReport, Seal
from daemon.store.anchors import walk_begun
from daemon.store.audit import known_end, reading, verify_file, walk_on
from daemon.store.chain import Head, Walk

LEAST: Final = 20_000
"""Records that are worth a process of their own: starting one takes as long as walking them."""


class Range(NamedTuple):
    """Records behind `start`, so many of them; the last range goes on to the end (-1)."""

    path: Path
    start: Head
    records: int


def verify_in_ranges(path: Path, *, jobs: int, least: int = LEAST) -> ChainReport:
    """Walk the chain of a database file in at most `jobs` processes. Raises `JournalUnavailable`, sqlite3.Error."""
    with reading(path) as connection:
        begun, known = walk_begun(connection), known_end(connection)
        ranges = _ranges(path, connection, start=begun.head, jobs=jobs, least=least) if begun.intact else []
    if len(ranges) > 1:
        reports = _reports(ranges)
        if reports and _fit(ranges, reports) and reports[-1].last >= known:
            return _joined(reports, anchor=begun.report().anchor)
    return verify_file(path)


def _ranges(path: Path, connection: sqlite3.Connection, *, start: Head, jobs: int, least: int) -> list[Range]:
    """Ranges of about the same length; a seam whose record is missing makes none."""
    first, last = connection.execute("SELECT coalesce(min(seq), 0), coalesce(max(seq), 0) FROM audit").fetchone()
    number = max(1, min(jobs, (last - first + 1) // least))
    seams = [first - 1 + (last - first + 1) * one // number for one in range(1, number)]
    starts = [start, *(head for seam in seams if (head := _head_at(connection, seam)) is not None)]
    lengths = [after.seq - before.seq for before, after in pairwise(starts)]
    return [Range(path, *one) for one in zip(starts, [*lengths, -1], strict=True)]


def _head_at(connection: sqlite3.Connection, seq: int) -> Head | None:
    row = connection.execute("SELECT seq, hash FROM audit WHERE seq = ?", (seq,)).fetchone()
    return None if row is None else Head(*row)


def _reports(ranges: Sequence[Range]) -> list[ChainReport]:
    """What each range's process found; nothing when one of them was killed, which proves nothing."""
    # Forked: nothing is imported anew, and the command line has no threads.
    processes = multiprocessing.get_context("fork")
    try:
        with ProcessPoolExecutor(len(ranges), mp_context=processes) as pool:
            return list(pool.map(_walked, ranges))
    except BrokenProcessPool:
        return []


def _walked(one: Range) -> ChainReport:
    with reading(one.path) as connection:
        walk = Walk(one.start)
        walk_on(walk, connection, limit=one.records)
        return walk.report()


def _fit(ranges: Sequence[Range], reports: Sequence[ChainReport]) -> bool:
    """Whether every range is whole, and each ends in the record that the next one begins behind."""
    seams = zip(reports, ranges[1:], strict=False)
    return all(report.intact for report in reports) and all(
        Head(before.last, before.head) == after.start for before, after in seams
    )


def _joined(reports: Sequence[ChainReport], *, anchor: Seal | None) -> ChainReport:
    return ChainReport(
        intact=True,
        records=sum(report.records for report in reports),
        first=reports[0].first,
        last=reports[-1].last,
        head=reports[-1].head,
        broken_at=None,
        reason="",
        anchor=anchor,
    )
