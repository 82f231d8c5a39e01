"""Durable steps per second, at equal durability (WAL, synchronous=FULL) and for the same work.

Each step is one audit record with its hash and its site's snapshot. The limit is raw `sqlite3` in a plain loop
that commits batches of the same size; what one would write first is aiosqlite with execute, execute and commit
per event. All sides use our schema with its index and triggers, the same pragmas and the same steps.

Once more with a slow disk: `python -m bench.durable slow` runs with `slow_disk.c` loaded before the C library, which
makes every fsync of either side take 4 ms longer.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiosqlite

from bench.table import Row, against
from daemon.ports import JournalEntry
from daemon.store.journal import SqliteJournal
from daemon.store.schema import migrate
from states import HeldBinding, Snapshot, State, Terms, remember

SECONDS = 0.3
PRODUCERS = {1: ">= 0.60", 16: "", 256: ">= 0.60", 4096: ">= 0.80"}
SLOW_DISK = Path(__file__).with_name("slow_disk.c")
SLOW_GOAL = ">= 0.90"

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
PRAGMAS = ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON", "foreign_keys = ON")
AUDIT = "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
SNAPSHOT = """INSERT INTO snapshots VALUES (?, ?, ?)
ON CONFLICT (site) DO UPDATE SET document = excluded.document, seq = excluded.seq"""

Measure = Callable[[], float]


def rows(*, quick: bool = False) -> list[Row]:
    """The table's rows, on this disk and on a slow one."""
    numbers = (1, 16) if quick else tuple(PRODUCERS)
    found = []
    with tempfile.TemporaryDirectory(prefix="sitebind-bench-") as folder:
        for number in numbers:
            place = Path(folder) / str(number)
            place.mkdir()
            found += _rows_of(number, place, rounds=1 if quick else 5)
        found += _on_a_slow_disk(Path(folder), numbers, rounds=1 if quick else 5)
    return found


def _rows_of(number: int, place: Path, *, rounds: int) -> Iterator[Row]:
    name = f"durable steps, {number} producers : "
    with asyncio.Runner() as runner, _journal(runner, place, number) as ours:
        with _raw(place, number) as raw:
            yield against(f"{name}raw sqlite3", ours, raw, goal=PRODUCERS[number], rounds=rounds)
        with _naive(runner, place, number) as naive:
            yield against(f"{name}commit per event", ours, naive, rounds=rounds)


# --- a slow disk ------------------------------------------------------------------------------------


def _on_a_slow_disk(folder: Path, numbers: tuple[int, ...], *, rounds: int) -> list[Row]:
    """The same steps in a process whose every fsync takes longer. Raises CalledProcessError without a C compiler."""
    library = folder / "slow_disk.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, SLOW_DISK], check=True)
    command = [sys.executable, "-m", "bench.durable", "slow", str(folder), str(rounds), *map(str, numbers)]
    environment = {**os.environ, "LD_PRELOAD": str(library)}
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    return [Row(**row) for row in json.loads(told)]


def _slow_rows(folder: Path, numbers: tuple[int, ...], *, rounds: int) -> Iterator[Row]:
    for number in numbers:
        place = folder / f"slow-{number}"
        place.mkdir()
        name = f"durable steps, 4 ms slower disk, {number} producers : raw sqlite3"
        with asyncio.Runner() as runner, _journal(runner, place, number) as ours, _raw(place, number) as raw:
            yield against(name, ours, raw, goal=SLOW_GOAL, rounds=rounds)


# --- the steps --------------------------------------------------------------------------------------


def _seconds(producers: int) -> float:
    """A round's length: several groups must fit in, or starting the producers is what is measured."""
    return max(SECONDS, producers / 4096)


def audit_entry(number: int) -> JournalEntry:
    """A step as the driver records it."""
    site = f"site-{number:04}"
    terms = Terms(fingerprint="f" * 64, credentials="c" * 64, automatic=True)
    held = HeldBinding(
        bind_id="b" * 16, method="cloud", account_code="C1A1", company="Example Ltd", region="eu",
        fingerprint="f" * 64, bound_at=NOW, verified_at=NOW, expires_at=None,
    )  # fmt: skip
    snapshot = Snapshot(
        site=site, site_code="S" * 12, state=State.BOUND, since=NOW, reason="the keys were proven",
        attempt=3, terms=terms, binding=held,
    )  # fmt: skip
    return JournalEntry(
        at=NOW, site=site, actor="http:127.0.0.1", event="bind_requested", before="bound", after="binding",
        request_id="0123456789abcdef", detail={"attempt": 3, "reason": "asked for"}, snapshot=snapshot,
    )  # fmt: skip


