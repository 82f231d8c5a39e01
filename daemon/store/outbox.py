"""The audit trail as it is sent on, and how far it was: implements `daemon.audit_ports.Outbox` beside the journal.

The position stands in the table `meta`, not in the trail: it is no event, and a restored backup brings its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from daemon.audit_values import ForwardFormat, ForwardPage
from daemon.ports import AuditRecord
from daemon.store.audit import json_line, read_records
from daemon.store.audit_ocsf import ocsf_line
from daemon.store.audit_syslog import cef_message, counted, syslog_line
from daemon.store.connection import transaction
from daemon.store.journal import SqliteJournal

POSITION: Final = "audit_forward_position"
MOST_RECORDS: Final = 500
LARGEST: Final = 256 * 1024
"""Bytes after which a page ends: what may be lost with a connection and is sent again."""

_KEEP: Final = "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)"

Frame = Callable[[AuditRecord], bytes]


class SqliteOutbox:
    """Uses the journal's connections. `hostname` is this host's, for syslog."""

    def __init__(self, journal: SqliteJournal, *, hostname: str) -> None:
        self._journal = journal
        self._frames: Mapping[ForwardFormat, Frame] = {
            "syslog": lambda record: _octets(syslog_line(record, hostname=hostname)),
            "cef": lambda record: _octets(cef_message(record, hostname=hostname)),
            "ocsf": lambda record: _line(ocsf_line(record)),
            "jsonl": lambda record: _line(json_line(record)),
        }

    @property
    def last_seq(self) -> int:
        return self._journal.last_seq

    async def begin(self, *, now: bool) -> int:
        position, first = await self._journal.read(lambda db: (position_in(db), _first(db)))
        if position is None and now:
            position = self._journal.last_seq
            await self.keep(position)  # a restart before the first delivery must not skip what came since
        # A number that no record has yet would keep the next ones from being sent.
        return max(min(position or 0, self._journal.last_seq), first - 1)

    async def keep(self, position: int) -> None:
        def work(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                connection.execute(_KEEP, (POSITION, str(position)))

        await self._journal.write(work)

    async def page(self, format: ForwardFormat, *, after: int) -> ForwardPage | None:
        return await self._journal.read(partial(_page, frame=self._frames[format], after=after))


def position_in(connection: sqlite3.Connection) -> int | None:
    """The number of the last record that is known to be delivered; None where nothing was ever sent on."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (POSITION,)).fetchone()
    return None if row is None else int(row[0])


def _first(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT coalesce(min(seq), 1) FROM audit").fetchone()[0])


def _page(connection: sqlite3.Connection, *, frame: Frame, after: int) -> ForwardPage | None:
    pieces: list[bytes] = []
    size, last = 0, after
    for record in read_records(connection, after=after, limit=MOST_RECORDS):
        pieces.append(frame(record))
        size, last = size + len(pieces[-1]), record.seq
        if size >= LARGEST:
            break
    return ForwardPage(last=last, records=len(pieces), data=b"".join(pieces)) if pieces else None


def _octets(message: str) -> bytes:
    return counted(message).encode("utf-8", "replace")


def _line(text: str) -> bytes:
    # A damaged record may hold what is no character: it is sent as it can be written.
    return text.encode("utf-8", "backslashreplace") + b"\n"
