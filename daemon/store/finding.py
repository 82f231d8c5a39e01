"""Searches in the audit trail: a filter becomes SQL, and a long search many short trips. Used by the journal.

A trip looks at so many sequence numbers at most, whatever the filter: so a search through millions of records keeps
no other reader waiting, and an index only makes it quick.
"""

from __future__ import annotations

import sqlite3
import sys
from datetime import datetime
from typing import Any

from daemon.ports import AuditFilter, AuditRecord, ExportFormat, JournalUnavailable
from daemon.store.anchors import first_seq
from daemon.store.audit import CSV_HEADER, LINES, read_rows
from daemon.store.chain import COLUMNS, Row, moment
from daemon.store.rows import record_of

WINDOW = 20_000
"""Sequence numbers that one trip looks at: about 20 ms where no index helps."""
PAGE = 500
"""Records that one trip brings back."""

_LAST_CHARACTER = "\U0010ffff"

Terms = list[tuple[str, tuple[Any, ...]]]
"""Conditions with their values."""


class Search:
    """One search. Ask `step` on the reader's thread until it has `ended`; what is recorded meanwhile is not in it."""

    def __init__(self, wanted: AuditFilter) -> None:
        self._wanted = wanted
        self._terms = _terms(wanted)
        self._left = sys.maxsize if wanted.limit is None else wanted.limit
        self._above, self._below = wanted.after, sys.maxsize if wanted.before is None else wanted.before
        self._begun = False

    @property
    def ended(self) -> bool:
        """Whether nothing more can come."""
        return self._left <= 0 or self._below - self._above <= 1

    def overtaken(self, first: int) -> bool:
        """The trail begins with `first` now: whether records are pruned that this has not come to yet."""
        if self._begun:
            return not self.ended and first > self._above + 1
        self._above = max(self._above, first - 1)
        return False

    def step(self, connection: sqlite3.Connection) -> list[AuditRecord]:
        """The next records, of which there may be none although more follow."""
        if not self._begun:
            self._begin(connection)
        if self.ended:
            return []
        above, below = self._window()
        most = min(self._left, PAGE)
        query, values = self._query(above, below, most)
        found = [record_of(row) for row in read_rows(connection, query, values)]
        self._left -= len(found)
        if len(found) == most:
            self._go_on_behind(found[-1].seq)
        elif self._wanted.newest_first:
            self._below = above + 1
        else:
            self._above = below - 1
        return found

    def _begin(self, connection: sqlite3.Connection) -> None:
        """Times become sequence numbers as far as they can: a clock that was set back is not in order of them."""
        self._begun = True
        # Each by itself: asked for both at once SQLite looks at every record.
        first, last = (connection.execute(f"SELECT {end}(seq) FROM audit").fetchone()[0] for end in ("min", "max"))  # noqa: S608 - constants
        since, until = self._wanted.since, self._wanted.until
        if since is not None or until is not None:
            terms = _times(since, until)
            query = f"SELECT min(seq), max(seq) FROM audit WHERE {_joined(terms)}"  # noqa: S608 - constants
            first, last = connection.execute(query, _values(terms)).fetchone()
        self._above = max(self._above, (first or 1) - 1)
        self._below = min(self._below, (last or 0) + 1)

    def _window(self) -> tuple[int, int]:
        if self._wanted.newest_first:
            return max(self._above, self._below - WINDOW - 1), self._below
        return self._above, min(self._below, self._above + WINDOW + 1)

    def _go_on_behind(self, seq: int) -> None:
        if self._wanted.newest_first:
            self._below = seq
        else:
            self._above = seq

    def _query(self, above: int, below: int, most: int) -> tuple[str, tuple[Any, ...]]:
        order = "DESC" if self._wanted.newest_first else "ASC"
        terms = [("seq > ? AND seq < ?", (above, below)), *self._terms]
        query = f"SELECT {COLUMNS} FROM audit WHERE {_joined(terms)} ORDER BY seq {order} LIMIT ?"  # noqa: S608 - constants
        return query, (*_values(terms), most)


