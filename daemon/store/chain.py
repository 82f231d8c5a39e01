"""The audit chain: canonical JSON, each record's hash, and the walk that finds what was changed.

A record's hash is SHA-256 over the previous hash (64 hex digits; 64 zeros before the first), a line feed, and
the record without `hash` as canonical JSON: UTF-8, keys in code point order, no spaces, no floats. The record
includes `previous_hash`. So anyone can verify an export with a few lines of any language.

Used in this package.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from json.encoder import encode_basestring as quoted
from typing import Any, NamedTuple

from daemon.ports import ChainReport, JournalEntry, Seal

GENESIS = "0" * 64
COLUMNS = 'seq, at, site, actor, event, "before", "after", request_id, detail, previous_hash, hash'

Row = tuple[int, str, str, str, str, str, str, str | None, str, str, str]
"""An audit record in the order of COLUMNS."""

# `default` is asked for what JSON does not know: after _refuse that is a mapping of another kind than dict.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True, default=dict)


class Head(NamedTuple):
    """The end of the chain: the last record's number and hash."""

    seq: int
    hash: str


START = Head(0, GENESIS)


def canonical(value: object) -> str:
    """Canonical JSON. Raises TypeError for a float, a key that is not text, or what JSON does not know."""
    _refuse(value)
    return _ENCODER.encode(value)