def _by_hand(entry: JournalEntry, seq: int, previous: str) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The rows of a step as one writes them without a library of ours."""
    record = {
        "seq": seq, "at": entry.at.isoformat(), "site": entry.site, "actor": entry.actor, "event": entry.event,
        "before": entry.before, "after": entry.after, "request_id": entry.request_id, "detail": entry.detail,
        "previous_hash": previous,
    }  # fmt: skip
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = sha256(f"{previous}\n{text}".encode()).hexdigest()
    record["detail"] = json.dumps(entry.detail)
    assert entry.snapshot is not None
    return (*record.values(), digest), (entry.site, json.dumps(remember(entry.snapshot)), seq)


# --- the sides --------------------------------------------------------------------------------------


def _producers(runner: asyncio.Runner, entries: list[JournalEntry], append: Callable[..., Awaitable[Any]]) -> float:
    """Everybody appends, waits, and appends again until the time is over; steps per second."""

    async def producer(entry: JournalEntry, until: float) -> int:
        count = 0
        while not count or time.perf_counter() < until:
            await append(entry)
            count += 1
        return count

    async def everybody() -> float:
        begin = time.perf_counter()
        until = begin + _seconds(len(entries))
        counts = await asyncio.gather(*(producer(entry, until) for entry in entries))
        return sum(counts) / (time.perf_counter() - begin)

    return runner.run(everybody())


@contextmanager
def _journal(runner: asyncio.Runner, place: Path, number: int) -> Iterator[Measure]:
    journal = SqliteJournal(place / "ours.db")
    runner.run(journal.open())
    entries = [audit_entry(one) for one in range(number)]
    try:
        yield lambda: _producers(runner, entries, journal.append)
    finally:
        runner.run(journal.close())


@contextmanager
def _raw(place: Path, number: int) -> Iterator[Measure]:
    connection = sqlite3.connect(place / "raw.db", isolation_level=None)
    _prepare(connection)
    entries = [audit_entry(one) for one in range(number)]
    end = (0, "0" * 64)

    def measure() -> float:
        nonlocal end
        begin, first = time.perf_counter(), end[0]
        while end[0] == first or time.perf_counter() < begin + _seconds(number):
            end = _raw_batch(connection, entries, *end)
        return (end[0] - first) / (time.perf_counter() - begin)

    try:
        yield measure
    finally:
        connection.close()


def _raw_batch(connection: sqlite3.Connection, entries: list[JournalEntry], seq: int, previous: str) -> tuple[int, str]:
    records, snapshots = [], []
    for entry in entries:
        seq += 1
        record, snapshot = _by_hand(entry, seq, previous)
        previous = record[-1]
        records.append(record)
        snapshots.append(snapshot)
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(AUDIT, records)
    connection.executemany(SNAPSHOT, snapshots)
    connection.execute("COMMIT")
    return seq, previous


@contextmanager
def _naive(runner: asyncio.Runner, place: Path, number: int) -> Iterator[Measure]:
    path = place / "naive.db"
    with sqlite3.connect(path, isolation_level=None) as first:
        _prepare(first)
    first.close()
    connection = runner.run(_connected(path))
    lock = asyncio.Lock()
    end = (0, "0" * 64)

    async def append(entry: JournalEntry) -> None:
        nonlocal end
        async with lock:
            record, snapshot = _by_hand(entry, end[0] + 1, end[1])
            await connection.execute(AUDIT, record)
            await connection.execute(SNAPSHOT, snapshot)
            await connection.commit()
            end = (end[0] + 1, record[-1])

    entries = [audit_entry(one) for one in range(number)]
    try:
        yield lambda: _producers(runner, entries, append)
    finally:
        runner.run(connection.close())


async def _connected(path: Path) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(path)
    for pragma in PRAGMAS:
        await connection.execute(f"PRAGMA {pragma}")
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    migrate(connection)


if __name__ == "__main__":
    _, where, repeat, *wanted = sys.argv[1:]
    slow = _slow_rows(Path(where), tuple(map(int, wanted)), rounds=int(repeat))
    print(json.dumps([asdict(row) for row in slow]))
