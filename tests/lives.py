"""A daemon over real SQLite that lives, stops and is killed, in manual time and without a single thread.

What goes to a thread elsewhere is done at once here, so that a history is the same on every run, and the files
are whole at every turn of the loop: what a kill at that moment leaves behind is a copy of them.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import aiosqlite

from daemon.app import Daemon, Telemetry, compose
from daemon.config.ini import default_daemon, read_config
from daemon.engine.operations import Caller
from daemon.engine.signin import Token
from daemon.store.journal import SqliteJournal
from daemon.store.vault import SealedVault
from states import Snapshot
from tests.clock import ManualClock
from tests.service import Connection, Service

OPERATOR = Caller(actor="test:operator")


class SettledClock(ManualClock):
    """Time that passes only when nothing is left to be done without it."""

    async def _turn(self) -> None:
        await settle()


async def settle() -> None:
    """Return when every task waits for the time or for nothing."""
    ready: Any = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
    await asyncio.sleep(0)
    while ready:  # noqa: ASYNC110 - the loop has no event for having nothing to do
        await asyncio.sleep(0)


class _AtOnce(ThreadPoolExecutor):
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits
            done.set_exception(error)
        return done


@contextmanager
def without_threads() -> Iterator[None]:
    """SQLite and files are worked on in the loop's own thread; every such work still costs a turn of the loop."""

    async def execute(_self: aiosqlite.Connection, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0)
        done = fn(*args, **kwargs)
        await asyncio.sleep(0)
        return done

    async def connect(self: aiosqlite.Connection) -> aiosqlite.Connection:
        self._connection = self._connector()
        return self

    asyncio.get_running_loop().set_default_executor(_AtOnce())
    with mock.patch.multiple(aiosqlite.Connection, _execute=execute, _connect=connect):
        yield


@dataclass
class Life:
    """One process of the daemon, from its start to its stop or its kill."""

    folder: Path
    clock: SettledClock
    daemon: Daemon
    connection: Connection
    stop: asyncio.Event
    task: asyncio.Task[None]

    @classmethod
    async def begin(
        cls, folder: Path, config: Path, *, clock: SettledClock, service: Service, chance: Callable[[], float]
    ) -> Life:
        """Start on what lies in `folder`, for the configuration at `config`, which may lie elsewhere."""
        settings = replace(
            read_config(config).daemon or default_daemon(config), port=0, database=folder / "sitebind.db"
        )
        telemetry, connection = Telemetry(), service.connection()
        journal = SqliteJournal(settings.database)
        await journal.open()
        vault = SealedVault(journal)
        await vault.open()
        daemon = compose(
            config,
            settings,
            telemetry=telemetry,
            journal=journal,
            vault=vault,
            token=Token(),
            clock=clock,
            chance=chance,
            around=connection.around,
        )
        stop = asyncio.Event()
        task = asyncio.create_task(daemon.supervisor.run(stop, ready=lambda: None), name="supervisor")
        life = cls(folder, clock, daemon, connection, stop, task)
        await settle()
        return life

    def now(self, site: str) -> Snapshot:
        return self.daemon.driver.snapshots[site]

    async def end(self) -> None:
        """A stop in order. Time passes meanwhile: a sign-in under way is waited for."""
        self.stop.set()
        while not self.task.done():
            await self.clock.advance(0.5)
        await self.daemon.journal.close()
        self.task.result()

    async def kill(self, left: Path) -> None:
        """Copy to `left` what is on the disk now, and let nothing that happens afterwards reach it or the service."""
        shutil.copytree(self.folder, left, ignore=shutil.ignore_patterns("*-shm", "*.lock"))
        self.connection.cut()
        await self.end()


def stored(folder: Path, query: str) -> list[Any]:
    """What is durable at this moment, read past the daemon."""
    database = sqlite3.connect(folder / "sitebind.db")
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()
