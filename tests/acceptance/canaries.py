"""Secrets that nobody else has, and every dress in which one could leave the process unnoticed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus


def dresses(secret: str) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of each form to look for."""
    raw = secret.encode()
    yield "raw", raw
    yield "Latin-1", secret.encode("latin-1")
    yield "UTF-16", secret.encode("utf-16-le")
    yield "hex", raw.hex().encode()
    yield "HEX", raw.hex().upper().encode()
    yield "URL", quote(secret, safe="").encode()
    yield "path", quote(secret).encode()
    yield "form", quote_plus(secret).encode()
    yield "JSON", json.dumps(secret)[1:-1].encode()
    yield "JSON in UTF-8", json.dumps(secret, ensure_ascii=False)[1:-1].encode()
    yield "JSON in JSON", json.dumps(json.dumps(secret))[3:-3].encode()
    yield "repr", repr(secret)[1:-1].encode()
    for offset in range(3):
        # Inside a longer text, "user:" before it for example, base64 begins at another place of its alphabet.
        whole = base64.b64encode(b"\0" * offset + raw)
        middle = whole[4 * bool(offset) : len(whole) // 4 * 4 - 4]
        yield f"base64 at {offset}", middle
        yield f"base64url at {offset}", middle.replace(b"+", b"-").replace(b"/", b"_")


def leaks(canaries: Mapping[str, str], places: Mapping[str, bytes]) -> list[str]:
    """`password as base64 at 1 in sitebind.db`: each canary that was found where it must not be."""
    return [
        f"{name} as {dress} in {place}"
        for name, secret in canaries.items()
        for dress, form in dresses(secret)
        for place, content in places.items()
        if form in content
    ]
