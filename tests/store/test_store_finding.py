"""Searches in the audit trail: every filter, both orders, by index, in trips that are bounded."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.ports import AuditFilter, AuditRecord, JournalEntry
from daemon.store import audit, finding
from daemon.store.finding import Search, moves
from daemon.store.journal import SqliteJournal
from daemon.store.rows import record_of
from daemon.store.schema import migrate

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
Make = Callable[..., JournalEntry]

SITES, ACTORS, EVENTS = ("a", "b"), ("http:1", "http:12", "unix:root"), ("bind_requested", "bind_failed", "doctor_ran")


def filled(count: int) -> sqlite3.Connection:
    """A database in memory whose clock was set back once, half-way."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    for seq in range(1, count + 1):
        minutes = seq if seq <= count // 2 else seq - 10
        at = f"{NOON + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%S}.000000Z"
        row = (seq, at, SITES[seq % 2], ACTORS[seq % 3], EVENTS[seq // 2 % 3], "bound", "bound", None, "{}", "", "")
        connection.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    return connection


def everything(connection: sqlite3.Connection, wanted: AuditFilter) -> list[AuditRecord]:
    search, found = Search(wanted), []
    while not search.ended:
        found += search.step(connection)
    return found


def is_wanted(record: AuditRecord, wanted: AuditFilter) -> bool:
    """The meaning of a filter, said a second time in another language."""
    at = datetime.fromisoformat(record.at)
    actor = wanted.actor or "*"
    return (
        wanted.site in (None, record.site)
        and record.seq > wanted.after
        and (wanted.before is None or record.seq < wanted.before)
        and (wanted.since is None or at >= wanted.since)
        and (wanted.until is None or at < wanted.until)
        and (record.actor.startswith(actor[:-1]) if actor.endswith("*") else record.actor == actor)
        and (not wanted.events or record.event in wanted.events)
        and record.event not in wanted.without
    )


moments = st.none() | st.integers(-5, 70).map(lambda minutes: NOON + timedelta(minutes=minutes))
filters = st.builds(
    AuditFilter,
    site=st.sampled_from((None, *SITES, "nobody")),
    after=st.integers(0, 70),
    before=st.none() | st.integers(0, 70),
    since=moments,
    until=moments,
    actor=st.sampled_from((None, *ACTORS, "http:*", "http:1*", "*", "http", "HTTP:1")),
    events=st.lists(st.sampled_from((*EVENTS, "never")), max_size=3, unique=True).map(tuple),
    without=st.lists(st.sampled_from((*EVENTS, "never")), max_size=2, unique=True).map(tuple),
    newest_first=st.booleans(),
    limit=st.none() | st.integers(1, 20),
)


@settings(max_examples=300, deadline=None)
@given(wanted=filters, window=st.integers(1, 80), page=st.integers(1, 30))
def test_whatever_is_wanted_is_found_and_nothing_else(wanted: AuditFilter, window: int, page: int) -> None:
    """However small the trips are, and also where the clock was set back."""
    with pytest.MonkeyPatch.context() as small, closing(filled(60)) as connection:
        small.setattr(finding, "WINDOW", window)
        small.setattr(finding, "PAGE", page)
        records = [record_of(row) for row in connection.execute("SELECT * FROM audit ORDER BY seq")]
        expected = [record for record in records if is_wanted(record, wanted)]
        if wanted.newest_first:
            expected.reverse()
        assert everything(connection, wanted) == expected[: wanted.limit]


@pytest.mark.parametrize(
    "wanted, index",
    [
        (AuditFilter(), "USING INTEGER PRIMARY KEY"),
        (AuditFilter(newest_first=True), "USING INTEGER PRIMARY KEY"),
        (AuditFilter(site="a"), "audit_by_site"),
        (AuditFilter(actor="http:1"), "audit_by_actor"),
        (AuditFilter(actor="http:*"), "USING INTEGER PRIMARY KEY"),
        (AuditFilter(events=("doctor_ran",)), "audit_by_event"),
        (AuditFilter(events=EVENTS), "audit_by_event"),
        (AuditFilter(site="a", events=("doctor_ran",)), "audit_by_event"),
        (AuditFilter(site="a", actor="http:1", events=("doctor_ran",)), "audit_by_actor"),
        (AuditFilter(since=NOON, until=NOON + timedelta(hours=1)), "audit_by_time"),
        (AuditFilter(site="a", since=NOON), "audit_by_time"),
    ],
)
def test_a_search_takes_the_index_that_narrows_most(wanted: AuditFilter, index: str) -> None:
    """Seen in SQLite's own plan of every statement."""
    asked: list[str] = []
    with closing(filled(60)) as connection:
        connection.set_trace_callback(asked.append)
        everything(connection, wanted)
        connection.set_trace_callback(None)
        plans = [step[3] for query in asked for step in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
    assert any(index in plan for plan in plans), plans
    assert not [plan for plan in plans if plan.startswith("SCAN")], plans
    assert not [plan for plan in plans if "TEMP B-TREE" in plan and len(wanted.events) < 2], plans


def test_the_history_of_a_site_takes_its_own_index() -> None:
    asked: list[str] = []
    with closing(filled(60)) as connection:
        connection.set_trace_callback(asked.append)
        moves(connection, "a", since=NOON, most=100)
        connection.set_trace_callback(None)
        plans = [step[3] for query in asked for step in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
    assert len(asked) == 3
    assert ["audit_moves" in plan for plan in plans] == [True, True, False]
    assert "audit_by_site" in plans[2]


def test_no_trip_looks_at_more_than_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter that fits nothing costs many short trips and no long one."""
    monkeypatch.setattr(finding, "WINDOW", 7)
    with closing(filled(60)) as connection:
        search, trips = Search(AuditFilter(actor="nobody*")), 0
        while not search.ended:
            assert search.step(connection) == []
            trips += 1
    assert trips == 9


async def test_what_is_recorded_meanwhile_is_not_in_a_search(
    journal: SqliteJournal, entry: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that every search ends."""
    monkeypatch.setattr(finding, "PAGE", 2)
    for _ in range(5):
        await journal.append(entry())
    found = []
    async for page in journal.find(AuditFilter()):
        await journal.append(entry())
        found += [record.seq for record in page]
    assert found == [1, 2, 3, 4, 5]


async def test_an_empty_trail_has_nothing_to_find(journal: SqliteJournal) -> None:
    assert [record async for page in journal.find(AuditFilter(since=NOON)) for record in page] == []
    assert b"".join([piece async for piece in journal.export(AuditFilter(), "jsonl")]) == b""
    header = b"".join([piece async for piece in journal.export(AuditFilter(), "csv")])
    assert header == f"{audit.CSV_HEADER}\r\n".encode()


async def test_an_export_is_what_the_command_line_writes_and_verifies(
    journal: SqliteJournal, path: Path, entry: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Line for line, in both formats, over many trips."""
    monkeypatch.setattr(finding, "PAGE", 2)
    for number in range(5):
        await journal.append(entry(detail={"n": number, "text": "Zoë\nsecond line"}, actor="=1+1"))
    lines = b"".join([piece async for piece in journal.export(AuditFilter(), "jsonl")]).decode()
    assert lines == "".join(f"{line}\n" for line in audit.export_file(path, "jsonl"))
    assert audit.verify_export(lines.splitlines()).records == 5
    table = b"".join([piece async for piece in journal.export(AuditFilter(), "csv")]).decode()
    assert table == "".join(f"{line}\r\n" for line in audit.export_file(path, "csv"))
    assert ",'=1+1," in table
    some = b"".join([piece async for piece in journal.export(AuditFilter(after=2, before=5), "jsonl")])
    assert [json.loads(line)["seq"] for line in some.splitlines()] == [3, 4]
    assert audit.verify_export(some.decode().splitlines()).first == 3


async def a_life(journal: SqliteJournal, entry: Make, *steps: tuple[int, str, str, str]) -> None:
    for hours, site, before, after in steps:
        await journal.append(entry(at=NOON + timedelta(hours=hours), site=site, before=before, after=after))


async def moved(journal: SqliteJournal, site: str, hours: int, most: int = 100) -> list[int]:
    found: list[Any] = await journal.moves(site, since=NOON + timedelta(hours=hours), most=most)
    return [record.seq for record in found]


async def test_moves_begin_with_the_one_that_still_held(journal: SqliteJournal, entry: Make) -> None:
    await a_life(
        journal, entry,
        (0, "a", "unconfigured", "configured"), (1, "b", "unconfigured", "configured"),
        (2, "a", "configured", "binding"), (3, "a", "binding", "binding"), (4, "a", "binding", "bound"),
    )  # fmt: skip
    assert await moved(journal, "a", 3) == [3, 5]
    assert await moved(journal, "a", 2) == [1, 3, 5]
    assert await moved(journal, "a", 9) == [5]
    assert await moved(journal, "a", -1) == [1, 3, 5]
    assert await moved(journal, "a", -1, most=2) == [3, 5]
    assert await moved(journal, "nobody", 0) == []


async def test_a_site_that_never_moved_has_its_first_record(journal: SqliteJournal, entry: Make) -> None:
    await a_life(journal, entry, (0, "a", "unconfigured", "unconfigured"), (1, "a", "unconfigured", "unconfigured"))
    assert await moved(journal, "a", 5) == [1]
    assert await moved(journal, "a", -5) == [1]
