"""Passwords of the metrics listener's users: bcrypt, off the loop, and what was right is remembered by a keyed hash.

bcrypt takes a tenth of a second on purpose; a scrape every few seconds must not. Used by
`daemon.web.metrics_listener`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Final

import bcrypt

_REMEMBERED: Final = 64
_LONGEST: Final = 72
"""What bcrypt looks at; the exporters cut longer ones off too."""
_NOBODY: Final = "$2b$10$Q7ENj5AJdxv6orzDdaaM0..cjCyVbDW2gnqoCpQdGpbpWIxf.zpGS"
"""Compared with for an unknown user, so that the time does not tell which names exist."""


class Passwords:
    """Checks one password at a time, so that guessing occupies one processor at most."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._right: dict[bytes, None] = {}
        self._turn = asyncio.Lock()

    async def fits(self, user: str, password: str, users: Mapping[str, str]) -> bool:
        """Whether this is the user's password."""
        known = users.get(user, _NOBODY)
        mark = self._mark(user, password, known)
        if mark in self._right:
            return True
        async with self._turn:
            right = await asyncio.to_thread(_compare, password, known) and user in users
        if right:
            if len(self._right) >= _REMEMBERED:
                del self._right[next(iter(self._right))]
            self._right[mark] = None
        return right

    def _mark(self, user: str, password: str, known: str) -> bytes:
        # With the hash inside: a password that was changed in the file is not remembered any more.
        parts = (part.encode("utf-8", "surrogateescape") for part in (user, known, password))
        return hmac.digest(self._key, b"\0".join(hashlib.sha256(part).digest() for part in parts), "sha256")


def _compare(password: str, known: str) -> bool:
    try:
        return bcrypt.checkpw(password.encode("utf-8", "surrogateescape")[:_LONGEST], known.encode())
    except ValueError:  # what cannot be a bcrypt hash fits nobody
        return False
