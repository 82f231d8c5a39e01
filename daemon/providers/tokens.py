"""Bearer tokens of API 2.0, kept in memory and shared by all sites of one application. Owned by `clouds.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from daemon.ports import Secret

_FRESH: Final = 0.8  # of a token's life; what is left is for calls on their way and for clocks that differ
_Key = tuple[str, Secret]
Obtain = Callable[[], Awaitable[tuple[Secret, float]]]


@dataclass(frozen=True, slots=True)
class Token:
    """A token, and until when (monotonic seconds) it is used."""

    value: Secret
    fresh_until: float


@dataclass(slots=True)
class _Slot:
    token: Token | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Tokens:
    """One token per application and secret; asked for by many at once, it is obtained once."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._slots: dict[_Key, _Slot] = {}

    async def get(self, identity: str, secret: Secret, *, obtain: Obtain) -> tuple[Token, bool]:
        """Give a token, and whether it was kept from before. `obtain` gives a new one and its life in seconds."""
        self._drop_stale()
        slot = self._slots.setdefault((identity, secret), _Slot())
        async with slot.lock:
            token = slot.token
            if token is not None and self._monotonic() < token.fresh_until:
                return token, True
            asked_at = self._monotonic()
            value, life = await obtain()
            slot.token = Token(value, asked_at + life * _FRESH)
            return slot.token, False

    def forget(self, identity: str, secret: Secret, *, token: Token | None = None) -> None:
        """Forget the kept token, or only if it still is `token`: another call may have replaced it."""
        slot = self._slots.get((identity, secret))
        if slot is not None and (token is None or slot.token is token):
            slot.token = None

    def _drop_stale(self) -> None:
        now = self._monotonic()
        stale = [key for key, slot in self._slots.items() if not slot.lock.locked() and _is_over(slot, now)]
        for key in stale:
            del self._slots[key]


def _is_over(slot: _Slot, now: float) -> bool:
    return slot.token is None or slot.token.fresh_until <= now
