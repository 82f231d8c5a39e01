"""Where the trail begins after old records were pruned, and whether that is as it was written. Used in this package.

An anchor stands in its table, and in the record `audit_pruned` that was committed with it and lies behind it in the
chain. Both must say the same: then the chain proves the anchor, and the anchor the beginning of the chain.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any, Final

from daemon.ports import AuditRecord, Seal
from daemon.store.chain import COLUMNS, START, Head, Row, Walk
from daemon.store.rows import record_of
from daemon.store.trouble import is_damage

PRUNED: Final = "audit_pruned"
INSERT: Final = "INSERT INTO audit_anchors (seq, hash, count, at, key, signature) VALUES (?, ?, ?, ?, ?, ?)"

_ANCHORS: Final = "SELECT seq, hash, count, at, key, signature FROM audit_anchors ORDER BY seq DESC LIMIT 1"
_TELLING: Final = f"SELECT {COLUMNS} FROM audit WHERE event = ? AND seq > ? ORDER BY seq"  # noqa: S608 - a constant
_NAMED: Final = {"last": "seq", "hash": "hash", "records": "count", "key": "key", "signature": "signature"}


def newest_anchor(connection: sqlite3.Connection) -> Seal | None:
    """The anchor behind which the trail begins; None where nothing was pruned, and in a database of an older schema."""
    row = connection.execute(_ANCHORS).fetchone() if _has_anchors(connection) else None
    if row is None:
        return None
    seq, digest, count, at, key, signature = row
    return Seal(kind="anchor", seq=seq, hash=digest, count=count, at=at, key=key, signature=signature)


def first_seq(connection: sqlite3.Connection) -> int:
    """The number of the first record that is kept: those before it are pruned, or about to be.

    Where the anchors are damaged it is that of the first record that is there; a walk names the damage.
    """
    try:
        query = "SELECT max(seq) FROM audit_anchors"
        behind = connection.execute(query).fetchone()[0] if _has_anchors(connection) else None
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        behind = _oldest(connection) - 1
    return (behind or 0) + 1


def oldest_in(connection: sqlite3.Connection) -> tuple[int, int]:
    """Where the trail begins, by its anchor and by what is there: it changes when something is pruned.

    Where that is damaged, which a walk names, it is nowhere.
    """
    try:
        return first_seq(connection), _oldest(connection)
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        return 0, 0


def _oldest(connection: sqlite3.Connection) -> int:
    """The number of the first record that is there; 0 where there is none."""
    return int(connection.execute("SELECT coalesce(min(seq), 0) FROM audit").fetchone()[0])


def _has_anchors(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'audit_anchors'").fetchone() is not None


def values_of(anchor: Seal) -> tuple[Any, ...]:
    """In the order of `INSERT`."""
    return anchor.seq, anchor.hash, anchor.count, anchor.at, anchor.key, anchor.signature


def told_of(anchor: Seal, *, before: str) -> dict[str, Any]:
    """The detail of the record that tells of it; records from before the day `before` were pruned."""
    told = {name: getattr(anchor, field) for name, field in _NAMED.items()}
    return {"first": anchor.seq - anchor.count + 1, "before": before, **told}


def anchor_told(record: AuditRecord) -> Seal | None:
    """The anchor that a record tells of; None for every other record."""
    if record.event != PRUNED:
        return None
    said: Mapping[str, Any] = {field: record.detail.get(name) for name, field in _NAMED.items()}
    kinds = {"seq": int, "count": int, "hash": str, "key": str, "signature": str}
    if any(type(said[field]) is not kind for field, kind in kinds.items()):
        return None
    return Seal(kind="anchor", at=record.at, **said)


def walk_begun(connection: sqlite3.Connection) -> Walk:
    """A walk that starts where the trail begins, broken already where that beginning is not as it was written."""
    try:
        anchor, first = newest_anchor(connection), _first_row(connection)
        start, doubt = _beginning(connection, anchor, first)
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        anchor, start, doubt = None, START, f"the anchors of the trail cannot be read: {error}"
    walk = Walk(start, anchor=anchor)
    if doubt:
        walk.break_off(doubt)
    return walk


def _beginning(connection: sqlite3.Connection, anchor: Seal | None, first: Row | None) -> tuple[Head, str]:
    """Where the walk starts, and what is wrong with that."""
    if anchor is None:
        return START, "" if first is None else _not_anchored(connection, first)
    head = Head(anchor.seq, anchor.hash)
    if anchor not in map(anchor_told, _telling(connection, behind=anchor.seq)):
        return (
            head,
            f"no record {PRUNED} tells of the anchor behind record {anchor.seq}, where the trail begins: it was forged",
        )
    if first is None or first[0] > anchor.seq:
        return head, ""
    # Their deletion was interrupted and goes on at the next start: until then they are verified like all others.
    row = connection.execute("SELECT hash FROM audit WHERE seq = ?", (anchor.seq,)).fetchone()
    start = Head(first[0] - 1, first[9])
    if row != (anchor.hash,):
        return start, f"record {anchor.seq} is not the one that its anchor names"
    return start, ""


def _not_anchored(connection: sqlite3.Connection, first: Row) -> str:
    """A trail that begins later without an anchor was cut; a record may say that there was one."""
    if first[0] == 1:
        return ""
    for record in _telling(connection, behind=0):
        told = anchor_told(record)
        if told is not None and told.seq == first[0] - 1:
            return f"the anchor of the records up to {told.seq}, which record {record.seq} tells of, is missing"
    return ""


def _telling(connection: sqlite3.Connection, *, behind: int) -> Iterable[AuditRecord]:
    return [record_of(row) for row in connection.execute(_TELLING, (PRUNED, behind))]


def _first_row(connection: sqlite3.Connection) -> Row | None:
    row: Row | None = connection.execute(f"SELECT {COLUMNS} FROM audit ORDER BY seq LIMIT 1").fetchone()  # noqa: S608 - a constant
    return row
