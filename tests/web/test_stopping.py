"""A stop while somebody waits: they get an answer, not a connection that ends."""

from __future__ import annotations

import asyncio
from typing import NoReturn

import pytest

from tests.web.described import described_session
from tests.web.memory_engine import MemoryEngine
from tests.web.serving import Measured, made

ASKED = {
    "doctor": ("POST", "/api/v1/sites/default/doctor"),
    "lookup": ("GET", "/api/v1/sites/default/resolve?address=a@b.c"),
}


@pytest.mark.parametrize("operation", ASKED)
async def test_what_a_stop_interrupts_is_answered(engine: MemoryEngine, operation: str) -> None:
    method, path = ASKED[operation]
    begun = asyncio.Event()

    async def endless(*_: object, **__: object) -> NoReturn:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    setattr(engine, operation, endless)
    server = made(engine, Measured())
    await server.start()
    async with described_session() as session:

        async def asked() -> tuple[int, str]:
            async with session.request(method, server.url + path) as answer:
                return answer.status, (await answer.json(content_type=None))["code"]

        asking = asyncio.create_task(asked())
        await begun.wait()
        await server.stop()
        assert await asking == (503, "stopping")
