"""A whole, consistent and proven copy of a database that may be in use. Called by `sitebind backup` and `restore`.

SQLite's backup in one step, over a read-only connection: what is committed when it begins is in the copy, also what
lies in the write-ahead log alone, page by page as it is. The daemon goes on recording meanwhile; only the folding in
of its log waits. VACUUM INTO was measured beside it and takes twice as long.

These functions block; none of them belongs on a loop.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from daemon.durable import sync
from daemon.ports import Backup, ChainReport
from daemon.store.audit import verify_file
from daemon.store.connection import BUSY_MILLISECONDS, make_private, uri
from daemon.store.schema import applied
from daemon.store.trouble import unavailable


class BackupRefused(Exception):
    """There is no backup. `str()` says why and what to do."""


@contextmanager
def copied(database: Path, target: Path) -> Iterator[Backup]:
    """A durable, proven copy beside `target`, which becomes `target` when the block ends well and is gone otherwise.

    Raises `BackupRefused`, `SchemaRefused`, `daemon.ports.JournalUnavailable`, OSError.
    """
    if target.exists():
        raise BackupRefused(f"{target} exists already, and no backup is overwritten. Name another file with --output.")
    coming = target.with_name(f".{target.name}.{os.getpid()}.coming")
    coming.unlink(missing_ok=True)
    try:
        copy(database, coming)
        sync(coming)
        yield _proven(coming, target)
        coming.replace(target)
        sync(target.parent)
    finally:
        coming.unlink(missing_ok=True)


def copy(database: Path, coming: Path) -> None:
    """Copy what is committed into the private file `coming`. Raises as `copied` does."""
    if not coming.parent.is_dir():
        raise BackupRefused(f"{coming.parent}: there is no such folder. Make it, or name another with --output.")
    make_private(coming)
    try:
        with closing(sqlite3.connect(uri(database, "ro"), uri=True)) as source:
            source.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
            applied(source)
            _take_pages(source, coming)
    except sqlite3.Error as error:
        raise unavailable(error, database) from error


def _take_pages(source: sqlite3.Connection, coming: Path) -> None:
    with closing(sqlite3.connect(uri(coming, "rw"), uri=True, isolation_level=None)) as target:
        source.backup(target)
        # One file that is complete by itself; the daemon turns write-ahead logging on when it opens it.
        target.execute("PRAGMA journal_mode = DELETE").fetchone()


def _proven(coming: Path, target: Path) -> Backup:
    report = examined(coming)
    if not report.intact:
        raise BackupRefused(
            f"the audit chain is broken at record {report.broken_at}: {report.reason}. No backup was made of it. "
            "Keep the database as it is, as evidence, and copy the file itself while the daemon is stopped."
        )
    return Backup(file=str(target.absolute()), records=report.records, last=report.last, head=report.head)


def examined(file: Path) -> ChainReport:
    """What a walk of the chain in a database finds, once SQLite has found every page and index of it sound.

    Raises `BackupRefused`, `daemon.ports.JournalUnavailable`.
    """
    try:
        with closing(sqlite3.connect(f"{uri(file, 'ro')}&immutable=1", uri=True)) as connection:
            connection.text_factory = lambda data: data.decode("utf-8", "backslashreplace")
            (said,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if said == "ok":
            return verify_file(file)
    except sqlite3.Error as error:
        raise unavailable(error, file) from error
    except UnicodeDecodeError:
        # SQLite quotes a damaged name in its error, and Python cannot make a text of that.
        said = "a name in it is no text"
    raise BackupRefused(f"{file} is damaged: SQLite says {said!r}. Look at the disk's health.")
