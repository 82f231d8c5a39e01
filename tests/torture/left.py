"""What a daemon that ended in any manner left behind, read past it; and what must be true of it."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from daemon.store.audit import verify_file
from states import Snapshot, recall

PARTS = ("", "-wal")
"""The database's files that survive; the third, -shm, is an index that is made anew."""


@dataclass(frozen=True, kw_only=True)
class Left:
    """The durable state at one moment.

    `requests`: the ids of the calls that have a record. `names`: the number in the display name of each site's file.
    """

    records: int = 0
    requests: frozenset[str] = frozenset()
    binds: dict[str, str] = field(default_factory=dict)
    tokens: frozenset[str] = frozenset()
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    names: dict[str, int]


def left_in(database: Path) -> Left:
    """Look at a copy, so that the next one finds the files as they are. Raises AssertionError for what is wrong."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / database.name
        for part in PARTS:
            file = database.with_name(f"{database.name}{part}")
            if file.exists():
                shutil.copyfile(file, copy.with_name(f"{copy.name}{part}"))
        return examined(copy, beside=database.parent)


def examined(database: Path, *, beside: Path) -> Left:
    """The same, of a database that nobody else uses; the sites' files are `beside`."""
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'audit'").fetchone():
            return Left(names=_names(beside))
        found = _read(connection, _names(beside))
        contradictions = [*_contradictions(connection, found)]
        assert not contradictions, "; ".join(contradictions)
    report = verify_file(database)
    assert report.intact, report
    assert report.records == found.records, report
    return found


def _names(folder: Path) -> dict[str, int]:
    texts = ((file.stem, file.read_text(encoding="utf-8")) for file in folder.glob("*.ini"))
    found = ((site, re.search(r"^display_name = \S+ (\d+)$", text, re.MULTILINE)) for site, text in texts)
    return {site: int(name[1]) for site, name in found if name is not None}


def _read(connection: sqlite3.Connection, names: dict[str, int]) -> Left:
    rows = connection.execute("SELECT seq, request_id FROM audit ORDER BY seq").fetchall()
    assert [seq for seq, _ in rows] == list(range(1, len(rows) + 1)), "the numbers of the records have a gap"
    return Left(
        records=len(rows),
        requests=frozenset(request for _, request in rows if request),
        binds=dict(connection.execute("SELECT id, state FROM binds")),
        tokens=frozenset(token for (token,) in connection.execute("SELECT id FROM tokens")),
        snapshots={
            site: recall(json.loads(document))
            for site, document in connection.execute("SELECT site, document FROM snapshots")
        },
        names=names,
    )


def _contradictions(connection: sqlite3.Connection, found: Left) -> Iterator[str]:
    """Where the state, the reports, the keys and the trail do not tell one story."""
    last = dict(connection.execute("SELECT s.site, a.after FROM snapshots s JOIN audit a USING (seq)"))
    open_binds = connection.execute("SELECT site, id FROM binds WHERE state = 'open'").fetchall()
    keys = {bind for (bind,) in connection.execute("SELECT bind_id FROM vault")}
    for site, now in found.snapshots.items():
        if last.get(site) != now.state.value:
            yield f"{site} is {now.state.value}, its record says {last.get(site)}"
        mine = [bind for name, bind in open_binds if name == site]
        if mine != ([] if now.open is None else [now.open.bind_id]):
            yield f"{site} has open binds {mine}, its state says {now.open}"
        if now.binding is not None and now.binding.bind_id not in keys:
            yield f"{site} holds bind {now.binding.bind_id}, whose keys are not in the vault"
    yield from _doubles(
        connection.execute("SELECT site, attempt, count(*) FROM binds GROUP BY 1, 2 HAVING count(*) > 1")
    )


def _doubles(rows: Iterable[tuple[str, int, int]]) -> Iterator[str]:
    for site, attempt, count in rows:
        yield f"attempt {attempt} of {site} was made {count} times"
