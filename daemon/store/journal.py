"""The journal in SQLite: implements `daemon.ports.Journal`. Made by the composition root for the engine."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import aiosqlite

from daemon.ports import (
    AuditFilter,
    AuditRecord,
    BindReport,
    ChainReport,
    ExportFormat,
    JournalEntry,
    JournalUnavailable,
    Secret,
)
from daemon.store.anchors import first_seq, oldest_in, walk_begun
from daemon.store.audit import known_end, read_records, walk_on
from daemon.store.chain import START, Head, Row, link, whole
from daemon.store.connection import close_quietly, connect_reader, make_private, on_thread
from daemon.store.finding import Export, Search, moves
from daemon.store.holder import Holder
from daemon.store.rows import REPORT_COLUMNS, document_of, record_of, report_of, report_row, snapshot_of
from daemon.store.signing import judged_by
from daemon.store.trouble import unavailable
from daemon.store.writer import Prepared, Statement, Writer
from states import Snapshot

T = TypeVar("T")

_log = logging.getLogger("sitebind.store")

CHUNK = 2_000
"""Records verified in one trip to the reader's thread: about 3 ms, so that other readers get their turn."""


def _nobody(count: int) -> None:
    """Nobody wants to know."""


class SqliteJournal:
    """`path` is the database file; its folder is made when missing. `committed` is told each group's size."""

    def __init__(self, path: Path, *, committed: Callable[[int], None] = _nobody) -> None:
        self.path = path
        self._committed = committed
        self._listeners: list[Callable[[int, Iterator[AuditRecord]], None]] = []
        self._turns = asyncio.Lock()
        self._holder: Holder | None = None
        self._writer: Writer | None = None
        self._reader: aiosqlite.Connection | None = None
        self._first_seq = 1
        self._key: Callable[[], Awaitable[Secret | None]] | None = None

    def sealed_with(self, key: Callable[[], Awaitable[Secret | None]]) -> None:
        """Ask this for the key that signs anchors, with which `verify` judges the newest one."""
        self._key = key

    async def open(self) -> None:
        """Take the lock, bring the schema up to date, start the writer.

        Raises `DatabaseInUse`, `SchemaRefused`, or `JournalUnavailable` with the reason.
        """
        async with self._turns:
            try:
                await self._open()
            except BaseException as error:
                await self._close()
                if isinstance(error, (sqlite3.Error, OSError)):
                    raise unavailable(error, self.path) from error
                raise

    async def close(self) -> None:
        """Commit what waits, then let go of everything. Closing twice is well."""
        async with self._turns:
            await self._close()

    @property
    def last_seq(self) -> int:
        """The number of the last committed record; 0 when there is none, or the journal is closed."""
        return 0 if self._writer is None else self._writer.head.seq

    @property
    def head(self) -> Head:
        """The last committed record, as it was committed: what is in the file may be another one since."""
        return START if self._writer is None else self._writer.head

    @property
    def first_seq(self) -> int:
        """The number of the first record that is kept; those before it were pruned."""
        return self._first_seq

    def begins_behind(self, seq: int) -> None:
        """Records up to this number were pruned."""
        self._first_seq = seq + 1

    def listen(self, listener: Callable[[int, Iterator[AuditRecord]], None]) -> None:
        """Tell `listener` too of every committed group: how many records, and the records, made when asked for."""
        self._listeners.append(listener)

    async def append(self, entry: JournalEntry) -> int:
        """See the port. Also raises TypeError or ValueError for an entry that cannot be recorded.

        When the caller is cancelled meanwhile, it still gets its answer and is cancelled at its next wait: so
        it can adopt in memory what is durable on disk.
        """
        return await self._writing().append(
            Prepared(
                link(entry),
                entry.site,
                None if entry.snapshot is None else document_of(entry.snapshot),
                None if entry.report is None else report_row(entry.report),
            )
        )

    async def append_with(self, entry: JournalEntry, *statements: Statement) -> int:
        """As `append`, with these statements in the same transaction: either all are durable or none is."""
        return await self._writing().append(Prepared(link(entry), entry.site, None, None, statements))

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Call `work` with the write connection on its thread, between two groups; it makes its transactions.

        Waits to the end like `append`. Raises `JournalUnavailable`, or what `work` raises.
        """
        return await self._writing().run(work)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Call `work` with a read-only connection on its thread. Raises `JournalUnavailable`."""
        if self._reader is None:
            raise JournalUnavailable(f"the journal {self.path} is closed")
        try:
            return await on_thread(self._reader, work)
        except sqlite3.Error as error:
            raise unavailable(error, self.path) from error

    async def beat(self) -> None:
        """Return once the writer's thread and the reader's have had a turn; a refusal by the disk is an answer too."""
        for on_its_thread in (self.write, self.read):
            with suppress(JournalUnavailable):
                await on_its_thread(_nothing)

    async def snapshots(self) -> dict[str, Snapshot]:
        def work(connection: sqlite3.Connection) -> dict[str, Snapshot]:
            rows = connection.execute("SELECT site, document FROM snapshots ORDER BY site")
            return {site: snapshot_of(site, document) for site, document in rows}

        return await self.read(work)

    async def reports(self, site: str, *, limit: int = 50) -> list[BindReport]:
        query = f"SELECT {REPORT_COLUMNS} FROM binds WHERE site = ? ORDER BY attempt DESC, rowid DESC LIMIT ?"  # noqa: S608 - a constant
        rows = await self.read(lambda connection: connection.execute(query, (site, limit)).fetchall())
        return [report_of(row) for row in rows]

    async def report(self, site: str, bind_id: str) -> BindReport | None:
        query = f"SELECT {REPORT_COLUMNS} FROM binds WHERE site = ? AND id = ?"  # noqa: S608 - a constant
        row = await self.read(lambda connection: connection.execute(query, (site, whole(bind_id))).fetchone())
        return None if row is None else report_of(row)

    async def audit(self, *, site: str | None = None, after: int = 0, limit: int = 100) -> list[AuditRecord]:
        return await self.read(lambda db: list(read_records(db, site=site, after=after, limit=limit)))

    async def find(self, wanted: AuditFilter) -> AsyncIterator[list[AuditRecord]]:
        search = Search(wanted)
        while not search.ended:
            yield await self.read(search.step)

    async def export(self, wanted: AuditFilter, format: ExportFormat) -> AsyncIterator[bytes]:
        export = Export(wanted, format)
        while not export.ended:
            yield await self.read(export.step)

    async def moves(self, site: str, *, since: datetime, most: int) -> list[AuditRecord]:
        return await self.read(lambda db: moves(db, site, since=since, most=most))

    async def verify(self) -> ChainReport:
        # Both before the walk: the chain may grow meanwhile, but never shrink below what was acknowledged.
        known = max(self._writing().head.seq, await self.read(known_end))
        while True:
            oldest, walk = await self.read(lambda db: (oldest_in(db), walk_begun(db)))
            chunk = partial(walk_on, walk, limit=CHUNK)
            while walk.intact and await self.read(chunk) > 0:
                pass
            # What is missing because old records were pruned meanwhile is not: the walk begins anew where they end now.
            if walk.intact or oldest == await self.read(oldest_in):
                break
        walk.must_reach(known)
        key = None if self._key is None else await self._key()
        return walk.report() if key is None else judged_by(key, walk.report())

    def _told(self, rows: list[Row]) -> None:
        self._committed(len(rows))
        for listener in self._listeners:
            try:
                listener(len(rows), map(record_of, rows))
            except Exception:  # noqa: BLE001 - logged; the records are durable, and who hears of them must not undo that
                _log.exception("records %d to %d were not told", rows[0][0], rows[-1][0])

    def _writing(self) -> Writer:
        if self._writer is None:
            raise JournalUnavailable(f"the journal {self.path} is closed")
        return self._writer

    async def _open(self) -> None:
        if self._writer is not None:
            return
        path, holder = await asyncio.to_thread(_take, self.path)
        self._holder = holder
        writer = Writer(path, committed=self._told)
        await writer.open()
        self._writer = writer
        self._reader = await connect_reader(path)
        self._first_seq = await on_thread(self._reader, first_seq)

    async def _close(self) -> None:
        # The reader goes first: it would keep the log from being folded in.
        reader, self._reader = self._reader, None
        try:
            if reader is not None:
                await close_quietly(reader, self.path)
            if self._writer is not None:
                await self._writer.close()
        finally:
            self._writer = None
            if self._holder is not None:
                self._holder.release()
                self._holder = None


def _nothing(connection: sqlite3.Connection) -> None:
    """Only to have been there."""


def _take(path: Path) -> tuple[Path, Holder]:
    """The real file, existing and private, and the lock on it; links to one file share its lock."""
    path = path.resolve()
    make_private(path)
    holder = Holder(path)
    holder.take()
    return path, holder
