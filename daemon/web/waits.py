"""Requests that wait for something: when the server stops, they answer at once and are not cut off without a word."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from daemon.web.errors import HttpProblem

T = TypeVar("T")


class Waits:
    """The waits of one listener."""

    def __init__(self) -> None:
        self._open: set[asyncio.Timeout] = set()
        self._stopping = False

    def stop(self) -> None:
        """End every wait now, and let none begin."""
        self._stopping = True
        for wait in tuple(self._open):
            wait.reschedule(0)

    async def for_result(self, work: Awaitable[T]) -> T:
        """What is waited for. Raises `HttpProblem` (503) when the server stops meanwhile; the work is cancelled."""
        stopped = asyncio.timeout(0 if self._stopping else None)
        try:
            async with stopped:
                self._open.add(stopped)
                return await work
        except TimeoutError:
            if not stopped.expired():
                raise
            raise HttpProblem(
                503,
                "stopping",
                "sitebind is being stopped, and this was not finished.",
                remedy="Ask again when it runs.",
                headers={"Retry-After": "5", "Connection": "close"},
            ) from None
        finally:
            self._open.discard(stopped)

    async def at_most_until_the_stop(self, work: Awaitable[T], *, otherwise: T) -> T:
        """What is waited for, or `otherwise` when the server stops meanwhile."""
        try:
            return await self.for_result(work)
        except HttpProblem as problem:
            if problem.code != "stopping":
                raise
            return otherwise
