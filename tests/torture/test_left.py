"""What contradicts itself in a database is found, whoever wrote it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.ports import JournalEntry
from daemon.store.journal import SqliteJournal
from states import Snapshot, State
from tests.torture.left import left_in

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def database(tmp_path: Path) -> Path:
    """One record of one site."""
    journal = SqliteJournal(tmp_path / "sitebind.db")
    await journal.open()
    now = Snapshot(site="oslo", site_code="5c0de0", state=State.CONFIGURED, since=AT, reason="")
    entry = JournalEntry(
        at=AT, site="oslo", actor="me", event="x", before="unconfigured", after="configured", detail={}, snapshot=now
    )
    assert await journal.append(entry) == 1
    await journal.close()
    (tmp_path / "oslo.ini").write_text("[site]\ndisplay_name = oslo 7\n", encoding="utf-8")
    return journal.path


def test_what_is_well_is_read(database: Path) -> None:
    left = left_in(database)
    assert (left.records, left.names, left.snapshots["oslo"].state) == (1, {"oslo": 7}, State.CONFIGURED)


_BIND = "INSERT INTO binds VALUES ('{}', 'oslo', {}, 'me', '', 'open', NULL, '', NULL, '[]')"


@pytest.mark.parametrize(
    "statements, words",
    [
        ([_BIND.format("oslo-1", 1)], "open binds"),
        ([_BIND.format("oslo-1", 1), _BIND.format("oslo-2", 1)], "attempt 1 of oslo was made 2 times"),
        (["DROP TRIGGER audit_is_never_changed", "UPDATE audit SET after = 'bound'"], "its record says bound"),
        (["DROP TRIGGER audit_is_never_changed", "UPDATE audit SET actor = 'you'"], "ChainReport"),
        (["DROP TRIGGER audit_is_never_changed", "UPDATE audit SET seq = 2"], "gap"),
    ],
)
def test_what_is_not_is_said(database: Path, statements: list[str], words: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    with pytest.raises(AssertionError, match=words):
        left_in(database)
