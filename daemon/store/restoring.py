"""Puts a backup in the place of a database that no daemon uses. Called by `sitebind restore`.

The backup is copied beside the database, proven, brought to this version's schema and given the record of its own
restoring there; only then it takes the database's name, in one rename. What it replaces is kept under another name.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from daemon.durable import sync
from daemon.ports import ChainReport, JournalEntry
from daemon.store.anchors import first_seq
from daemon.store.connection import uri
from daemon.store.copying import BackupRefused, copy, examined
from daemon.store.holder import Holder
from daemon.store.journal import SqliteJournal
from daemon.store.schema import migrations, not_newer
from daemon.store.trouble import is_damage

_BESIDE = ("-wal", "-shm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was done. `missing` are records of the replaced database that are not in the backup; None: not known."""

    records: int
    head: str
    replaced_head: str
    missing: int | None
    kept_as: str
    seq: int

    @property
    def detail(self) -> dict[str, Any]:
        """For the audit record."""
        told = {"records": self.records, "head": self.head, "replaced_head": self.replaced_head}
        return told | {"missing": self.missing, "kept_as": self.kept_as}


def restore(backup: Path, database: Path, *, actor: str, at: datetime) -> Restored:
    """Raises `BackupRefused`, `DatabaseInUse`, `SchemaRefused`, `daemon.ports.JournalUnavailable`, OSError."""
    database = database.resolve()
    if not database.parent.is_dir():
        raise BackupRefused(f"{database.parent}: there is no such folder. Make it for the daemon's user first.")
    holder = Holder(database)
    holder.take()
    coming = database.with_name(f"{database.name}.restoring")
    try:
        _remove(coming)
        copy(backup, coming)
        _belong(coming, database)
        return _put(coming, database, found=_examined(coming, backup), actor=actor, at=at)
    finally:
        _remove(coming)
        holder.release()


def _belong(coming: Path, database: Path) -> None:
    """Root restores for the daemon's user: the owner of what is replaced, or else of the folder."""
    if os.geteuid() == 0:
        like = (database if database.exists() else database.parent).stat()
        for path in (coming, database.with_name(f"{database.name}.lock")):
            os.chown(path, like.st_uid, like.st_gid)


def _examined(coming: Path, backup: Path) -> ChainReport:
    with closing(sqlite3.connect(uri(coming, "ro"), uri=True)) as connection:
        not_newer(connection, known=len(migrations()))
    report = examined(coming)
    if not report.intact:
        raise BackupRefused(
            f"{backup}: its audit chain is broken at record {report.broken_at}: {report.reason}. Nothing was restored."
        )
    return report


def _put(coming: Path, database: Path, *, found: ChainReport, actor: str, at: datetime) -> Restored:
    aside = database.with_name(f"{database.name}.replaced-{at:%Y%m%dT%H%M%SZ}")
    was_there = database.exists()
    head, missing = _compared(database, coming)
    done = Restored(
        records=found.records,
        head=found.head,
        replaced_head=head,
        missing=missing,
        kept_as=aside.name if was_there else "",
        seq=found.last + 1,
    )
    asyncio.run(_record(coming, done, actor=actor, at=at))
    sync(coming)
    if was_there:
        _keep(database, aside)
    coming.replace(database)
    sync(database.parent)
    return done


def _folded(database: Path) -> bool:
    """Let the present database be one file; False for one that is damaged, which is kept with its log as it is."""
    try:
        # SQLite would throw away the log of what it takes for no database: looked at first, without a log.
        with closing(sqlite3.connect(_alone(database), uri=True)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        with closing(sqlite3.connect(uri(database, "rw"), uri=True)) as connection:
            busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        if not is_damage(error):
            raise BackupRefused(f"{database} cannot be set aside: {error}. Mend that first.") from error
        return False
    if busy:
        raise BackupRefused(f"another program reads {database}. End that program, then restore again.")
    return True


def _compared(database: Path, coming: Path) -> tuple[str, int | None]:
    """The present head, and how many present records are not in the backup; empty and None for what is damaged."""
    if not database.exists():
        return "", 0
    if not _folded(database):
        return "", None
    query = "SELECT count(*) FROM old.audit was LEFT JOIN main.audit USING (seq, hash) WHERE main.audit.seq IS NULL"
    query = f"{query} AND was.seq >= ?"  # what the backup has pruned is not missing in it
    try:
        with closing(sqlite3.connect(_alone(coming), uri=True)) as connection:
            connection.execute("ATTACH ? AS old", (_alone(database),))
            row = connection.execute("SELECT hash FROM old.audit ORDER BY seq DESC LIMIT 1").fetchone()
            (missing,) = connection.execute(query, (first_seq(connection),)).fetchone()
    except sqlite3.Error:  # that may be what the restore is for: it is told as not known
        return "", None
    return "" if row is None else str(row[0]), int(missing)


def _alone(path: Path) -> str:
    """The address of a file that has no log and that nobody writes."""
    return f"{uri(path, 'ro')}&immutable=1"


async def _record(coming: Path, done: Restored, *, actor: str, at: datetime) -> None:
    journal = SqliteJournal(coming)
    await journal.open()
    try:
        await journal.append(
            JournalEntry(at=at, site="", actor=actor, event="restored", before="", after="", detail=done.detail)
        )
    finally:
        await journal.close()


def _keep(database: Path, aside: Path) -> None:
    """Under another name as well, before it loses its own."""
    os.link(database, aside)
    for end in _BESIDE:
        beside = database.with_name(f"{database.name}{end}")
        if beside.exists():
            os.link(beside, aside.with_name(f"{aside.name}{end}"))
    sync(database.parent)
    for end in _BESIDE:
        # A log that stayed would be taken for that of the backup.
        database.with_name(f"{database.name}{end}").unlink(missing_ok=True)


def _remove(coming: Path) -> None:
    for end in ("", "-journal", ".lock", *_BESIDE):
        with suppress(FileNotFoundError):
            coming.with_name(f"{coming.name}{end}").unlink()
