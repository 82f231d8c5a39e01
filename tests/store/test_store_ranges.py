"""The chain walked by several processes: the same answer as one walk, whatever was done to the trail."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.ports import JournalEntry
from daemon.store.audit import verify_file
from daemon.store.journal import SqliteJournal
from daemon.store.ranges import verify_in_ranges

AT = datetime(2030, 1, 1, 12, tzinfo=UTC)
RECORDS = 40


def entry(number: int) -> JournalEntry:
    return JournalEntry(
        at=AT, site="default", actor="http:127.0.0.1", event="bind_requested", before="configured", after="binding",
        request_id=f"r-{number}", detail={"number": number},
    )  # fmt: skip


@pytest.fixture
async def trail(tmp_path: Path) -> Path:
    path = tmp_path / "sitebind.db"
    journal = SqliteJournal(path)
    await journal.open()
    await asyncio.gather(*(journal.append(entry(number)) for number in range(RECORDS)))
    await journal.close()
    return path


def tampered(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize("jobs", [1, 2, 3, 7, 100])
def test_a_whole_trail_gives_the_report_of_one_walk(trail: Path, jobs: int) -> None:
    report = verify_in_ranges(trail, jobs=jobs, least=1)
    assert report == verify_file(trail)
    assert (report.intact, report.records) == (True, RECORDS)


@pytest.mark.parametrize("seq", [1, 2, 19, 20, 21, 22, 39, 40])
@pytest.mark.parametrize(
    "harm",
    [
        lambda seq: f"UPDATE audit SET actor = 'nobody' WHERE seq = {seq}",
        lambda seq: f"UPDATE audit SET hash = '{'0' * 64}' WHERE seq = {seq}",
        lambda seq: f"UPDATE audit SET detail = '{{' WHERE seq = {seq}",
        lambda seq: f"DELETE FROM audit WHERE seq = {seq}",
        lambda seq: f"DELETE FROM audit WHERE seq <= {seq}",
    ],
    ids=["edited", "another hash", "no JSON", "deleted", "beginning deleted"],
)
def test_what_was_done_to_it_is_told_in_the_words_of_one_walk(
    trail: Path, seq: int, harm: Callable[[int], str]
) -> None:
    """Before a seam, at it and behind it."""
    tampered(trail, harm(seq))
    assert verify_in_ranges(trail, jobs=2, least=1) == verify_file(trail)


def test_two_whole_chains_that_do_not_meet_at_the_seam_are_no_chain(trail: Path) -> None:
    """The second half hangs on a record that the first does not end in: each range is whole in itself."""
    tampered(
        trail,
        "CREATE TEMP TABLE other AS SELECT * FROM audit WHERE seq > 20",
        "DELETE FROM audit WHERE seq = 20",
        "INSERT INTO audit SELECT 20, at, site, actor, event, before, after, request_id, detail, previous_hash, "
        "(SELECT previous_hash FROM other WHERE seq = 21) FROM audit WHERE seq = 19",
    )
    report = verify_in_ranges(trail, jobs=2, least=1)
    assert report == verify_file(trail)
    assert (report.intact, report.broken_at) == (False, 20)


def test_a_cut_end_that_a_sites_state_names_is_told(trail: Path) -> None:
    tampered(trail, "INSERT INTO snapshots (site, document, seq) VALUES ('default', '{}', 45)")
    report = verify_in_ranges(trail, jobs=2, least=1)
    assert report == verify_file(trail)
    assert not report.intact


def test_a_short_trail_and_an_empty_one_take_one_walk(trail: Path) -> None:
    assert verify_in_ranges(trail, jobs=8) == verify_file(trail)
    tampered(trail, "DELETE FROM audit")
    assert verify_in_ranges(trail, jobs=8, least=1) == verify_file(trail)
