"""What the journal does when the disk does not: says which trouble it is, and recovers by itself."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from daemon.ports import JournalEntry, JournalUnavailable
from daemon.store import connection as connection_module
from daemon.store import writer as writer_module
from daemon.store.connection import on_thread
from daemon.store.journal import SqliteJournal
from daemon.store.trouble import unavailable

Make = Callable[..., JournalEntry]


async def limit(journal: SqliteJournal, pages: int) -> None:
    """A disk that is full when the file has so many pages."""
    await journal.write(lambda db: db.execute(f"PRAGMA max_page_count = {pages}").fetchall())


async def test_a_full_disk_fails_the_whole_group_and_heals(journal: SqliteJournal, entry: Make) -> None:
    """Everybody who waits is told; nothing half is left; the next step is tried afresh."""
    await journal.append(entry())
    await limit(journal, 1)
    large = entry(detail={"text": "x" * 50_000})
    results = await asyncio.gather(*(journal.append(large) for _ in range(5)), return_exceptions=True)
    assert all(isinstance(one, JournalUnavailable) for one in results)
    assert len({id(one) for one in results}) == 5
    assert "the disk is full. Free space" in str(results[0])
    assert len(await journal.audit()) == 1
    assert await journal.append(large) == 2
    report = await journal.verify()
    assert (report.intact, report.records) == (True, 2)


async def test_a_locked_database_is_told_apart(
    journal: SqliteJournal, path: Path, entry: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    await journal.write(lambda db: db.execute("PRAGMA busy_timeout = 0").fetchall())
    monkeypatch.setattr(connection_module, "BUSY_MILLISECONDS", 0)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(2):
            with pytest.raises(JournalUnavailable, match="holds it locked"):
                await journal.append(entry())
        other.execute("COMMIT")
    assert await journal.append(entry()) == 1


async def test_a_read_only_database_is_told_apart(journal: SqliteJournal, entry: Make) -> None:
    """The pragma makes SQLite refuse as it does on a read-only file, for root too."""
    await journal.write(lambda db: db.execute("PRAGMA query_only = ON").fetchall())
    with pytest.raises(JournalUnavailable, match=r"read-only.+SQLITE_READONLY"):
        await journal.append(entry())
    assert await journal.append(entry()) == 1


@pytest.mark.parametrize("replacement", ["none", "another"])
async def test_a_database_that_was_taken_away_is_noticed(
    journal: SqliteJournal, path: Path, tmp_path: Path, entry: Make, replacement: str
) -> None:
    """Without this, records would go into a file that has no name any more."""
    await journal.append(entry())
    aside = tmp_path / "aside.db"
    path.rename(aside)
    if replacement == "another":
        path.write_bytes(b"")
    for _ in range(2):
        with pytest.raises(JournalUnavailable):
            await journal.append(entry())
    assert replacement == "none" or path.stat().st_ino != aside.stat().st_ino
    path.unlink(missing_ok=True)
    for name in ("-wal", "-shm"):
        path.with_name(f"{path.name}{name}").unlink(missing_ok=True)


async def test_an_older_copy_put_in_place_is_not_taken_for_the_journal(
    journal: SqliteJournal, path: Path, tmp_path: Path, entry: Make
) -> None:
    """What was acknowledged is not in it: going on would write a second chain."""
    await journal.append(entry())
    older = tmp_path / "older.db"
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(older)) as target:
        source.backup(target)
    await journal.append(entry())
    for name in ("", "-wal", "-shm"):
        path.with_name(f"{path.name}{name}").rename(tmp_path / f"gone{name}")
    older.rename(path)
    for _ in range(2):
        with pytest.raises(JournalUnavailable, match=r"replaced under the daemon.+restart"):
            await journal.append(entry())


async def test_a_stranger_who_wrote_a_record_is_noticed(journal: SqliteJournal, path: Path, entry: Make) -> None:
    await journal.append(entry())
    with closing(sqlite3.connect(path)) as other:
        other.execute("INSERT INTO audit VALUES (2, '', '', '', '', '', '', NULL, '{}', '', '')")
        other.commit()
    with pytest.raises(JournalUnavailable, match="another program wrote into it"):
        await journal.append(entry())
    assert await journal.append(entry()) == 3
    assert (await journal.verify()).broken_at == 2


async def test_a_defect_in_the_writer_is_told_and_does_not_end_it(
    journal: SqliteJournal, entry: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*arguments: Any) -> None:
        raise RuntimeError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr(writer_module._Group, "__call__", broken)
        with pytest.raises(JournalUnavailable, match="a defect"):
            await journal.append(entry())
    assert "the journal's writer met a defect" in caplog.text
    assert await journal.append(entry()) == 1


async def test_work_that_fails_by_its_own_fault_fails_only_its_caller(journal: SqliteJournal, entry: Make) -> None:
    def work(db: sqlite3.Connection) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await journal.write(work)
    with pytest.raises(JournalUnavailable, match="no such table"):
        await journal.write(lambda db: db.execute("SELECT * FROM missing"))
    assert await journal.append(entry()) == 1


async def test_a_reader_in_trouble_says_the_journal_is_unavailable(journal: SqliteJournal) -> None:
    with pytest.raises(JournalUnavailable, match="no such table"):
        await journal.read(lambda db: db.execute("SELECT * FROM missing"))


async def test_readers_cannot_write(journal: SqliteJournal) -> None:
    with pytest.raises(JournalUnavailable, match="read-only"):
        await journal.read(lambda db: db.execute("DELETE FROM snapshots"))


async def test_a_log_that_cannot_be_folded_in_at_the_end_is_only_a_warning(
    path: Path, entry: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read at the next start; nothing is lost."""
    journal = SqliteJournal(path)
    await journal.open()
    await journal.append(entry())

    def fails(db: sqlite3.Connection) -> bool:
        raise sqlite3.OperationalError("no room")

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(writer_module, "fold", fails)
        await journal.close()
    assert "the write-ahead log was left behind" in caplog.text
    await journal.open()
    assert len(await journal.audit()) == 1
    await journal.close()


