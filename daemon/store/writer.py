"""The one writer: it gathers what waits and commits it as a group, in one trip to the connection's thread.

Owns the write connection and the end of the audit chain. Used by the journal, and through it by the vault.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import aiosqlite

from daemon.ports import JournalUnavailable
from daemon.store.chain import START, Head, Link, Row
from daemon.store.connection import close_quietly, connect_writer, fold, on_thread, transaction
from daemon.store.schema import migrate
from daemon.store.trouble import unavailable

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]

_log = logging.getLogger("sitebind.store")

GROUP = 4096
"""At most so many steps in one transaction: more would only make the first ones wait longer."""

_AUDIT = "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SNAPSHOT = """INSERT INTO snapshots (site, document, seq) VALUES (?, ?, ?)
ON CONFLICT (site) DO UPDATE SET document = excluded.document, seq = excluded.seq"""
_REPORT = """INSERT INTO binds VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (site, id) DO UPDATE SET attempt = excluded.attempt, actor = excluded.actor,
reason = excluded.reason, state = excluded.state, fault = excluded.fault, started_at = excluded.started_at,
finished_at = excluded.finished_at, steps = excluded.steps"""
_OUTLIVED = "DELETE FROM binds WHERE site = ? AND attempt <= ?"

KEPT_REPORTS = 200
"""Of each site, as many as can be asked for at once; what came of an older bind stands in the audit trail."""


Statement = tuple[str, tuple[Any, ...]]
"""SQL with its values."""


class Prepared(NamedTuple):
    """A step with everything encoded, so that nothing in it can fail its neighbours.

    `also` is executed in the same transaction; nothing in it may fail for reasons of its own.
    """

    link: Link
    site: str
    snapshot: str | None
    report: tuple[Any, ...] | None
    also: tuple[Statement, ...] = ()


class _Waiting:
    """Somebody's wait for a commit. The commit does not depend on it: a cancelled wait goes on to the end."""

    __slots__ = ("error", "future", "over", "value", "what")

    def __init__(self, what: Prepared | Work) -> None:
        self.what = what
        self.future: asyncio.Future[None] | None = None
        self.over = False
        self.value: Any = None
        self.error: Exception | None = None

    def end(self, value: object, error: Exception | None = None) -> None:
        self.over, self.value, self.error = True, value, error
        if self.future is not None and not self.future.done():
            self.future.set_result(None)

    async def ended(self) -> Any:
        cancelled = False
        while not self.over:
            self.future = asyncio.get_running_loop().create_future()
            try:
                await self.future
            except asyncio.CancelledError:
                cancelled = True
        if cancelled:
            _cancel_at_the_next_wait()
        if self.error is not None:
            raise self.error
        return self.value