class Export:
    """A search as text to be kept, in pieces of whole lines. They are made on the reader's thread too."""

    def __init__(self, wanted: AuditFilter, format: ExportFormat) -> None:
        self._search = Search(wanted)
        self._line = LINES[format]
        self._end = "\r\n" if format == "csv" else "\n"
        self._pending = [CSV_HEADER] if format == "csv" else []

    @property
    def ended(self) -> bool:
        """Whether nothing more can come."""
        return self._search.ended and not self._pending

    def step(self, connection: sqlite3.Connection) -> bytes:
        """The next lines, of which there may be none although more follow.

        Raises `JournalUnavailable` once a pruning has overtaken it: with a gap in it the whole would look forged.
        """
        connection.execute("BEGIN")  # one view of it: what is pruned meanwhile is not missing
        try:
            if self._search.overtaken(first_seq(connection)):
                raise JournalUnavailable("records were pruned during the export; export again")
            lines = [*self._pending, *map(self._line, self._search.step(connection))]
        finally:
            if connection.in_transaction:
                connection.execute("COMMIT")
        self._pending = []
        return "".join(f"{line}{self._end}" for line in lines).encode()


def moves(connection: sqlite3.Connection, site: str, *, since: datetime, most: int) -> list[AuditRecord]:
    """See the port."""
    moved = 'site = ? AND "before" <> "after" AND at'
    rows = _rows(connection, f"{moved} >= ? ORDER BY at DESC, seq DESC LIMIT ?", (site, moment(since), most))
    if len(rows) < most:
        rows += _rows(connection, f"{moved} < ? ORDER BY at DESC, seq DESC LIMIT 1", (site, moment(since))) or _rows(
            connection, "site = ? ORDER BY seq LIMIT 1", (site,)
        )
    in_order = {row[0]: row for row in rows}
    return [record_of(in_order[seq]) for seq in sorted(in_order)]


def _rows(connection: sqlite3.Connection, where: str, values: tuple[Any, ...]) -> list[Row]:
    return list(read_rows(connection, f"SELECT {COLUMNS} FROM audit WHERE {where}", values))  # noqa: S608 - constants


def _terms(wanted: AuditFilter) -> Terms:
    """A plus keeps SQLite from an index: left to itself it may take that of the only site, which helps nobody."""
    terms: Terms = []
    actor, exact = wanted.actor, wanted.actor is not None and not wanted.actor.endswith("*")
    if actor is not None and exact:
        terms.append(("actor = ?", (actor,)))
    elif actor is not None:
        terms.append(("+actor BETWEEN ? AND ?", (actor[:-1], actor[:-1] + _LAST_CHARACTER)))
    if wanted.events:
        terms.append((f"{'+' if exact else ''}event IN {_marks(wanted.events)}", wanted.events))
    if wanted.without:
        # No index finds what an event is not.
        terms.append((f"+event NOT IN {_marks(wanted.without)}", wanted.without))
    if wanted.site is not None:
        terms.append((f"{'+' if exact or wanted.events else ''}site = ?", (wanted.site,)))
    return [*terms, *(("+" + text, values) for text, values in _times(wanted.since, wanted.until))]


def _marks(values: tuple[str, ...]) -> str:
    return f"({', '.join('?' * len(values))})"


def _times(since: datetime | None, until: datetime | None) -> Terms:
    """Stored times have one form, so that they are in order as texts."""
    begins: Terms = [] if since is None else [("at >= ?", (moment(since),))]
    ends: Terms = [] if until is None else [("at < ?", (moment(until),))]
    return begins + ends


def _joined(terms: Terms) -> str:
    return " AND ".join(text for text, _ in terms)


def _values(terms: Terms) -> tuple[Any, ...]:
    return tuple(value for _, values in terms for value in values)
