"""Canaries, and the search for them in every form in which a secret leaks."""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

HEADER = "Proxy-Authorization"


@dataclass(frozen=True)
class Canary:
    """A secret that exists nowhere else. `core` is the part of letters and digits that no escaping changes."""

    name: str
    core: str
    text: str = field(repr=False)

    def forms(self) -> Iterator[tuple[str, bytes]]:
        """Every form by name: the whole secret, and its core wherever it lies inside other text."""
        yield from _forms("whole", self.text)
        yield from _forms("core", self.core)


def canary(name: str, *, plain: bool = False) -> Canary:
    """With characters that every encoding treats in a way of its own, unless it must be `plain` (a header)."""
    core = f"Canary{secrets.token_hex(9)}Yranac"
    return Canary(name, core, core if plain else f'{core} "Zoë"\\%+/@&=é')


def given(name: str, text: str) -> Canary:
    """A secret that somebody else made, for example a key of the service."""
    runs = re.findall(r"[A-Za-z0-9]{8,}", text)
    return Canary(name, max(runs, key=len) if runs else text, text)


def _forms(what: str, text: str) -> Iterator[tuple[str, bytes]]:
    raw = text.encode()
    yield f"{what}, raw", raw
    yield f"{what}, UTF-16", text.encode("utf-16-le")
    yield f"{what}, latin-1", text.encode("latin-1", "replace")
    yield f"{what}, hex", raw.hex().encode()
    yield f"{what}, HEX", raw.hex().upper().encode()
    for name, escaped in _escaped(text).items():
        yield f"{what}, {name}", escaped.encode()
    for number, piece in enumerate(_inside_base64(raw)):
        yield f"{what}, base64 at offset {number}", piece
        yield f"{what}, base64url at offset {number}", piece.replace(b"+", b"-").replace(b"/", b"_")


def _escaped(text: str) -> dict[str, str]:
    once = json.dumps(text)[1:-1]
    return {
        "URL-encoded": quote(text, safe=""),
        "URL-encoded in small letters": re.sub("%..", lambda found: found[0].lower(), quote(text, safe="")),
        "as a form": quote_plus(text),
        "JSON": once,
        "JSON as it is": json.dumps(text, ensure_ascii=False)[1:-1],
        "JSON in JSON": json.dumps(once)[1:-1],
        "repr": repr(text)[1:-1],
        "SQL": text.replace("'", "''"),
    }


def _inside_base64(raw: bytes) -> Iterator[bytes]:
    """What is the same whatever stands before and behind, so that `user:secret` is found as well."""
    for offset in range(3):
        coded = base64.b64encode(b"\0" * offset + raw)
        begin, over = (0, 2, 3)[offset], (0, 3, 2)[(offset + len(raw)) % 3]
        yield coded[begin : len(coded) - over]


@dataclass(frozen=True)
class Find:
    """A leak: which secret, in which form, where, with a little of what stands around it."""

    canary: str
    form: str
    place: str
    around: str


def hunt(canaries: Iterable[Canary], places: Mapping[str, bytes | str]) -> list[Find]:
    """Every canary in every form in every place, and the header that carries the proxy's password."""
    wanted = [(one.name, form, needle) for one in canaries for form, needle in one.forms() if len(needle) >= 8]
    found: list[Find] = []
    for place, content in places.items():
        hay = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
        found += [Find(name, form, place, _around(hay, needle)) for name, form, needle in wanted if needle in hay]
        if HEADER.lower().encode() in hay.lower():
            found.append(Find("the proxy's header", HEADER, place, _around(hay.lower(), HEADER.lower().encode())))
    return found


def _around(hay: bytes, needle: bytes) -> str:
    at = hay.index(needle)
    return hay[max(0, at - 60) : at + len(needle) + 30].decode("utf-8", "replace")
