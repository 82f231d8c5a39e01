"""The real clock. Tests hand in one of their own."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime


class SystemClock:
    """Wall time and monotonic time of this host; implements `daemon.ports.Clock`."""

    def now(self) -> datetime:
        """The wall time, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait; zero and less only yields."""
        await asyncio.sleep(max(0.0, seconds))
