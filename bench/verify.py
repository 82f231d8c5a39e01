"""The audit chain verified: on one core against a bare scan that hashes what it reads, and on two against one."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from bench.durable import audit_entry
from bench.table import Row, against
from daemon.ports import ChainReport
from daemon.store.audit import verify_file
from daemon.store.chain import START, link
from daemon.store.ranges import verify_in_ranges
from daemon.store.schema import migrate

RECORDS = 400_000
INSERT = "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def rows(*, quick: bool = False) -> list[Row]:
    """Records a second."""
    rounds = 1 if quick else 5
    with tempfile.TemporaryDirectory(prefix="sitebind-bench-") as folder:
        path = Path(folder) / "verify.db"
        _fill(path, 2_000 if quick else RECORDS)

        def one_core() -> float:
            begin = time.perf_counter()
            return _rate(verify_file(path), begin)

        def two_cores() -> float:
            begin = time.perf_counter()
            return _rate(verify_in_ranges(path, jobs=2), begin)

        name = "audit verify, {} : {}"
        bare = name.format("one core", "bare scan and sha256")
        one = name.format("two processes", "one core")
        return [
            against(bare, one_core, lambda: _bare(path), goal=">= 0.80", rounds=rounds),
            against(one, two_cores, one_core, goal=">= 1.70", rounds=rounds),
        ]


def _rate(report: ChainReport, begin: float) -> float:
    assert report.intact, report.reason
    return report.records / (time.perf_counter() - begin)


def _bare(path: Path) -> float:
    begin, head, count = time.perf_counter(), "", 0
    with closing(sqlite3.connect(path)) as connection:
        for row in connection.execute("SELECT * FROM audit ORDER BY seq"):
            seq, at, site, actor, event, before, after, request_id, detail, previous, _ = row
            text = f"{head}|{seq}|{at}|{site}|{actor}|{event}|{before}|{after}|{request_id}|{detail}|{previous}"
            head = sha256(text.encode()).hexdigest()
            count += 1
    return count / (time.perf_counter() - begin)


def _fill(path: Path, records: int) -> None:
    entry, head = replace(audit_entry(0), snapshot=None), START
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection)
        one, filled = link(entry), []
        for _ in range(records):
            head, row = one.join(head)
            filled.append(row)
        connection.execute("BEGIN")
        connection.executemany(INSERT, filled)
        connection.execute("COMMIT")