def _refuse(value: object) -> None:
    kind = type(value)
    if kind is str or value is None or kind is int or kind is bool:
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            if type(key) is not str:
                raise TypeError(f"a record's keys are text, not {type(key).__name__}")
            _refuse(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _refuse(item)
    else:
        raise TypeError(f"a record holds text, whole numbers, yes/no, lists and objects, not {kind.__name__}")


def whole(value: Any) -> Any:
    """The value with lone surrogates replaced: they can arrive in a request, and UTF-8 cannot hold them."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {whole(key): whole(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [whole(item) for item in value]
    return value


def moment(at: datetime) -> str:
    """RFC 3339 in UTC with microseconds. Raises ValueError for a time without a zone."""
    if at.tzinfo is None:
        raise ValueError("a record's time must know its zone")
    at = at if at.tzinfo is UTC else at.astimezone(UTC)
    return at.isoformat(timespec="microseconds")[:-6] + "Z"


class Link(NamedTuple):
    """A record that waits for its place: everything is encoded, only number and previous hash are open."""

    fields: tuple[str, str, str, str, str, str, str | None, str]
    until_hash: bytes
    until_seq: bytes
    rest: bytes

    def join(self, previous: Head) -> tuple[Head, Row]:
        """The record behind `previous`."""
        seq, text = previous.seq + 1, previous.hash
        hashed = text.encode()
        digest = sha256(
            b"%b\n%b%b%b%d%b" % (hashed, self.until_hash, hashed, self.until_seq, seq, self.rest)
        ).hexdigest()
        return Head(seq, digest), (seq, *self.fields, text, digest)


def link(entry: JournalEntry) -> Link:
    """Encode an entry. Raises TypeError or ValueError for what cannot be recorded, before anybody waits."""
    detail = canonical(entry.detail)
    texts = (entry.site, entry.actor, entry.event, entry.before, entry.after, entry.request_id)
    try:
        return _encoded(moment(entry.at), texts, detail)
    except UnicodeEncodeError:
        return _encoded(moment(entry.at), tuple(map(whole, texts)), canonical(whole(entry.detail)))


def _encoded(at: str, texts: tuple[Any, ...], detail: str) -> Link:
    site, actor, event, before, after, request_id = texts
    request = "null" if request_id is None else quoted(request_id)
    return Link(
        (at, site, actor, event, before, after, request_id, detail),
        (
            f'{{"actor":{quoted(actor)},"after":{quoted(after)},"at":"{at}","before":{quoted(before)},'
            f'"detail":{detail},"event":{quoted(event)},"previous_hash":"'
        ).encode(),
        f'","request_id":{request},"seq":'.encode(),
        f',"site":{quoted(site)}}}'.encode(),
    )


class Walk:
    """Verifies records in order, as many at a time as one likes. Stops at the first that does not fit.

    `start` is the record before the first one: that of the `anchor` where older records were pruned, and for an export
    that begins later what its first record says.
    """

    def __init__(self, start: Head = START, *, anchor: Seal | None = None) -> None:
        self._start = self._head = start
        self._anchor = anchor
        self._first = self._records = 0
        self._broken_at: int | None = None
        self._reason = ""

    @property
    def head(self) -> Head:
        """The last record that was good; at the beginning that before the first."""
        return self._head

    @property
    def seq(self) -> int:
        """The last number that was good."""
        return self._head.seq

    @property
    def intact(self) -> bool:
        """Whether everything so far fits."""
        return self._broken_at is None

    def feed(self, rows: Iterable[Row]) -> int:
        """Verify more records and return how many were good; those behind a break are not looked at."""
        before, (seq, head) = self._head.seq, self._head
        try:
            # One loop without calls of ours: a million records take this way.
            for row in rows:
                number, at, site, actor, event, was, became, request_id, detail, previous, digest = row
                if number != seq + 1 or previous != head:
                    break
                text = (
                    f'{head}\n{{"actor":{quoted(actor)},"after":{quoted(became)},"at":{quoted(at)},'
                    f'"before":{quoted(was)},"detail":{detail},"event":{quoted(event)},"previous_hash":"{head}",'
                    f'"request_id":{"null" if request_id is None else quoted(request_id)},"seq":{number},'
                    f'"site":{quoted(site)}}}'
                )
                if sha256(text.encode()).hexdigest() != digest:
                    break
                seq, head = number, digest
            else:
                return seq - before
        except (TypeError, UnicodeEncodeError):
            pass  # what is no text, or no UTF-8, was not written by us: blamed below
        finally:
            # Also when reading itself fails: what was good until then stays said.
            self._advance(Head(seq, head))
        self._blame(row)
        return seq - before

    def explain(self, anchor: Seal | None) -> None:
        """A record tells of this anchor: it may be the one behind which the walk began."""
        if anchor is not None and Head(anchor.seq, anchor.hash) == self._start:
            self._anchor = anchor

    def must_reach(self, last: int) -> None:
        """Record `last` is known to have existed: a chain that ends before it was cut."""
        if self.intact and self.seq < last:
            self.break_off(f"the end was cut off: record {last} is known to have existed")

    def break_off(self, reason: str) -> None:
        """The record behind the last good one is bad for a reason that is not in its content."""
        self._broken_at, self._reason = self._head.seq + 1, reason

    def report(self) -> ChainReport:
        """What was found so far."""
        return ChainReport(
            intact=self.intact,
            records=self._records,
            first=self._first,
            last=self._head.seq if self._records else 0,
            head=self._head.hash,
            broken_at=self._broken_at,
            reason=self._reason,
            anchor=self._anchor,
        )

    def _advance(self, head: Head) -> None:
        if head.seq > self._head.seq:
            self._first = self._first or self._head.seq + 1
            self._records += head.seq - self._head.seq
            self._head = head

    def _blame(self, row: Row) -> None:
        wanted = self._head.seq + 1
        if row[0] > wanted:
            last = "" if row[0] == wanted + 1 else f" to {row[0] - 1}"
            self.break_off(f"record {wanted}{last} is missing: it was deleted")
        elif row[9] != self._head.hash:
            self.break_off(f"record {wanted} does not follow the one before it: it was moved, or one was replaced")
        elif readable(row[8]) is None:
            self.break_off(f"record {wanted} is damaged: its detail is no JSON object any more")
        else:
            self.break_off(f"record {wanted} was edited: its content does not fit its hash")


def readable(detail: object) -> dict[str, Any] | None:
    """A stored detail, or None for one that we cannot have written: no object, or what `canonical` refuses."""
    try:
        found = _DECODER.decode(detail) if isinstance(detail, str) else None
        if not isinstance(found, dict):
            return None
        canonical(found).encode()
    except (ValueError, TypeError, RecursionError):
        return None
    return found


def _refuse_number(text: str) -> None:
    raise ValueError(f"{text} is no whole number")


# Made once: `json.loads` with options makes one for each record.
_DECODER = json.JSONDecoder(parse_float=_refuse_number)