def _cancel_at_the_next_wait() -> None:
    """The caller first learns what became of its record, without a wait in between; then it is cancelled."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()  # the same request, not a second one: timeouts count them
        task.cancel()


class _Group:
    """One transaction, called on the connection's thread; gives the chain's end behind it. `records` are its own."""

    def __init__(self, steps: Sequence[Prepared], head: Head, *, file: tuple[str, int]) -> None:
        self._steps = steps
        self._head = head
        self._file = file
        self.records: list[Row] = []

    def __call__(self, connection: sqlite3.Connection) -> Head:
        path, inode = self._file
        if os.stat(path).st_ino != inode:  # noqa: PTH116 - half the time, for every group
            raise FileNotFoundError(_REPLACED)
        head, records = self._head, self.records
        snapshots: dict[str, tuple[str, str, int]] = {}
        for step in self._steps:
            head, row = step.link.join(head)
            records.append(row)
            if step.snapshot is not None:
                snapshots[step.site] = (step.site, step.snapshot, head.seq)
        with transaction(connection):
            connection.executemany(_AUDIT, records)
            if snapshots:
                connection.executemany(_SNAPSHOT, snapshots.values())
            if reports := [step.report for step in self._steps if step.report is not None]:
                connection.executemany(_REPORT, reports)
                connection.executemany(_OUTLIVED, {(site, attempt - KEPT_REPORTS) for _, site, attempt, *_ in reports})
            for step in self._steps:
                for statement in step.also:
                    connection.execute(*statement)
        return head


_REPLACED = "the file was moved, deleted or replaced under the daemon. Put the right file back and restart sitebind"


class Writer:
    """`path` is the database file, which must exist; `committed` is told the records of each group."""

    def __init__(self, path: Path, *, committed: Callable[[list[Row]], None]) -> None:
        self._path = path
        self._name = str(path)
        self._committed = committed
        self._connection: aiosqlite.Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._steps: list[_Waiting] = []
        self._works: list[_Waiting] = []
        self._wanted = asyncio.Event()
        self._closing = False
        self._inode = 0
        self.head = START

    async def open(self) -> None:
        """Connect, migrate, find the chain's end, start. Raises sqlite3.Error, OSError, `SchemaRefused`."""
        self._connection = await connect_writer(self._path)
        try:
            self.head, self._inode = await on_thread(self._connection, self._begin)
        except BaseException:
            await self._drop()
            raise
        self._task = asyncio.create_task(self._write(), name="journal writer")

    def append(self, step: Prepared) -> Awaitable[int]:
        """Wait until the step's group is committed; its number. Raises `JournalUnavailable`."""
        return self._enqueue(self._steps, step).ended()

    def run(self, work: Callable[[sqlite3.Connection], T]) -> Awaitable[T]:
        """Call `work` on the connection's thread between two groups, and wait to its end.

        It makes its own transactions. Raises `JournalUnavailable`, or what `work` raises.
        """
        return self._enqueue(self._works, work).ended()

    async def close(self) -> None:
        """Commit what waits, fold the write-ahead log into the database, disconnect."""
        self._closing = True
        self._wanted.set()
        if self._task is not None:
            await asyncio.wait([self._task])  # also when it was cancelled before
        if self._connection is not None:
            try:
                await on_thread(self._connection, fold)
            except sqlite3.Error as error:
                _log.warning("the write-ahead log was left behind: %s", unavailable(error, self._path))
            await self._drop()

    def _enqueue(self, queue: list[_Waiting], what: Prepared | Work) -> _Waiting:
        if self._closing or self._task is None or self._task.done():
            raise JournalUnavailable(f"the journal {self._path} is closed: the daemon is stopping")
        waiting = _Waiting(what)
        queue.append(waiting)
        self._wanted.set()
        return waiting

    async def _write(self) -> None:
        try:
            while not self._closing or self._steps or self._works:
                await self._wanted.wait()
                self._wanted.clear()
                while self._steps or self._works:
                    await self._turn()
        finally:
            # Reached early only when the whole process is torn down: nobody is left waiting for ever.
            _fail([*self._steps, *self._works], JournalUnavailable("the daemon was stopped"))

    async def _turn(self) -> None:
        if self._steps:
            steps, self._steps = self._steps[:GROUP], self._steps[GROUP:]
            await self._settle(steps, self._commit)
        if self._works:
            await self._settle([self._works.pop(0)], self._work)

    async def _settle(
        self, waiting: list[_Waiting], attempt: Callable[[aiosqlite.Connection, list[_Waiting]], Any]
    ) -> None:
        """Whatever happens, everybody in `waiting` is answered, and the next group starts afresh."""
        try:
            await attempt(await self._connected(), waiting)
        except (sqlite3.Error, OSError) as error:
            _fail(waiting, unavailable(error, self._path))
            await self._drop()
        except Exception as error:  # noqa: BLE001 - logged, told to all who wait; the writer lives on
            _log.exception("the journal's writer met a defect")
            _fail(waiting, JournalUnavailable(f"the journal met a defect: {error!r}. Please report the log"))
            await self._drop()
        except BaseException:
            _fail(waiting, JournalUnavailable("the daemon was stopped while it recorded"))
            raise

    async def _commit(self, connection: aiosqlite.Connection, waiting: list[_Waiting]) -> None:
        steps = [cast("Prepared", one.what) for one in waiting]
        before = self.head.seq
        group = _Group(steps, self.head, file=(self._name, self._inode))
        try:
            self.head = await on_thread(connection, group)
        except sqlite3.Error as error:
            if not await self._is_durable(group):
                raise error from None
        for seq, one in enumerate(waiting, start=before + 1):
            one.end(seq)
        self._committed(group.records)

    async def _is_durable(self, group: _Group) -> bool:
        """SQLite may fail behind the commit. What is recorded must not be called refused, nor be recorded once more.

        Raises what a new connection meets: then nobody can know, and the answer is that it could not be recorded.
        """
        await self._drop()
        await self._connected()
        return bool(group.records) and self.head == Head(group.records[-1][0], group.records[-1][-1])

    async def _work(self, connection: aiosqlite.Connection, waiting: list[_Waiting]) -> None:
        (one,) = waiting
        try:
            one.end(await on_thread(connection, cast("Work", one.what)))
        except (sqlite3.Error, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - it belongs to the caller, who gets it
            one.end(None, error)

    async def _connected(self) -> aiosqlite.Connection:
        """The connection; after a failure a new one, which must still hold what was acknowledged."""
        if self._connection is None:
            connection = await connect_writer(self._path)
            self._connection = connection
            self.head, self._inode = await on_thread(connection, self._begin_again)
        return self._connection

    def _begin(self, connection: sqlite3.Connection) -> tuple[Head, int]:
        migrate(connection)
        row = connection.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
        return (START if row is None else Head(*row)), self._path.stat().st_ino

    def _begin_again(self, connection: sqlite3.Connection) -> tuple[Head, int]:
        row = connection.execute("SELECT hash FROM audit WHERE seq = ?", (self.head.seq,)).fetchone()
        if self.head != START and row != (self.head.hash,):
            raise FileNotFoundError(_REPLACED)
        return self._begin(connection)

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await close_quietly(connection, self._path)


def _fail(waiting: list[_Waiting], error: JournalUnavailable) -> None:
    """Each gets an exception of its own: a shared one would collect everybody's tracebacks."""
    for one in waiting:
        if not one.over:
            one.end(None, JournalUnavailable(*error.args))
