"""A real journal on a real disk, and entries to write into it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from daemon.ports import BindReport, JournalEntry
from daemon.store.journal import SqliteJournal
from states import BindStep, Fault, Snapshot, State

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


def an_entry(**changes: Any) -> JournalEntry:
    values: dict[str, Any] = {
        "at": NOW, "site": "default", "actor": "http:127.0.0.1", "event": "bind_requested",
        "before": "bound", "after": "binding", "request_id": "r-1", "detail": {"attempt": 2},
    }  # fmt: skip
    return JournalEntry(**{**values, **changes})


def a_snapshot(site: str = "default", **changes: Any) -> Snapshot:
    values: dict[str, Any] = {"site_code": "S1", "state": State.BOUND, "since": NOW, "reason": "proven"}
    return Snapshot(site=site, **{**values, **changes})


def a_report(**changes: Any) -> BindReport:
    step = BindStep(step="connect", status="failed", seconds=0.25, detail="no route", remedy="open 443")
    values: dict[str, Any] = {
        "id": "b1", "site": "default", "attempt": 1, "actor": "automatic", "reason": "recovery",
        "state": "failed", "started_at": NOW, "finished_at": NOW, "fault": Fault.UNREACHABLE, "steps": (step,),
    }  # fmt: skip
    return BindReport(**{**values, **changes})


@contextmanager
def tampering(path: Path) -> Iterator[sqlite3.Connection]:
    """What somebody does with the sqlite3 tool: the triggers dropped first."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER IF EXISTS audit_is_never_changed")
        connection.execute("DROP TRIGGER IF EXISTS audit_is_never_shortened")
        yield connection
        connection.commit()


def connection_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if "_connection_worker_thread" in thread.name}


@pytest.fixture(autouse=True)
def no_connection_stays_open() -> Iterator[None]:
    """A forgotten connection's thread would keep the daemon from ending."""
    before = connection_threads()
    yield
    left = connection_threads() - before
    for thread in left:
        thread.join(timeout=5)
    assert [thread.name for thread in left if thread.is_alive()] == []


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "sitebind.db"


@pytest.fixture
async def journal(path: Path) -> AsyncIterator[SqliteJournal]:
    journal = SqliteJournal(path)
    await journal.open()
    yield journal
    await journal.close()


@pytest.fixture
def entry() -> Callable[..., JournalEntry]:
    return an_entry


@pytest.fixture
def snapshot() -> Callable[..., Snapshot]:
    return a_snapshot


@pytest.fixture
def report() -> Callable[..., BindReport]:
    return a_report


@pytest.fixture
def tamper() -> Callable[[Path], Any]:
    return tampering


@pytest.fixture
async def chain(path: Path) -> Path:
    """A closed database with five records."""
    journal = SqliteJournal(path)
    await journal.open()
    for number in range(1, 6):
        await journal.append(an_entry(detail={"number": number}, request_id=None))
    await journal.close()
    return path
