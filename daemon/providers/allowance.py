"""The rate budget that an application has at the service, shared by every site that uses it. Used by `http.py`.

The service says with each answer how many calls are left and when some are given back. Whoever finds nothing
left waits for that, instead of spending an attempt on a 429; when the wait is long, the caller is told at once
so that it can plan its retry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from daemon.ports import Clock, ProviderFault
from daemon.providers.answer import retry_after, unsigned
from states import Fault

LONGEST_PAUSE: Final = 10.0
"""Seconds that a call waits by itself; more is a fault that names the time."""

Key = tuple[str, str, str]
"""Origin of the service, application and endpoint: limits differ by resource."""


class Allowances:
    """When spent budgets are given back, by key. A budget of which the service says nothing has no end."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._spent: dict[Key, float] = {}

    async def wait(self, key: Key) -> None:
        """Wait until the budget has calls again. Raises `ProviderFault` THROTTLED when that takes long."""
        while (left := self._left(key)) > 0:
            if left > LONGEST_PAUSE:
                detail = f"the service's allowance for this application is used up for {left:.0f} s more"
                raise ProviderFault(Fault.THROTTLED, detail, retry_after=left)
            await self._clock.sleep(left)

    def note(self, key: Key, *, status: int, headers: Mapping[str, str]) -> None:
        """Learn from an answer. `X-RateLimit-Reset` counts in milliseconds."""
        seconds = retry_after(status, headers, now=self._clock.now()) if status == 429 else None
        if seconds is None and headers.get("X-RateLimit-Remaining", "").strip() == "0":
            milliseconds = unsigned(headers.get("X-RateLimit-Reset", "").strip())
            seconds = None if milliseconds is None else min(milliseconds / 1000, 3600.0)
        if seconds:
            self._spent[key] = self._clock.monotonic() + seconds

    def _left(self, key: Key) -> float:
        if key not in self._spent:
            return 0.0
        left = self._spent[key] - self._clock.monotonic()
        if left <= 0:
            del self._spent[key]
        return max(0.0, left)
