"""`GET …/resolve` line by line, over a directory that a test plays: what fails on the way, and who does not read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import urlsplit

import pytest

from daemon.engine.operations import Lookup, Unfolding
from daemon.engine.unfolding import Asked
from daemon.ports import DirectoryObject, ProviderFault
from daemon.web import resolving
from states import Fault
from tests.resolutions import FOUND, GROUP
from tests.web.described import agrees_in_lines, described_session
from tests.web.memory_engine import MemoryEngine
from tests.web.serving import Serve

PATH = "/api/v1/sites/default/resolve"


class Played(MemoryEngine):
    """Its group has `size` members, or no end; after them comes `error`. Without `more` it waits after each."""

    def __init__(self, *, size: int = 10**9, error: Exception | None = None) -> None:
        super().__init__("default")
        self.size = size
        self.error = error
        self.released = asyncio.Event()
        self.more = asyncio.Event()
        self.more.set()

    async def unfold(self, _site: str, _lookup: Lookup) -> Unfolding:
        return Asked(FOUND, self._members(), most=10**9, seconds=lambda: 2.5, keep=lambda _: None)

    async def _members(self) -> AsyncGenerator[DirectoryObject, None]:
        try:
            for _ in range(self.size):
                yield GROUP
                await self.more.wait()
            if self.error is not None:
                raise self.error
        finally:
            self.released.set()


async def lines(engine: Played, serve: Serve) -> list[dict[str, Any]]:
    """The whole answer."""
    url = (await serve(engine)).url
    async with (
        described_session(headers={"Accept": resolving.LINES}) as session,
        session.get(f"{url}{PATH}?group=Everybody&members=yes") as answer,
    ):
        told = [json.loads(line) async for line in answer.content]
        agrees_in_lines("GET", PATH, answer, told)
        return told


async def test_a_directory_that_fails_on_the_way_is_the_last_line(serve: Serve) -> None:
    """With the remedy, as a problem document would say it; what came before stands."""
    fault = ProviderFault(Fault.DIRECTORY_UNREACHABLE, "dc1 is gone")
    first, *members, last = await lines(Played(size=250, error=fault), serve)
    assert first["resolution"]["wanted"] == "Everybody"
    assert len(members) == 250
    problem = last["problem"]
    assert (problem["status"], problem["code"], problem["detail"]) == (503, "directory-failed", "dc1 is gone")
    assert problem["remedy"] == Fault.DIRECTORY_UNREACHABLE.remedy
    assert problem["request_id"]


async def test_a_defect_on_the_way_tells_nothing_of_itself(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """It stands in the log under the request's id."""
    *_, last = await lines(Played(size=1, error=ValueError("0xdead")), serve)
    assert (last["problem"]["code"], "0xdead" in str(last)) == ("internal", False)
    assert "nobody foresaw" in caplog.text


async def test_a_member_is_not_held_back_behind_a_slow_one(serve: Serve) -> None:
    """What the directory has given is on its way before the next one comes."""
    engine = Played(size=2)
    engine.more.clear()
    url = (await serve(engine)).url
    async with (
        described_session(headers={"Accept": resolving.LINES}) as session,
        session.get(f"{url}{PATH}?group=Everybody&members=yes") as answer,
    ):
        assert "resolution" in json.loads(await answer.content.readline())
        engine.more.set()
        assert [next(iter(json.loads(line))) async for line in answer.content] == ["member", "member", "end"]


async def unread(url: str) -> asyncio.StreamWriter:
    """A caller that asks, and reads no more once the answer begins."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=16)
    head = (
        f"GET {PATH}?group=Everybody&members=yes HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: {resolving.LINES}\r\n\r\n"
    )
    writer.write(head.encode())
    assert await reader.readexactly(15) == b"HTTP/1.1 200 OK"
    return writer


async def test_who_does_not_take_the_answer_is_cut_off(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search in the directory is not kept open for it."""
    monkeypatch.setattr(resolving, "TAKEN_WITHIN", 0.05)
    engine = Played()
    writer = await unread((await serve(engine)).url)
    async with asyncio.timeout(20):
        await engine.released.wait()
    writer.close()


async def test_who_leaves_ends_the_search(serve: Serve) -> None:
    engine = Played()
    writer = await unread((await serve(engine)).url)
    writer.transport.abort()
    async with asyncio.timeout(20):
        await engine.released.wait()


async def test_a_head_is_answered_without_a_stream(serve: Serve) -> None:
    """As any other; nothing is waited for."""
    engine = Played(size=0)
    engine.lookup = lambda *_: asyncio.sleep(0, FOUND)  # type: ignore[attr-defined]
    url = (await serve(engine)).url
    async with (
        described_session(headers={"Accept": resolving.LINES}) as session,
        session.head(f"{url}{PATH}?group=Everybody") as answer,
    ):
        assert (answer.status, answer.content_type) == (200, "application/json")