async def test_a_connection_that_cannot_be_closed_is_only_a_warning(
    path: Path, entry: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = SqliteJournal(path)
    await journal.open()
    connection = journal._writing()._connection
    assert connection is not None
    close = type(connection).close

    async def closes_badly(self: Any) -> None:
        await close(self)
        raise sqlite3.OperationalError("not well")

    with monkeypatch.context() as patch:
        patch.setattr(type(connection), "close", closes_badly)
        await journal.close()
    assert caplog.text.count("could not be closed: not well") == 2
    await journal.open()  # the lock was let go all the same
    await journal.close()


async def test_a_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalUnavailable, match="file"):
        await SqliteJournal(tmp_path / "file" / "sitebind.db").open()


async def test_a_file_that_is_no_database_is_said(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database, but long enough to be looked at" * 50)
    with pytest.raises(JournalUnavailable, match="not an SQLite database"):
        await SqliteJournal(path).open()


async def test_a_place_without_write_ahead_logging_is_said(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite cannot do it for a database in memory, as on some network file systems."""
    with pytest.raises(sqlite3.OperationalError, match="use a local file system"):
        await connection_module._connect("file::memory:", connection_module._prepare_writer)
    assert await on_thread(journal._reader, lambda db: 1) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name, words",
    [
        ("SQLITE_IOERR_FSYNC", "input/output error"),
        ("SQLITE_CORRUPT", "sitebind restore BACKUP"),
        ("SQLITE_CANTOPEN", "cannot be opened"),
        ("SQLITE_READONLY_DBMOVED", "read-only"),
        ("SQLITE_SOMETHING", "the message"),
    ],
)
def test_each_trouble_has_its_words(name: str, words: str) -> None:
    error = sqlite3.OperationalError("the message")
    error.sqlite_errorname = name
    said = str(unavailable(error, Path("/var/lib/x.db")))
    assert words in said
    assert "/var/lib/x.db" in said
