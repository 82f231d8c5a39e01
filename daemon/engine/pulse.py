"""Whether many consumers turn, asked now and then; while nobody asks a turn costs one look at an empty set."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable


class Pulse:
    """`turned` is called by each consumer when it has ended what it had in hand, or has a reason to wait."""

    def __init__(self) -> None:
        self._missing: set[str] = set()
        self._complete = asyncio.Event()

    def turned(self, who: str) -> None:
        """`who` has had a turn."""
        if self._missing:
            self._missing.discard(who)
            if not self._missing:
                self._complete.set()

    async def of(self, consumers: Iterable[str]) -> None:
        """Return once each of these has turned since now. One asks at a time."""
        self._missing = set(consumers)
        self._complete.clear()
        if self._missing:
            await self._complete.wait()
