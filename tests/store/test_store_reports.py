"""Bind reports are kept in a bounded number, so that a site which fails for years does not fill the disk with them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from daemon.ports import BindReport, JournalEntry
from daemon.store.journal import SqliteJournal
from daemon.store.writer import KEPT_REPORTS
from daemon.web.binds import LARGEST_PAGE


async def test_the_newest_reports_of_each_site_are_kept_and_older_ones_make_room(
    journal: SqliteJournal,
    path: Path,
    entry: Callable[..., JournalEntry],
    report: Callable[..., BindReport],
) -> None:
    await journal.append(entry(site="other", report=report(site="other", id="other-1")))
    for attempt in range(1, KEPT_REPORTS + 4):
        for state in ("open", "failed"):
            await journal.append(entry(report=report(id=f"default-{attempt}", attempt=attempt, state=state)))
    kept = await journal.reports("default", limit=10 * KEPT_REPORTS)
    assert [one.attempt for one in kept] == list(range(KEPT_REPORTS + 3, 3, -1))
    assert await journal.report("default", "default-3") is None
    assert await journal.report("other", "other-1") is not None
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM binds").fetchone() == (KEPT_REPORTS + 1,)


def test_all_that_are_kept_can_be_asked_for_at_once() -> None:
    assert KEPT_REPORTS == LARGEST_PAGE
