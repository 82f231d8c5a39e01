"""What an auditor or a restore reads back."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from daemon.ports import JournalUnavailable
from daemon.store.audit import verify_export
from daemon.store.copying import BackupRefused, examined
from daemon.store.schema import SchemaRefused
from tests.torture.fuzz.target import Target

_FOLDER = TemporaryDirectory(prefix="sitebind-fuzz-")
_LINE = (
    b'{"actor":"a","after":"bound","at":"2026-03-01T12:00:00.000Z","before":"binding","detail":{"n":1},"event":"e",'
    b'"hash":"' + b"0" * 64 + b'","previous_hash":"' + b"0" * 64 + b'","request_id":null,"seq":1,"site":"s"}'
)


def _export(data: bytes) -> None:
    verify_export(data.decode("utf-8", "replace").split("\n"))


def _backup(data: bytes) -> None:
    path = Path(_FOLDER.name) / "backup.db"
    path.write_bytes(data)
    examined(path)


def a_small_database() -> bytes:
    """A database that is none of ours, as small as SQLite makes them."""
    path = Path(_FOLDER.name) / "small.db"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as made:
        made.execute("PRAGMA page_size = 512")
        made.execute("CREATE TABLE audit (seq INTEGER PRIMARY KEY, at TEXT, detail TEXT)")
        made.execute("INSERT INTO audit VALUES (1, 'then', '{}')")
        made.commit()
    return path.read_bytes()


TARGETS = (
    Target(name="export", what="lines of an audit export", meets=_export, seeds=(_LINE, _LINE + b"\n" + _LINE)),
    Target(
        name="backup",
        what="the file that a restore is given",
        meets=_backup,
        may_raise=(BackupRefused, JournalUnavailable, SchemaRefused),
        seeds=(a_small_database(), b"SQLite format 3\0"),
    ),
)
