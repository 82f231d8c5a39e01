"""A backup is whole, private and proven, whatever the daemon does meanwhile; or there is none."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from daemon.ports import JournalUnavailable
from daemon.store.audit import tail_file, verify_file
from daemon.store.copying import BackupRefused, copied, examined
from daemon.store.journal import SqliteJournal
from daemon.store.schema import SchemaRefused
from tests.store.killed import killed_at

Entry = Callable[..., Any]


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "backups").mkdir()
    return tmp_path / "backups" / "night.db"


def test_a_backup_is_one_private_file_that_is_whole_by_itself(chain: Path, target: Path) -> None:
    """It does not have its name before the block ends: whoever finds it finds a proven one."""
    with copied(chain, target) as backup:
        assert not target.exists()
    assert left_in(target.parent) == ["night.db"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    found = verify_file(target)
    assert (found.intact, found.records, found.last, found.head) == (True, 5, backup.last, backup.head)
    assert left_in(target.parent) == ["night.db"], "to read it needs no file beside it"


async def test_what_lies_in_the_write_ahead_log_alone_is_in_it(
    journal: SqliteJournal, entry: Entry, target: Path
) -> None:
    for _ in range(3):
        await journal.append(entry())
    assert journal.path.with_name(f"{journal.path.name}-wal").stat().st_size > 0
    with copied(journal.path, target) as backup:
        assert backup.records == 3


async def test_while_the_daemon_records_each_backup_is_a_beginning_of_its_trail(
    journal: SqliteJournal, entry: Entry, target: Path
) -> None:
    """Nothing that was acknowledged before a backup began is missing from it, and recording goes on."""
    ended = False

    async def record() -> None:
        while not ended:
            await journal.append(entry())

    recording = asyncio.create_task(record())

    def backup(path: Path) -> int:
        with copied(journal.path, path) as made:
            return made.last

    for number in range(10):
        acknowledged = await journal.append(entry())
        last = await asyncio.to_thread(backup, target.with_name(f"{number}.db"))
        assert last >= acknowledged
        assert tail_file(target.with_name(f"{number}.db"), limit=1) == await journal.audit(after=last - 1, limit=1)
    ended = True
    await recording
    assert (await journal.verify()).intact


async def test_a_daemon_starts_from_a_backup(chain: Path, target: Path, entry: Entry) -> None:
    with copied(chain, target):
        pass
    journal = SqliteJournal(target)
    await journal.open()
    try:
        assert await journal.append(entry()) == 6
        assert (await journal.verify()).intact
        assert await journal.read(lambda db: db.execute("PRAGMA journal_mode").fetchone()) == ("wal",)
    finally:
        await journal.close()


def test_no_backup_is_overwritten(chain: Path, target: Path) -> None:
    target.write_text("last night's")
    with pytest.raises(BackupRefused, match="exists already"), copied(chain, target):
        pass
    assert target.read_text() == "last night's"


def test_a_block_that_fails_leaves_nothing(chain: Path, target: Path) -> None:
    """As when it could not be recorded."""
    with pytest.raises(JournalUnavailable), copied(chain, target):
        raise JournalUnavailable("the disk is full")
    assert left_in(target.parent) == []


def test_a_broken_chain_is_not_backed_up_as_if_it_were_whole(chain: Path, target: Path, tamper: Any) -> None:
    with tamper(chain) as connection:
        connection.execute("UPDATE audit SET actor = 'nobody' WHERE seq = 3")
    with pytest.raises(BackupRefused, match="broken at record 3"), copied(chain, target):
        pass
    assert left_in(target.parent) == []


def test_an_index_that_contradicts_its_table_is_found(chain: Path, target: Path) -> None:
    """The chain alone would not show it."""
    with closing(sqlite3.connect(chain)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, '(actor)', '(event)') WHERE name = 'audit_by_actor'"
        )
        connection.commit()
    with pytest.raises(BackupRefused, match="is damaged"), copied(chain, target):
        pass
    assert left_in(target.parent) == []


def test_what_is_no_database_of_ours_is_refused(tmp_path: Path, target: Path) -> None:
    other, text = tmp_path / "other.db", tmp_path / "text.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE things (name TEXT)")
    text.write_text("no database at all, but long enough to be looked at" * 20)
    with pytest.raises(SchemaRefused, match="another program"), copied(other, target):
        pass
    with pytest.raises(JournalUnavailable, match="not an SQLite database"), copied(text, target):
        pass
    assert left_in(target.parent) == []


def test_a_missing_folder_is_named(chain: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="no such folder"), copied(chain, tmp_path / "gone" / "night.db"):
        pass


# --- killed at any moment ------------------------------------------------------------------------


@pytest.mark.slow
def test_whenever_it_is_killed_a_backup_is_proven_and_recorded_or_is_not_there(
    chain: Path, target: Path, tmp_path: Path
) -> None:
    """SIGKILL at each file operation and sync in turn, until one run lives through all of them."""
    there: list[bool] = []
    while True:
        made = target.with_name(f"{len(there) + 1}.db")
        run = killed_at(len(there) + 1, tmp_path, "backup", "--database", chain, "--output", made)
        assert verify_file(chain).intact
        there.append(made.exists())
        if made.exists():
            (recorded,) = [one for one in tail_file(chain) if one.detail.get("file") == str(made)]
            assert recorded.event == "backup_made"
            assert verify_file(made).head == recorded.detail["head"] == recorded.previous_hash
        if run.returncode == 0:
            break
        assert run.returncode == -9, run.stderr
    assert there == sorted(there), "not there at first, from one moment on it is"
    assert there.count(False) > 5
    assert there.count(True) > 1


def test_a_database_of_somebody_else_is_refused_in_words(tmp_path: Path) -> None:
    """It has a table of that name, too. Found by fuzzing: SQLite's own error came through."""
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as made:
        made.execute("CREATE TABLE audit (seq INTEGER PRIMARY KEY, at TEXT, detail TEXT)")
        made.commit()
    with pytest.raises(JournalUnavailable, match="no such column"):
        examined(other)


def test_a_name_that_is_no_text_is_damage_in_words(tmp_path: Path) -> None:
    """SQLite tells of it in those very bytes. Found by fuzzing: the byte came through as an error of Python."""
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as made:
        made.execute("PRAGMA page_size = 512")
        made.execute("CREATE TABLE audit (seq INTEGER PRIMARY KEY, at TEXT, detail TEXT)")
        made.commit()
    other.write_bytes(other.read_bytes().replace(b"tableaudit", b"tableau\xcbit"))
    with pytest.raises((BackupRefused, JournalUnavailable), match=r"damaged|cannot be used"):
        examined(other)
