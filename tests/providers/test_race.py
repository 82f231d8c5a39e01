"""The race for a connection: the first address that answers wins, and nothing is left behind."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from daemon.providers.race import first_connection
from tests.providers.conftest import Servers


@pytest.fixture
def deaf() -> Iterator[tuple[str, int]]:
    """An address where connections hang: its queue is full and nobody accepts."""
    with socket.create_server(("127.0.0.2", 0), backlog=0) as server:
        address, port = server.getsockname()
        callers = [socket.socket() for _ in range(4)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex((address, port))
        yield address, port
        for caller in callers:
            caller.close()


async def listening_beside(servers: Servers, port: int) -> list[asyncio.StreamWriter]:
    """A server on the same port of 127.0.0.1; the connections that it took."""
    taken: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: taken.append(writer), "127.0.0.1", port)
    servers.stack.callback(server.close)
    return taken


async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_an_address_that_does_not_answer_does_not_hold_up_the_next(
    servers: Servers, deaf: tuple[str, int]
) -> None:
    """A dead IPv6 network is the usual case."""
    address, port = deaf
    taken = await listening_beside(servers, port)
    async with asyncio.timeout(5):
        _, writer = await first_connection([address, "127.0.0.1"], port)
    assert writer.get_extra_info("peername")[0] == "127.0.0.1"
    writer.transport.abort()
    servers.writers += taken


async def test_an_address_that_refuses_makes_way_at_once(servers: Servers) -> None:
    port = await servers.open(hold)
    _, writer = await first_connection(["127.0.0.3", "127.0.0.1"], port)
    assert writer.get_extra_info("peername")[0] == "127.0.0.1"
    writer.transport.abort()


async def test_when_all_refuse_the_first_ones_reason_is_given() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(ConnectionRefusedError, match=r"127\.0\.0\.4"):
        await first_connection(["127.0.0.4", "127.0.0.5"], port)


async def test_being_cancelled_at_any_moment_leaves_nothing_behind(servers: Servers) -> None:
    """A socket that is lost is a warning, which fails the test."""
    port = await servers.open(hold)
    for turns in range(12):
        work = asyncio.create_task(first_connection(["127.0.0.1"], port), name="race")
        for _ in range(turns):
            await asyncio.sleep(0)
        work.cancel()
        found = (await asyncio.gather(work, return_exceptions=True))[0]
        if not isinstance(found, BaseException):
            found[1].transport.abort()
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("connect to")] == []
