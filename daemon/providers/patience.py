"""Waiting for a service that is busy: as long as it asks, ever longer if it does not say, and never without an end.

Used by `graph.py`, one object for each call.
"""

from __future__ import annotations

from typing import Final

from daemon.ports import Clock

_FIRST: Final = 1.0
_LONGEST: Final = 32.0


class Patience:
    """Waits on `clock`, `seconds` at the most in all."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._waited = 0.0
        self._pause = _FIRST
        self.next = _FIRST
        """The wait that was too long: what whoever tries again later should wait first."""

    def __str__(self) -> str:
        return f"{self._waited:g} s were waited for it in this call" if self._waited else "it was not waited for"

    async def wait(self, asked: float | None) -> bool:
        """Wait as long as was asked, or twice as long as the last time; False, at once, if that is too long."""
        # A wait of nothing would be a loop that asks without a pause.
        self.next = self._pause if asked is None else max(asked, _FIRST)
        if self._waited + self.next > self._seconds:
            return False
        self._waited += self.next
        self._pause = min(_LONGEST, self._pause * 2)
        await self._clock.sleep(self.next)
        return True
