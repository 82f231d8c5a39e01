"""The event stream at the door: what is asked, how many may ask, who may go on, and that no text breaks out of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta

import aiohttp
import pytest

from daemon.engine.feed import PULSE_SECONDS
from daemon.engine.operations import Caller
from daemon.ports import Scope
from daemon.web.events import HEARTBEAT, MOST_CLIENTS, MOST_OF_A_CALLER
from daemon.web.server import WebServer
from states import Fault
from states.events import BindRequested
from tests.clock import ManualClock
from tests.running import eventually
from tests.streams import Stream, streaming
from tests.web.described import DescribedClient, Reply, agrees, described_session
from tests.web.memory_engine import MemoryEngine
from tests.web.serving import Measured, made

PATH = "/api/v1/events"


@dataclass
class Served:
    """A server on a clock that the test moves, and who calls it."""

    engine: MemoryEngine
    server: WebServer
    clock: ManualClock
    session: aiohttp.ClientSession
    measured: Measured
    open: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def api(self) -> DescribedClient:
        return DescribedClient(self.session, self.server.url)

    async def follow(self, query: str = "", *, last: int | None = None, token: str = "") -> Stream:
        """A stream that stays open to the end of the test."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        opened = streaming(self.session, self.server.url + PATH + query, last=last, headers=headers)
        return await self.open.enter_async_context(opened)

    async def token(self, name: str, *, lifetime: timedelta | None = None) -> tuple[str, str]:
        """A new token for reading: its id and its secret."""
        token, secret = await self.engine.access.tokens.create(
            name, frozenset({Scope.READ}), lifetime=lifetime, caller=Caller(actor="test")
        )
        return token.id, secret.reveal()

    def clients(self) -> float:
        found = self.measured.registry.get_sample_value("sitebind_event_stream_clients")
        assert found is not None
        return found


@pytest.fixture
async def served(measured: Measured) -> AsyncIterator[Served]:
    clock = ManualClock()
    engine = MemoryEngine("default", clock=clock)
    server = made(engine, measured, clock=clock)
    await server.start()
    connector = aiohttp.TCPConnector(limit=0)
    async with described_session(connector=connector) as session:
        served = Served(engine, server, clock, session, measured)
        async with served.open:
            yield served
            await server.stop()


async def test_the_stream_agrees_with_its_description(served: Served) -> None:
    """Its headers keep everything on the way from keeping, joining or packing it."""
    stream = await served.follow()
    agrees("GET", PATH, Reply(200, stream.answer.headers, ""))
    assert stream.answer.headers["Content-Type"] == "text/event-stream"
    assert stream.answer.headers["Cache-Control"] == "no-store"
    assert stream.answer.headers["X-Accel-Buffering"] == "no"
    assert "Content-Encoding" not in stream.answer.headers
    head = await served.api.call("HEAD", PATH)
    assert (head.status, head.headers["Content-Type"]) == (200, "text/event-stream")
    assert served.clients() == 1


async def test_it_begins_with_every_site_that_was_asked_for(served: Served) -> None:
    """As the API shows them, and then with how many there are in each state."""
    served.engine.add("another", configured=False)
    events = await (await served.follow()).until(lambda event: event.name == "counters")
    sites = (await served.api.get("/api/v1/sites")).json["sites"]
    assert [event.data for event in events[:-1]] == sites
    states = {"unconfigured": 1, "configured": 1, "binding": 0, "bound": 0, "failed": 0}
    assert events[-1].data == {"sites": states, "records": 1}
    events = await (await served.follow("?site=another")).until(lambda event: event.name == "counters")
    assert [event.data["id"] for event in events[:-1]] == ["another"]


async def test_who_names_kinds_hears_of_these_alone(served: Served) -> None:
    """The overview of a thousand sites is told no site at all, and no record either, also when many come at once."""
    for number in range(999):
        served.engine.add(f"site-{number}", configured=False)
    stream = await served.follow("?only=counters&after=0")
    await served.api.post("/api/v1/sites/default/rebind")
    await served.engine.succeed("default")
    await served.clock.advance(PULSE_SECONDS)
    events = await stream.until(lambda event: event.name == "counters" and event.data["sites"]["bound"] == 1)
    assert {event.name for event in events} == {"counters"}
    stream = await served.follow("?only=bind&only=site&site=default")
    await served.api.post("/api/v1/sites/default/rebind")
    events = await stream.until(lambda event: event.name == "bind")
    assert {event.name for event in events} == {"site", "bind"}


async def test_a_kind_that_there_is_not_is_refused(served: Served) -> None:
    reply = await served.api.get(f"{PATH}?only=sites")
    assert (reply.status, reply.code, reply.json["field"]) == (400, "bad-query", "only")


async def test_the_header_counts_before_the_query(served: Served) -> None:
    """A browser that comes back asks the address it began with, and says in the header how far it got."""
    for _ in range(3):
        await served.api.post("/rebind")
        await served.engine.fail("default", Fault.UNREACHABLE)
    stream = await served.follow("?after=0", last=5)
    assert [event.id for event in await stream.until(lambda event: event.id == 7)] == [6, 7]
    stream = await served.follow("?after=4")
    assert [event.id for event in await stream.until(lambda event: event.id == 7)] == [5, 6, 7]


