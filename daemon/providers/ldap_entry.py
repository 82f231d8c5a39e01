"""Entries of a search, read from their bytes. Called by `ldap_wire.py` for the one message that comes in thousands.

sansldap reads them too, but takes half a millisecond for one, ten times as long; it stays with everything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_SEQUENCE: Final = 0x30
_SET: Final = 0x31
_INTEGER: Final = 0x02
_OCTETS: Final = 0x04
_SEARCH_ENTRY: Final = 0x64


@dataclass(frozen=True, slots=True)
class Entry:
    """An object as the server gave it; attribute names in lower case; an attribute may come without values."""

    dn: str
    attributes: dict[str, tuple[bytes, ...]]

    def value(self, name: str) -> bytes:
        """The first value; empty where there is none."""
        return next(iter(self.attributes.get(name, ())), b"")

    def text(self, name: str) -> str:
        """The first value as text; empty where there is none."""
        return self.value(name).decode("utf-8", "replace")

    def texts(self, name: str) -> list[str]:
        """Every value as text."""
        return [value.decode("utf-8", "replace") for value in self.attributes.get(name, ())]


def entry_in(frame: bytes) -> tuple[int, Entry] | None:
    """The entry that a whole message holds, with its number; None if it is another message.

    Raises `ValueError` for an entry that is broken.
    """
    at, end = _content(frame, 0, tag=_SEQUENCE, limit=len(frame))
    at, after = _content(frame, at, tag=_INTEGER, limit=end)
    number = int.from_bytes(frame[at:after], "big", signed=True)
    if after >= end or frame[after] != _SEARCH_ENTRY:
        return None
    at, end = _content(frame, after, tag=_SEARCH_ENTRY, limit=end)
    at, after = _content(frame, at, tag=_OCTETS, limit=end)
    dn = frame[at:after].decode()
    at, end = _content(frame, after, tag=_SEQUENCE, limit=end)
    return number, Entry(dn, _attributes(frame, at, end))


def _attributes(frame: bytes, at: int, end: int) -> dict[str, tuple[bytes, ...]]:
    found: dict[str, tuple[bytes, ...]] = {}
    while at < end:
        inner, at = _content(frame, at, tag=_SEQUENCE, limit=end)
        start, stop = _content(frame, inner, tag=_OCTETS, limit=at)
        name = frame[start:stop].decode().lower()
        inner, stop = _content(frame, stop, tag=_SET, limit=at)
        values: list[bytes] = []
        while inner < stop:
            start, inner = _content(frame, inner, tag=_OCTETS, limit=stop)
            values.append(frame[start:inner])
        # Tuples: the garbage collector forgets those of bytes, and dicts of them, so that pages do not make it work.
        found[name] = tuple(values)
    return found


def _content(frame: bytes, at: int, *, tag: int, limit: int) -> tuple[int, int]:
    """Where the content of the element at `at` begins and ends. Raises `ValueError` if it is no such element."""
    if at + 2 > limit or frame[at] != tag:
        raise ValueError("another element than expected")
    length, start = frame[at + 1], at + 2
    if length & 0x80:
        octets = length & 0x7F
        if not 1 <= octets <= 4 or start + octets > limit:
            raise ValueError("a length that LDAP does not know")
        length, start = int.from_bytes(frame[start : start + octets], "big"), start + octets
    if start + length > limit:
        raise ValueError("an element that is longer than what holds it")
    return start, start + length
