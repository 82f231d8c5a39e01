"""A stop while somebody waits: they get an answer, not a connection that ends."""

from __future__ import annotations

import asyncio
from typing import NoReturn

import aiohttp

from tests.web.memory_engine import MemoryEngine
from tests.web.serving import Measured, made


async def test_an_examination_that_a_stop_interrupts_is_answered(engine: MemoryEngine) -> None:
    begun = asyncio.Event()

    async def endless(*_: object, **__: object) -> NoReturn:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    engine.doctor = endless  # type: ignore[method-assign]
    server = made(engine, Measured())
    await server.start()
    async with aiohttp.ClientSession() as session:

        async def asked() -> tuple[int, str]:
            async with session.post(f"{server.url}/api/v1/sites/default/doctor") as answer:
                return answer.status, (await answer.json(content_type=None))["code"]

        asking = asyncio.create_task(asked())
        await begun.wait()
        await server.stop()
        assert await asking == (503, "stopping")
