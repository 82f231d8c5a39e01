"""Retention: whole days of old records go, behind a signed anchor. Used by `daemon.engine.retention`.

First one transaction records what will go and where the trail begins then; only after it the rows are deleted, the
oldest first and a few at a time, so that everybody else has their turn. When that is interrupted the anchor stands, and
the next start deletes the rest.
"""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import datetime
from typing import Final

from daemon.audit_ports import Prunable, SealingFailed
from daemon.ports import JournalEntry, Seal, Secret
from daemon.store.anchors import INSERT, told_of, values_of
from daemon.store.chain import moment
from daemon.store.connection import transaction
from daemon.store.journal import SqliteJournal
from daemon.store.signing import SigningKey, UnusableKey
from states import DAEMON

SLICE: Final = 500
"""Records deleted in one transaction: measured at 5 ms, for which everybody's records wait."""
WINDOW: Final = 20_000
"""Records looked through in one trip."""

_YOUNGEST_OLD: Final = "SELECT min(seq) FROM audit WHERE seq > ? AND seq <= ? AND +at >= ?"
_DELETE: Final = "DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE seq <= ? ORDER BY seq LIMIT ?)"


class SqlitePruner:
    """Implements `daemon.audit_ports.Pruner` beside the journal."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal

    async def last_at(self, seq: int) -> datetime | None:
        row = await self._journal.read(
            lambda db: db.execute("SELECT at FROM audit WHERE seq <= ? ORDER BY seq DESC LIMIT 1", (seq,)).fetchone()
        )
        return None if row is None else datetime.fromisoformat(row[0])

    async def finish(self) -> int:
        """Delete what lies behind the newest anchor."""
        gone = 0
        while True:
            deleted = await self._journal.write(self._slice)
            gone += deleted
            if deleted < SLICE:
                return gone
            await asyncio.sleep(0)

    async def prunable(self, before: str, *, not_beyond: int | None) -> Prunable | None:
        first = self._journal.first_seq
        end = await self._end_of(before, first=first)
        if not_beyond is not None and not_beyond < end:
            (day,) = await self._journal.read(
                lambda db: db.execute("SELECT at FROM audit WHERE seq = ?", (not_beyond + 1,)).fetchone()
            )
            before = min(before, day[:10])
            end = await self._end_of(before, first=first)
        if end < first:
            return None
        (digest,) = await self._journal.read(
            lambda db: db.execute("SELECT hash FROM audit WHERE seq = ?", (end,)).fetchone()
        )
        return Prunable(last=end, hash=digest, count=end - first + 1, before=before)

    async def prune(self, what: Prunable, *, key: Secret, at: datetime) -> Seal:
        anchor = _signed(what, key, at)
        entry = JournalEntry(
            at=at,
            site="",
            actor=DAEMON,
            event="audit_pruned",
            before="",
            after="",
            detail=told_of(anchor, before=what.before),
        )
        await self._journal.append_with(entry, (INSERT, values_of(anchor)))
        self._journal.begins_behind(anchor.seq)
        await self.finish()
        return anchor

    async def _end_of(self, before: str, *, first: int) -> int:
        """The last record in front of the first one that is not from before that day."""
        above, last = first - 1, self._journal.last_seq
        while above < last:
            values = (above, min(above + WINDOW, last), before)
            (found,) = await self._journal.read(
                lambda db, values=values: db.execute(_YOUNGEST_OLD, values).fetchone()  # type: ignore[misc]
            )
            if found is not None:
                return int(found) - 1
            above += WINDOW
        return last

    def _slice(self, connection: sqlite3.Connection) -> int:
        with transaction(connection):
            return connection.execute(_DELETE, (self._journal.first_seq - 1, SLICE)).rowcount


def _signed(what: Prunable, key: Secret, at: datetime) -> Seal:
    anchor = Seal(kind="anchor", seq=what.last, hash=what.hash, count=what.count, at=moment(at))
    try:
        return SigningKey.from_pem(key.reveal()).sealed(anchor)
    except UnusableKey as error:
        words = f"[daemon] checkpoint_key {error}"
    raise SealingFailed(words, "Put the key back, or make another one with `sitebind audit key --new PATH`.")
