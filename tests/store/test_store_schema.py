"""Migrations: whole or not at all, never backwards, never into a stranger's database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from daemon.store.journal import SqliteJournal
from daemon.store.schema import Migration, SchemaRefused, applied, migrate, migrations


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        yield connection


def tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_an_empty_database_gets_every_migration_and_each_is_recorded(database: sqlite3.Connection) -> None:
    assert applied(database) == 0
    assert migrate(database) == len(migrations())
    recorded = database.execute("SELECT number, name FROM migrations").fetchall()
    assert recorded == [(one.number, one.name) for one in migrations()]
    assert {"audit", "snapshots", "binds", "vault", "meta"} <= tables(database)


def test_migrating_again_changes_nothing(database: sqlite3.Connection) -> None:
    migrate(database)
    before = database.execute("SELECT * FROM migrations").fetchall()
    migrate(database)
    assert database.execute("SELECT * FROM migrations").fetchall() == before


def test_every_table_is_strict(database: sqlite3.Connection) -> None:
    migrate(database)
    loose = [name for _, name, kind, _, _, strict in database.execute("PRAGMA table_list") if not strict]
    assert [name for name in loose if not name.startswith("sqlite_")] == []


def test_a_migration_that_fails_half_way_leaves_nothing(database: sqlite3.Connection) -> None:
    """What came before it stays."""
    good = Migration(1, "good", "CREATE TABLE one (a INTEGER) STRICT;")
    bad = Migration(2, "bad", "CREATE TABLE two (a INTEGER) STRICT; INSERT INTO missing VALUES (1);")
    with pytest.raises(sqlite3.OperationalError, match="missing"):
        migrate(database, [good, bad])
    assert tables(database) == {"migrations", "one"}
    assert applied(database) == 1
    assert migrate(database, [good, Migration(2, "mended", "CREATE TABLE two (a INTEGER) STRICT;")]) == 2


def test_a_migration_that_cannot_begin_says_why(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as other,
        closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as ours,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            migrate(ours)


async def test_a_database_of_a_newer_version_is_refused_in_words(chain: Path) -> None:
    with closing(sqlite3.connect(chain)) as connection:
        connection.execute("INSERT INTO migrations (number, name) VALUES (99, 'later')")
        connection.commit()
    with pytest.raises(SchemaRefused, match=r"newer sitebind: its schema is 99, this version knows \d.+backup"):
        await SqliteJournal(chain).open()


async def test_a_database_of_another_program_is_refused_untouched(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    with pytest.raises(SchemaRefused, match="another program"):
        await SqliteJournal(path).open()
    with closing(sqlite3.connect(path)) as connection:
        assert tables(connection) == {"theirs"}


def test_a_gap_in_the_migrations_is_a_damaged_installation(tmp_path: Path) -> None:
    for name in ("0001_one.sql", "0003_three.sql", "notes.txt"):
        (tmp_path / name).touch()
    with pytest.raises(SchemaRefused, match="installation is damaged"):
        migrations(tmp_path)


@pytest.mark.parametrize(
    "statement, words",
    [
        ("UPDATE audit SET actor = 'me' WHERE seq = 3", "cannot be changed"),
        ("DELETE FROM audit WHERE seq = 3", "cannot be deleted"),
        ("DELETE FROM audit", "cannot be deleted"),
    ],
)
async def test_the_audit_table_is_append_only(chain: Path, statement: str, words: str) -> None:
    with (
        closing(sqlite3.connect(chain)) as connection,
        pytest.raises(sqlite3.IntegrityError, match=f"append-only.+{words}"),
    ):
        connection.execute(statement)
