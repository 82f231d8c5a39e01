"""The page over an engine in memory, and who visits it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import aiohttp
import pytest

from daemon.ports import Secret
from tests.clock import ManualClock
from tests.page.browsing import Visitor
from tests.web.described import described_session
from tests.web.memory_engine import MemoryEngine
from tests.web.serving import Measured, made

TOKEN = "a-token-for-the-page"

Visit = Callable[[MemoryEngine], Awaitable[Visitor]]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def engine() -> MemoryEngine:
    engine = MemoryEngine("default")
    engine.token = Secret(TOKEN)
    return engine


@pytest.fixture
async def visit() -> AsyncIterator[Visit]:
    """Serve an engine; answers with a visitor who has no cookie yet."""
    async with AsyncExitStack() as stack:

        async def start(engine: MemoryEngine) -> Visitor:
            server = made(engine, Measured())
            await server.start()
            stack.push_async_callback(server.stop)
            jar = aiohttp.CookieJar(unsafe=True)  # cookies of an address, not of a name
            session = await stack.enter_async_context(described_session(cookie_jar=jar))
            return Visitor(session, server.url)

        yield start


@pytest.fixture
async def visitor(engine: MemoryEngine, visit: Visit) -> Visitor:
    return await visit(engine)
