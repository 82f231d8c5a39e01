"""Numbered migrations: each is applied and recorded in one transaction. Called by the writer when it opens.

A file `migrations/NNNN_name.sql` holds statements only; BEGIN and COMMIT are put around it here.
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path

MIGRATIONS = Path(__file__).parent / "migrations"

_RECORDS = """CREATE TABLE IF NOT EXISTS migrations (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    applied_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
) STRICT;"""


class SchemaRefused(Exception):
    """The file is not a database that this version can use. `str()` says why and what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    number: int
    name: str
    sql: str


def migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """What this version knows, in order. Numbers are 1, 2, 3 … without a gap."""
    files = sorted(path for path in folder.iterdir() if path.suffix == ".sql")
    found = [
        Migration(int(path.stem[:4]), path.stem[5:], path.read_text(encoding="utf-8"))
        for path in files
        if re.fullmatch(r"\d{4}_\w+", path.stem)
    ]
    if [one.number for one in found] != list(range(1, len(files) + 1)):
        raise SchemaRefused(f"the installation is damaged: {folder} does not hold 0001, 0002 … in order")
    return found


def applied(connection: sqlite3.Connection) -> int:
    """The number of the last migration in the database; 0 for an empty one.

    Raises `SchemaRefused` for a database of another program.
    """
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "migrations" in tables:
        row = connection.execute("SELECT coalesce(max(number), 0) FROM migrations").fetchone()
        return int(row[0])
    if tables:
        raise SchemaRefused(
            "this is the database of another program: it has tables, but none of sitebind's. "
            "Name another file in [daemon] database."
        )
    return 0


def migrate(connection: sqlite3.Connection, known: list[Migration] | None = None) -> int:
    """Bring the database to this version's schema and return its number. Raises `SchemaRefused`."""
    known = migrations() if known is None else known
    present = not_newer(connection, known=len(known))
    for migration in known[present:]:
        _apply(connection, migration)
    return len(known)


def not_newer(connection: sqlite3.Connection, *, known: int) -> int:
    """The number of the last migration. Raises `SchemaRefused` when this version does not know it."""
    present = applied(connection)
    if present > known:
        raise SchemaRefused(
            f"the database was written by a newer sitebind: its schema is {present}, this version knows "
            f"{known}. Install that version again, or restore the backup made before the upgrade."
        )
    return present


def _apply(connection: sqlite3.Connection, migration: Migration) -> None:
    record = f"INSERT INTO migrations (number, name) VALUES ({migration.number}, '{migration.name}');"  # noqa: S608 - both come from a file name that was matched against \d{4}_\w+
    try:
        # One script: executescript would commit a transaction that was begun before it.
        connection.executescript(f"BEGIN IMMEDIATE;\n{_RECORDS}\n{migration.sql}\n{record}\nCOMMIT;")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
