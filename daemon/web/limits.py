"""How often one caller may call: a token bucket each, kept as one number. Called by `daemon.web.gate`."""

from __future__ import annotations

import math
from typing import Final

from daemon.config.model import DaemonSettings
from daemon.ports import Clock
from daemon.web.auth import Principal
from daemon.web.errors import HttpProblem

FROM_THE_NETWORK: Final = 100
"""Requests a second where `rate_limit` is not set; callers on this machine share an address and have no limit then."""
MOST_CALLERS: Final = 4096


class RateLimit:
    """Remembers for each caller when its bucket will be full again; a full bucket needs no memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._full_at: dict[str, float] = {}

    def charge(self, principal: Principal, settings: DaemonSettings) -> None:
        """Count one request. Raises `HttpProblem` 429 with Retry-After when there were too many."""
        rate = settings.rate_limit
        if rate is None:
            if principal.local:
                return
            rate = FROM_THE_NETWORK
        if not rate:
            return
        burst = settings.rate_burst or 2 * rate
        now = self._clock.monotonic()
        full_at = max(now, self._full_at.get(principal.key, 0.0)) + 1 / rate
        late = full_at - now - burst / rate
        if late > 1e-9:
            raise _too_many(rate, late)
        if principal.key not in self._full_at and len(self._full_at) >= MOST_CALLERS:
            self._make_room(now)
        self._full_at[principal.key] = full_at

    def _make_room(self, now: float) -> None:
        self._full_at = {key: at for key, at in self._full_at.items() if at > now}
        while len(self._full_at) >= MOST_CALLERS:
            del self._full_at[next(iter(self._full_at))]


def _too_many(rate: int, late: float) -> HttpProblem:
    return HttpProblem(
        429,
        "too-many-requests",
        f"Too many requests from this caller; {rate} a second are allowed.",
        headers={"Retry-After": str(math.ceil(late))},
        remedy="Ask less often, or raise [daemon] rate_limit.",
    )