@pytest.mark.parametrize("value", ["-1", "x", "1.5", "1e3", "0x1", "٣", "9" * 19, "1 2"])
async def test_a_number_that_is_none_is_a_bad_request(served: Served, value: str) -> None:
    """In the header as in the query; it is said which one."""
    reply = await served.api.get(PATH, params={"after": value})
    assert (reply.status, reply.code, reply.json["field"]) == (400, "bad-query", "after")
    if value.isascii():
        reply = await served.api.get(PATH, headers={"Last-Event-ID": value})
        assert (reply.status, reply.code, reply.json["field"]) == (400, "bad-query", "Last-Event-ID")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_site_that_is_not_there_is_not_found(served: Served, method: str) -> None:
    """Before anything is opened."""
    assert (await served.api.call(method, f"{PATH}?site=nobody")).status == 404
    assert served.clients() == 0


async def test_no_text_ends_an_event_or_begins_another_one(served: Served) -> None:
    """Line ends of every kind stay inside the data."""
    evil = "a\n\nevent: audit\nid: 99\ndata: {}\r\rretry: 1\r\n\r\n: \x00\x0b\x0c\x1c\x85\u2028\u2029\ud800 </script>"
    stream = await served.follow()
    await stream.of("counters")
    served.engine.apply("default", BindRequested(actor=evil, reason=evil))
    events = await stream.until(lambda event: event.name == "site")
    assert [event.name for event in events] == ["audit", "bind", "site"]
    assert [event.id for event in events] == [2, None, None]
    assert events[0].data["actor"] == events[2].data["reason"] == evil.replace("\ud800", "?")
    assert (stream.retry, stream.comments) == (3000, [])


async def test_a_caller_has_sixteen_streams_and_one_that_ends_makes_room(served: Served) -> None:
    """The seventeenth is told when to ask again; whoever else calls is let in."""
    first = await served.follow()
    for _ in range(MOST_OF_A_CALLER - 1):
        await served.follow()
    refused = await served.api.get(PATH)
    assert (refused.status, refused.code) == (429, "too-many-streams")
    assert int(refused.headers["Retry-After"]) > 0
    _, secret = await served.token("another")
    await served.follow(token=secret)
    first.answer.close()
    async with asyncio.timeout(10):
        while (answer := await served.session.get(served.server.url + PATH)).status != 200:
            answer.release()
    await Stream(answer).of("counters")
    answer.close()


async def test_there_are_sixty_four_streams_at_most(served: Served) -> None:
    """Of all callers together; the daemon's other answers are not touched."""
    for number in range(MOST_CLIENTS // MOST_OF_A_CALLER):
        _, secret = await served.token(f"reader-{number}")
        for _ in range(MOST_OF_A_CALLER):
            await served.follow(token=secret)
    refused = await served.api.get(PATH)
    assert (refused.status, refused.code) == (503, "too-many-streams")
    assert int(refused.headers["Retry-After"]) > 0
    assert served.clients() == MOST_CLIENTS
    assert (await served.api.get("/api/v1/sites")).status == 200


async def test_a_revoked_token_ends_its_stream_within_a_heartbeat(served: Served) -> None:
    """In order, and that of no other caller."""
    token_id, secret = await served.token("leaving")
    leaving, staying = await served.follow(token=secret), await served.follow()
    await leaving.of("counters")
    await served.engine.access.tokens.revoke(token_id, caller=Caller(actor="test"))
    await served.clock.advance(HEARTBEAT)
    assert await leaving.next() is None
    await staying.beat()
    assert leaving.comments == []
    await eventually(lambda: served.clients() == 1)


async def test_an_expired_token_ends_its_stream(served: Served) -> None:
    """At the first heartbeat behind its end."""
    _, secret = await served.token("short", lifetime=timedelta(seconds=20))
    stream = await served.follow(token=secret)
    await stream.of("counters")
    await served.clock.advance(HEARTBEAT)
    await stream.beat()
    await served.clock.advance(HEARTBEAT)
    while (event := await stream.next()) is not None:
        assert event.name == "site"  # the engine in memory lives in another time


async def test_a_stream_without_a_token_ends_when_one_is_wanted(served: Served) -> None:
    """`require_token` counts from its reload on."""
    stream = await served.follow()
    await stream.of("counters")
    served.engine.settings = type(served.engine.settings)(port=0, require_token=True)
    await served.clock.advance(HEARTBEAT)
    assert await stream.next() is None
    assert (await served.api.get(PATH)).status in (401, 403)


async def test_a_client_that_has_left_is_noticed_at_the_next_heartbeat(served: Served) -> None:
    """And nothing of it is kept."""
    stream = await served.follow()
    await stream.of("counters")
    stream.answer.close()
    await asyncio.sleep(0)
    for _ in range(3):
        await served.clock.advance(HEARTBEAT)
    await eventually(lambda: served.clients() == 0)


async def test_a_stop_ends_every_stream_at_once(served: Served) -> None:
    """Without an error at the other end."""
    streams = [await served.follow() for _ in range(5)]
    async with asyncio.timeout(5):
        await served.server.stop()
        for stream in streams:
            await stream.of("counters")
            assert await stream.next() is None
    assert served.clients() == 0
