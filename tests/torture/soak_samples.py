"""What a running daemon holds at one moment: read from the kernel, from its metrics and from its database's file."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.torture.heap import Heap

AUDIT = re.compile(r"audit(_|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look, after so many operations. Sizes are in KiB; `rows` is by table."""

    operations: int
    values: Mapping[str, float]
    rows: Mapping[str, int]


def look(pid: int, database: Path, held: Heap, *, exposition: str, operations: int) -> Sample:
    """Take a look. `exposition` is what /metrics says now."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        stored, rows = dict(_stored(connection)), dict(_rows(connection))
    values = {
        **_of_the_process(pid),
        "heap in use": held.kib,
        "Python's blocks in use": held.blocks,
        "tasks": _tasks(exposition),
        "database but the audit trail": stored["rest"],
        "write-ahead log": _size(database, "-wal"),
        "bytes per audit record": 1024 * stored["trail"] / max(1, rows["audit"]),
    }
    return Sample(operations=operations, values=values, rows=rows)


def _of_the_process(pid: int) -> dict[str, float]:
    here = Path(f"/proc/{pid}")
    memory = dict(re.findall(r"^(Rss):\s+(\d+) kB", (here / "smaps_rollup").read_text(), re.MULTILINE))
    return {
        "descriptors": float(sum(1 for _ in (here / "fd").iterdir())),
        "threads": float(sum(1 for _ in (here / "task").iterdir())),
        "resident": float(memory["Rss"]),
    }


def _tasks(exposition: str) -> float:
    return sum(float(found) for found in re.findall(r"^sitebind_tasks\{[^}]*\} (\S+)$", exposition, re.MULTILINE))


def _stored(connection: sqlite3.Connection) -> Iterator[tuple[str, float]]:
    """KiB of the audit trail with its indexes, and of everything else in the file, free pages included."""
    owner = dict(connection.execute("SELECT name, tbl_name FROM sqlite_schema"))
    (whole,) = connection.execute(
        "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    ).fetchone()
    trail = sum(
        size
        for name, size in connection.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name")
        if AUDIT.match(owner.get(name, name))
    )
    yield "trail", trail / 1024
    yield "rest", (whole - trail) / 1024


def _rows(connection: sqlite3.Connection) -> Iterator[tuple[str, int]]:
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    for name in tables:
        (count,) = connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()
        yield name, count


def _size(database: Path, ending: str) -> float:
    path = database.with_name(database.name + ending)
    return path.stat().st_size / 1024 if path.exists() else 0.0
