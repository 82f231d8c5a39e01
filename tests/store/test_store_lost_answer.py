"""SQLite fails behind a commit: what is durable is neither refused nor recorded once more."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.ports import JournalEntry, JournalUnavailable
from daemon.store import connection
from daemon.store.journal import SqliteJournal
from tests.torture import database_calls
from tests.torture.nth import Manner, Nth

AT = datetime(2026, 1, 1, tzinfo=UTC)


def entry(event: str) -> JournalEntry:
    return JournalEntry(
        at=AT, site="default", actor="test", event=event, before="bound", after="bound", request_id=None, detail={}
    )


async def events(journal: SqliteJournal) -> list[str]:
    return [record.event for record in await journal.audit(limit=100)]


async def recorded(path: Path, *, at: int, manner: Manner) -> tuple[bool, list[str], list[str]]:
    """Whether the second of two records was acknowledged, what the journal holds then, and which call failed."""
    nth = Nth()
    with database_calls.between(nth):
        journal = SqliteJournal(path)
        await journal.open()
        try:
            await journal.append(entry("first"))
            nth.arm(at, manner)
            try:
                await journal.append(entry("second"))
            except JournalUnavailable:
                said = False
            else:
                said = True
            nth.mend()
            await journal.append(entry("third"))
            assert (await journal.verify()).intact
            return said, await events(journal), nth.struck
        finally:
            await journal.close()


@pytest.mark.parametrize("manner", [Manner.ONCE, Manner.LOST])
@pytest.mark.parametrize("at", [1, 2, 3])
async def test_a_record_is_acknowledged_exactly_when_it_is_there(tmp_path: Path, manner: Manner, at: int) -> None:
    """BEGIN, INSERT or COMMIT fails, before it is done or after it."""
    said, held, struck = await recorded(tmp_path / "s.db", at=at, manner=manner)
    assert len(struck) == 1
    assert held == (["first", "second", "third"] if said else ["first", "third"])
    assert said is (manner is Manner.LOST and struck == ["COMMIT"])


def test_the_store_has_its_own_connection_again_afterwards() -> None:
    assert issubclass(connection.OneHop, sqlite3.Connection)
    assert connection.OneHop.__module__ == "daemon.store.connection"
