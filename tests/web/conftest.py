"""A web server on a free port over an engine in memory, and a client that checks every answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest

from metrics import Instruments
from tests.web.described import DescribedClient
from tests.web.memory_engine import MemoryEngine
from tests.web.serving import Measured, Serve, made


@pytest.fixture
def engine() -> MemoryEngine:
    return MemoryEngine("default")


@pytest.fixture
def measured() -> Measured:
    return Measured()


@pytest.fixture
def instruments(measured: Measured) -> Instruments:
    return measured.instruments


@pytest.fixture
async def serve(measured: Measured) -> AsyncIterator[Serve]:
    """Start a server over an engine; answers with a client for it."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())

        async def start(engine: MemoryEngine) -> DescribedClient:
            server = made(engine, measured)
            await server.start()
            stack.push_async_callback(server.stop)
            return DescribedClient(session, server.url)

        yield start


@pytest.fixture
async def api(engine: MemoryEngine, serve: Serve) -> DescribedClient:
    """A client of a server over the engine with one configured site, `default`."""
    return await serve(engine)
