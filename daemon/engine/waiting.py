"""Waiting for a time or for a word, whichever comes first. Used wherever the engine pauses."""

from __future__ import annotations

import asyncio

from daemon.ports import Clock


async def pause(clock: Clock, seconds: float, *, woken: asyncio.Event, name: str) -> None:
    """Wait `seconds`, or until `woken` is set. Leaves no task behind, also when it is cancelled."""
    tasks = (
        asyncio.create_task(clock.sleep(seconds), name=f"{name}: until it is time"),
        asyncio.create_task(_until(woken), name=f"{name}: until woken"),
    )
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _until(woken: asyncio.Event) -> None:
    await woken.wait()
