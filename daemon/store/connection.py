"""How this package opens SQLite: one hop to the connection's thread for any amount of work.

aiosqlite hands a statement to `sqlite3.Connection.execute` on its thread. `OneHop`, given through the public
`factory=`, accepts a function there instead, so that a whole transaction costs one trip.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import aiosqlite

T = TypeVar("T")

_log = logging.getLogger("sitebind.store")

BUSY_MILLISECONDS = 5_000
_READER_MILLISECONDS = 250

_CALL = "-- call the function that is given as the only parameter"


class _Answer(Generic[T]):
    """What a function returned, in the shape of a cursor."""

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def fetchall(self) -> T:
        return self._value


class OneHop(sqlite3.Connection):
    """A connection that also executes functions; see `on_thread`."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        if sql is _CALL:
            return cast("sqlite3.Cursor", _Answer(parameters[0](self)))
        return super().execute(sql, parameters)


async def on_thread(connection: aiosqlite.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    """Call `work` with the SQLite connection on its own thread and return what it returned."""
    return cast("T", await connection.execute_fetchall(_CALL, (work,)))


def uri(path: Path, mode: str) -> str:
    """The SQLite address of a file; `mode` is ro or rw, so that nothing is created by accident."""
    return f"{path.absolute().as_uri()}?mode={mode}"


async def connect_writer(path: Path) -> aiosqlite.Connection:
    """The connection that writes. The file must exist. Raises `sqlite3.Error`."""
    return await _connect(uri(path, "rw"), _prepare_writer)


async def connect_reader(path: Path) -> aiosqlite.Connection:
    """A connection that cannot write. Raises `sqlite3.Error`."""
    return await _connect(uri(path, "ro"), _prepare_reader)


async def close_quietly(connection: aiosqlite.Connection, path: Path) -> None:
    """Close; what SQLite says against it is logged, since nothing is left to be done with the connection."""
    try:
        await connection.close()
    except sqlite3.Error as error:
        _log.warning("a connection to %s could not be closed: %s", path, error)


async def _connect(address: str, prepare: Callable[[sqlite3.Connection], None]) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(address, uri=True, isolation_level=None, factory=OneHop)
    try:
        await on_thread(connection, prepare)
    except BaseException:
        await connection.close()
        raise
    return connection


def _prepare_writer(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise sqlite3.OperationalError("write-ahead logging is not possible there; use a local file system")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA trusted_schema = OFF")


def _prepare_reader(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA trusted_schema = OFF")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """BEGIN IMMEDIATE, then COMMIT, or ROLLBACK when the block or the commit fails."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has rolled back by itself after some errors, for example a full disk.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def fold(connection: sqlite3.Connection) -> bool:
    """Fold the write-ahead log into the database and empty it; False when a reader stood in the way."""
    # A reader that does not go away is not waited for as long as a lock: everybody's records would wait too.
    connection.execute(f"PRAGMA busy_timeout = {_READER_MILLISECONDS}")
    try:
        busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
    return not busy


def make_private(path: Path) -> None:
    """Let `path` exist with mode 0600 before SQLite sees it; -wal and -shm take the mode from it.

    A missing folder is made with mode 0700. Raises OSError.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The mode is given at creation, not after it: there is no moment in which others can open the file.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        file = path.with_name(name)
        if file.exists() and file.stat().st_mode & 0o177:
            file.chmod(0o600)
