"""A restore puts a proven backup in place, keeps what it replaces and records itself; or changes nothing."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from daemon.ports import JournalUnavailable
from daemon.store.audit import tail_file, verify_file
from daemon.store.copying import BackupRefused, copied
from daemon.store.holder import DatabaseInUse, Holder
from daemon.store.journal import SqliteJournal
from daemon.store.restoring import Restored, restore
from daemon.store.schema import SchemaRefused
from tests.store.killed import killed_at

AT = datetime(2030, 1, 1, 12, tzinfo=UTC)
ASIDE = "sitebind.db.replaced-20300101T120000Z"


def put(backup: Path, database: Path) -> Restored:
    return restore(backup, database, actor="cli:tester", at=AT)


async def more(database: Path, entry: Callable[..., Any], number: int = 3) -> None:
    journal = SqliteJournal(database)
    await journal.open()
    for _ in range(number):
        await journal.append(entry())
    await journal.close()


@pytest.fixture
async def backup(chain: Path, tmp_path: Path, entry: Callable[..., Any]) -> Path:
    """A backup of five records; the database went on to eight."""
    with copied(chain, tmp_path / "night.db"):
        pass
    await more(chain, entry)
    return tmp_path / "night.db"


def test_the_trail_shows_the_restore_and_what_is_missing(chain: Path, backup: Path) -> None:
    saved, (last,) = verify_file(backup).head, tail_file(chain, limit=1)
    replaced = last.hash
    done = put(backup, chain)
    assert sorted(one.name for one in chain.parent.iterdir()) == ["sitebind.db", "sitebind.db.lock", ASIDE]
    (record,) = tail_file(chain, limit=1)
    assert (record.seq, record.event, record.actor, record.previous_hash) == (6, "restored", "cli:tester", saved)
    assert record.detail == done.detail == {
        "records": 5, "head": saved, "replaced_head": replaced, "missing": 3, "kept_as": ASIDE,
    }  # fmt: skip
    assert verify_file(chain).intact
    assert verify_file(chain.with_name(ASIDE)).head == replaced
    assert chain.stat().st_mode & 0o777 == 0o600
    assert verify_file(backup).head == saved, "the backup is as it was"


def test_a_database_that_took_another_way_misses_what_differs(chain: Path, backup: Path) -> None:
    """Restored twice: the first restore's own record is not in the backup."""
    put(backup, chain)
    assert restore(backup, chain, actor="cli:tester", at=AT.replace(hour=13)).missing == 1


def test_a_bare_machine_has_nothing_to_keep(backup: Path, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    done = put(backup, tmp_path / "bare" / "sitebind.db")
    assert (done.kept_as, done.missing, done.seq) == ("", 0, 6)
    assert verify_file(tmp_path / "bare" / "sitebind.db").records == 6


def test_a_damaged_database_is_kept_with_its_log(chain: Path, backup: Path) -> None:
    chain.write_bytes(b"damaged" * 1000)
    chain.with_name("sitebind.db-wal").write_bytes(b"its log")
    done = put(backup, chain)
    assert (done.missing, verify_file(chain).records) == (None, 6)
    assert chain.with_name(ASIDE).read_bytes() == b"damaged" * 1000
    assert chain.with_name(f"{ASIDE}-wal").read_bytes() == b"its log"


def test_beside_a_running_daemon_nothing_is_restored(chain: Path, backup: Path) -> None:
    holder, before = Holder(chain), chain.read_bytes()
    holder.take()
    with pytest.raises(DatabaseInUse):
        put(backup, chain)
    holder.release()
    assert chain.read_bytes() == before


def test_a_backup_that_is_not_good_changes_nothing(chain: Path, backup: Path, tmp_path: Path, tamper: Any) -> None:
    edited, newer, torn = (Path(shutil.copy(backup, tmp_path / name)) for name in ("edited", "newer", "torn"))
    with tamper(edited) as connection:
        connection.execute("UPDATE audit SET actor = 'nobody' WHERE seq = 3")
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("INSERT INTO migrations (number, name) VALUES (99, 'future')")
        connection.commit()
    torn.write_bytes(backup.read_bytes()[:9000])
    before = chain.read_bytes()
    for file, error, words in (
        (edited, BackupRefused, "broken at record 3"),
        (newer, SchemaRefused, "newer sitebind"),
        (torn, (BackupRefused, JournalUnavailable), "damaged"),
    ):
        with pytest.raises(error, match=words):
            put(file, chain)
    assert chain.read_bytes() == before
    assert sorted(one.name for one in chain.parent.iterdir()) == ["sitebind.db", "sitebind.db.lock"]


@pytest.mark.slow
def test_whenever_it_is_killed_the_old_database_or_the_restored_one_is_whole(
    chain: Path, backup: Path, tmp_path: Path
) -> None:
    """SIGKILL at each file operation and sync in turn; the restore that follows each works."""
    whole = tmp_path / "whole"
    shutil.copytree(chain.parent, whole)
    outcomes: list[bool] = []
    while True:
        shutil.rmtree(chain.parent)
        shutil.copytree(whole, chain.parent)
        run = killed_at(len(outcomes) + 1, tmp_path, "restore", backup, "--database", chain, "--yes", "--json")
        found = verify_file(chain)
        assert found.intact
        assert found.records in (6, 8)
        outcomes.append(found.records == 6)
        if found.records == 6:
            (aside,) = chain.parent.glob("*.replaced-*Z")
            assert verify_file(aside).records == 8
        if run.returncode == 0:
            assert json.loads(run.stdout)["missing"] == 3
            break
        assert run.returncode == -9, run.stderr
        put(backup, chain)
        assert verify_file(chain).records == 6
    assert outcomes == sorted(outcomes), "the old one at first, from one moment on the restored one"
    assert outcomes.count(False) > 5
