"""What one connection to the receiver of audit records carries. Made by `daemon.engine.forwarding` for each.

A record is *sent* when the receiver's machine has acknowledged it, and *delivered* when the connection has outlived
that by `SETTLED` seconds, or the receiver ended it in order behind it. After a loss what was sent and not delivered is
sent again: it may have lain in the memory of a program that died before it read it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from daemon.audit_ports import Delivered, Outbox
from daemon.audit_values import ForwardFormat
from daemon.engine.waiting import pause
from daemon.ports import Clock

SETTLED: Final = 5.0
KEEP_EVERY: Final = 1.0
"""Seconds between two writings of the position at the least, while more and more is delivered."""
GOOD_BYE: Final = 2.0
"""Seconds that a receiver has to end the connection after us."""


@dataclass(slots=True)
class Progress:
    """Numbers of records: up to where they were sent, were delivered, and are durably known to be delivered."""

    sent: int
    delivered: int
    kept: int


class _Sent(NamedTuple):
    last: int
    at: float


class Delivery:
    """Moves `progress` and calls `moved` then. `woken` is set for new records, a lost connection and `closing`."""

    def __init__(
        self,
        connection: Delivered,
        progress: Progress,
        *,
        outbox: Outbox,
        format: ForwardFormat,
        clock: Clock,
        woken: asyncio.Event,
        closing: asyncio.Event,
        moved: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._progress = progress
        self._outbox = outbox
        self._format = format
        self._clock = clock
        self._woken = woken
        self._closing = closing
        self._moved = moved
        self._unsettled: deque[_Sent] = deque()
        self._kept_at = clock.monotonic()

    async def run(self) -> None:
        """Until nothing waits and one of both sides ends it. Raises `ProviderFault`, `JournalUnavailable`."""
        while True:
            self._woken.clear()
            more = await self._send_page()
            await self._settle()
            if not more and (self._connection.ended or self._closing.is_set()):
                break
            if not more:
                await self._rest()
        await self._end()

    async def _send_page(self) -> bool:
        page = await self._outbox.page(self._format, after=self._progress.sent)
        if page is None:
            return False
        await self._connection.send(page.data)
        self._progress.sent = page.last
        self._unsettled.append(_Sent(page.last, self._clock.monotonic()))
        self._moved()
        return True

    async def _settle(self) -> None:
        now = self._clock.monotonic()
        # After a stall of this process it is late already, and the receiver may be long gone.
        while self._unsettled and self._unsettled[0].at + SETTLED <= now and self._connection.stands:
            self._progress.delivered = self._unsettled.popleft().last
            self._moved()
        if not self._unsettled or now - self._kept_at >= KEEP_EVERY:
            await self._keep()

    async def _keep(self) -> None:
        if self._progress.delivered > self._progress.kept:
            await self._outbox.keep(self._progress.delivered)
            self._progress.kept = self._progress.delivered
            self._kept_at = self._clock.monotonic()

    async def _rest(self) -> None:
        if not self._unsettled:
            await self._woken.wait()
            return
        seconds = self._unsettled[0].at + SETTLED - self._clock.monotonic()
        await pause(self._clock, seconds, woken=self._woken, name="audit delivery")

    async def _end(self) -> None:
        """Whoever ends it, what the receiver has certainly read need not be sent again."""
        if self._connection.ended:
            if self._unsettled:
                self._connection.check()
            return
        if await self._connection.finish(seconds=GOOD_BYE) and self._unsettled:
            self._progress.delivered = self._progress.sent
            self._unsettled.clear()
            self._moved()
        await self._keep()
