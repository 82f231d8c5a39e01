"""Retention: whole days of old records go, behind a signed anchor. Used by `daemon.engine.retention`.

What is about to go is walked first: nothing is signed that the chain does not prove, and a broken trail is evidence of
which nothing goes. Then one transaction records what will go and where the trail begins then; only after it the rows
are deleted, the oldest first and a few at a time, so that everybody else has their turn. When that is interrupted the
anchor stands, and what follows deletes the rest.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Final

from daemon.audit_ports import Prunable, SealingFailed
from daemon.ports import JournalEntry, Seal, Secret
from daemon.store.anchors import INSERT, first_seq, told_of, values_of, walk_begun
from daemon.store.audit import walk_on
from daemon.store.chain import Head, Row, Walk, moment
from daemon.store.connection import transaction
from daemon.store.journal import CHUNK, SqliteJournal
from daemon.store.signing import judged_by, sealed_by
from states import DAEMON

SLICE: Final = 500
"""Records deleted in one transaction: measured at 5 ms, for which everybody's records wait."""
BELIEVED: Final = "audit_retention_believed"

_DELETE: Final = "DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE seq <= ? ORDER BY seq LIMIT ?)"
_KEEP: Final = "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)"
_EVIDENCE: Final = "Keep the database as evidence; `sitebind audit verify` says what is wrong, and where."


class SqlitePruner:
    """Implements `daemon.audit_ports.Pruner` beside the journal."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal

    async def believed(self, *, begun_behind: int) -> datetime | None:
        return await self._journal.read(lambda db: _kept(db) or _written(db, begun_behind))

    async def believe(self, at: datetime) -> None:
        def work(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                connection.execute(_KEEP, (BELIEVED, moment(at)))

        await self._journal.write(work)

    async def finish(self) -> int:
        """Delete what lies behind the newest anchor."""
        await self._first()
        gone = 0
        while True:
            deleted = await self._journal.write(self._slice)
            gone += deleted
            if deleted < SLICE:
                return gone
            await asyncio.sleep(0)

    async def prunable(self, before: str, *, not_beyond: int | None) -> Prunable | None:
        first, acknowledged = await self._first(), self._journal.head
        if not_beyond is not None and not_beyond < first:
            return None
        if not_beyond is not None and not_beyond < acknowledged.seq:
            before = min(before, await self._journal.read(partial(_day_of, seq=not_beyond + 1)))
        going = _Going(before, acknowledged=acknowledged, not_beyond=not_beyond)
        while not going.ended:
            await self._journal.read(going.step)
        last = going.proven()
        if last.seq < first:
            return None
        return Prunable(last=last.seq, hash=last.hash, count=last.seq - first + 1, before=before)

    async def prune(self, what: Prunable, *, key: Secret, at: datetime) -> Seal:
        seal = Seal(kind="anchor", seq=what.last, hash=what.hash, count=what.count, at=moment(at))
        anchor = sealed_by(key, seal)
        # A forged one must not vanish behind a genuine one.
        report = judged_by(key, (await self._journal.read(walk_begun)).report())
        if not report.intact:
            raise _broken(f"the trail is broken at record {report.broken_at}: {report.reason}")
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

    async def _first(self) -> int:
        """The first record that is kept, read anew: an anchor may be durable though its answer was lost."""
        first = await self._journal.read(first_seq)
        self._journal.begins_behind(first - 1)
        return first

    def _slice(self, connection: sqlite3.Connection) -> int:
        with transaction(connection):
            return connection.execute(_DELETE, (self._journal.first_seq - 1, SLICE)).rowcount


class _Going:
    """A walk from where the trail begins to the first record that stays, whose link proves those before it.

    What goes is gone for good: the times in the file count only as far as the chain proves them. Ask `step` on the
    reader's thread until it has `ended`.
    """

    def __init__(self, before: str, *, acknowledged: Head, not_beyond: int | None) -> None:
        self._before = before
        self._acknowledged = acknowledged
        self._most = sys.maxsize if not_beyond is None else not_beyond
        self._walk: Walk | None = None
        self._last: Head | None = None
        self.ended = False

    def step(self, connection: sqlite3.Connection) -> None:
        """Walk on for a while."""
        if self._walk is None:
            self._walk = walk_begun(connection)
        walk = self._walk
        more = walk.intact and walk_on(walk, connection, limit=CHUNK, through=self._until_one_stays) > 0
        self.ended = not more or not walk.intact or self._last is not None

    def proven(self) -> Head:
        """The last record that can go. Raises `SealingFailed` where the trail is not as it was written."""
        walk = self._walk or Walk()
        if self._last is None:
            walk.must_reach(self._acknowledged.seq)
        report = walk.report()
        if not report.intact:
            raise _broken(f"the trail is broken at record {report.broken_at}: {report.reason}")
        if walk.seq == self._acknowledged.seq and walk.head != self._acknowledged:
            raise _broken(f"the trail is broken at record {walk.seq}: it is not the one that was written")
        return self._last or walk.head

    def _until_one_stays(self, rows: Iterator[Row]) -> Iterator[Row]:
        for row in rows:
            if str(row[1]) >= self._before or row[0] > self._most:
                self._last = Head(row[0] - 1, row[9])  # the walk proves both when it takes this row
            yield row
            if self._last is not None:
                return


def _broken(why: str) -> SealingFailed:
    return SealingFailed(why, _EVIDENCE)


def _day_of(connection: sqlite3.Connection, *, seq: int) -> str:
    """The day of a record that must be there. Raises `SealingFailed`."""
    row = connection.execute("SELECT CAST(at AS BLOB) FROM audit WHERE seq = ?", (seq,)).fetchone()
    if row is None:
        raise _broken(f"the trail is broken at record {seq}: it is missing")
    return str(row[0], "utf-8", "replace")[:10]


def _kept(connection: sqlite3.Connection) -> datetime | None:
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (BELIEVED,)).fetchone()
    return None if row is None else _time_in(row[0])


def _written(connection: sqlite3.Connection, seq: int) -> datetime | None:
    query = "SELECT CAST(at AS BLOB) FROM audit WHERE seq <= ? ORDER BY seq DESC LIMIT 1"
    row = connection.execute(query, (seq,)).fetchone()
    return None if row is None else _time_in(str(row[0], "utf-8", "replace"))


def _time_in(text: str) -> datetime | None:
    """None for what somebody else wrote there: it is no time."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
