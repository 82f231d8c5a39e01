"""What follows a Kerberos sign-in without TLS: every message signed and encrypted by the sign-in's own keys (RFC 4752).

Made by `ldap_kerberos.py`, worn by `ldap_wire.py`.
"""

from __future__ import annotations

from typing import Final, Protocol

from daemon.providers.kerberos import Context
from daemon.providers.kerberos_errors import Trouble

RECEIVES: Final = 256 * 1024
"""Bytes of a buffer that is taken at the most: opening one must not hold up the loop."""

_LENGTH: Final = 4


class Broken(Exception):
    """What came was not sealed as agreed, or nothing can be sealed any more (the ticket has expired)."""


class Seal(Protocol):
    """Made for one connection, whose bytes it takes in their order."""

    def sealed(self, data: bytes) -> bytes:
        """What is to be sent for `data`. Raises `Broken`."""

    def opened(self, data: bytes) -> bytes:
        """What has become whole with `data`. Raises `Broken`."""


class KerberosSeal:
    """`sends`: bytes of a buffer that the server takes at the most."""

    def __init__(self, context: Context, *, sends: int) -> None:
        self._context = context
        self._piece = max(1, context.room_in(sends))
        self._buffer = bytearray()

    def sealed(self, data: bytes) -> bytes:
        pieces = (data[start : start + self._piece] for start in range(0, len(data), self._piece))
        return b"".join(self._wrapped(piece) for piece in pieces)

    def opened(self, data: bytes) -> bytes:
        self._buffer += data
        found = bytearray()
        while len(self._buffer) >= _LENGTH:
            length = int.from_bytes(self._buffer[:_LENGTH], "big")
            if length > RECEIVES:
                raise Broken
            if len(self._buffer) < _LENGTH + length:
                break
            found += self._unwrapped(bytes(self._buffer[_LENGTH : _LENGTH + length]))
            del self._buffer[: _LENGTH + length]
        return bytes(found)

    def _wrapped(self, piece: bytes) -> bytes:
        wrapped = self._context.wrapped(piece, encrypt=True)
        if isinstance(wrapped, Trouble):
            raise Broken
        return len(wrapped).to_bytes(_LENGTH, "big") + wrapped

    def _unwrapped(self, wrapped: bytes) -> bytes:
        data = self._context.unwrapped(wrapped, encrypted=True)
        if isinstance(data, Trouble):
            raise Broken
        return data
