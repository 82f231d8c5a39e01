"""How many may be connected, and who makes room: over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator

import pytest

from daemon.engine.clock import SystemClock
from daemon.web import crowd
from tests.clock import ManualClock
from tests.web.described import DescribedClient
from tests.web.memory_engine import MemoryEngine
from tests.web.serving import Serve

MOST = 3


@pytest.fixture
async def api(engine: MemoryEngine, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> DescribedClient:
    """A server that takes three connections."""
    monkeypatch.setattr(crowd, "MOST", MOST)
    return await serve(engine)


Caller = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def connected(
    api: DescribedClient, number: int = 1, *, says: bytes = b"GET /-/heal"
) -> AsyncIterator[list[Caller]]:
    """So many callers that have said something, half a word if nothing else."""
    host, port = api.url.removeprefix("http://").split(":")
    callers: list[Caller] = []
    try:
        for _ in range(number):
            callers.append(await asyncio.open_connection(host, int(port)))
            callers[-1][1].write(says)
        yield callers
    finally:
        for _, writer in callers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def test_the_oldest_that_asks_for_nothing_makes_room(api: DescribedClient) -> None:
    """Whoever holds connections with half a request loses the oldest, and everybody else is answered."""
    async with connected(api, MOST) as callers:
        assert (await api.get("/-/healthy")).status == 200
        assert await callers[0][0].read() == b""
        callers[-1][1].write(b"thy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert (await callers[-1][0].read()).startswith(b"HTTP/1.1 200 ")


async def test_who_is_being_answered_makes_no_room(api: DescribedClient, caplog: pytest.LogCaptureFixture) -> None:
    """With as many requests under way as may be, more are closed, which is told once; those stay."""
    async with connected(api, MOST, says=b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n") as callers:
        for reader, _ in callers:
            await reader.readuntil(b"text/event-stream")
        with caplog.at_level(logging.WARNING):
            for _ in range(2):
                async with connected(api) as [(reader, _)]:
                    assert await _ended(reader)
        [record] = [one for one in caplog.records if one.name == "sitebind.web"]
        assert "3 connections are open and each has a request under way" in record.getMessage()
        for reader, _ in callers:
            await reader.readuntil(b"event: site")


async def _ended(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


async def test_who_does_not_take_the_answer_is_cut(
    engine: MemoryEngine, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller that acknowledges and reads nothing holds no memory for ever: the kernel ends it."""
    monkeypatch.setattr(crowd, "UNREAD_FOR", 300)
    api = await serve(engine)
    host, port = api.url.removeprefix("http://").split(":")
    with socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(lazy, (host, int(port)))
        ask = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
        async with asyncio.timeout(30):
            with pytest.raises(ConnectionError):
                await _ask_for_ever(lazy, ask * 200)
    assert (await api.get("/-/healthy")).status == 200


async def _ask_for_ever(caller: socket.socket, questions: bytes) -> None:
    while True:
        await asyncio.get_running_loop().sock_sendall(caller, questions)


def test_half_of_the_descriptors_are_for_other_things() -> None:
    """Where the process may have few, fewer may connect."""
    assert crowd.most_of(512) <= 512
    assert crowd.most_of(10**9) < 10**9


async def test_those_that_are_leaving_are_few() -> None:
    """A flood in one turn of the loop takes no more descriptors than were meant for it."""
    few = crowd.Crowd(ManualClock(), most=2)
    made = []
    for _ in range(2 + crowd.SPARE):
        ours, theirs = socket.socketpair()
        one = crowd.Connection(fileno=ours.detach())
        one.crowd = few
        assert few.makes_room()
        few.came(one)
        made += [one, theirs]
    assert not few.makes_room()
    for end in made:
        end.close()
    assert len(few) == 0
    assert few.makes_room()
    assert crowd.Crowd(SystemClock()).place_of(None) is not None
