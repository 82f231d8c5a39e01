"""Unbinding as it is asked for: the request, and the wait for its end. Used by the front door."""

from __future__ import annotations

import asyncio

from daemon.engine.driver import Driver
from daemon.engine.operations import Caller
from daemon.ports import Clock
from states import Step
from states.events import UnbindRequested


class Unbinds:
    """Knows which sites have an unbind under way, from their snapshots, and wakes who waits for its end."""

    def __init__(self, driver: Driver, clock: Clock) -> None:
        self._driver = driver
        self._clock = clock
        self._ends: dict[str, asyncio.Event] = {}
        driver.listen(self._saw)

    async def ask(self, site: str, *, caller: Caller, reason: str, local_only: bool) -> Step:
        """Record the intent. Raises `daemon.ports.JournalUnavailable`; then nothing happened."""
        event = UnbindRequested(actor=caller.actor, request_id=caller.request_id, reason=reason, local_only=local_only)
        return await self._driver.ask(site, event)

    async def wait(self, site: str, *, seconds: float) -> None:
        """Wait until none is under way, or so many seconds."""
        if not self._driver.snapshots[site].unbinding:
            return
        ended = self._ends.setdefault(site, asyncio.Event())
        waiting = (
            asyncio.create_task(ended.wait(), name=f"wait for the unbind of {site}"),
            asyncio.create_task(self._clock.sleep(seconds), name=f"wait at most {seconds} s for the unbind of {site}"),
        )
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    def _saw(self, step: Step) -> None:
        if step.before.unbinding and not step.after.unbinding:
            ended = self._ends.pop(step.after.site, None)
            if ended is not None:
                ended.set()
