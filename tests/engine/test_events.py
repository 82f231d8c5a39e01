"""The event stream over a real daemon: everything is told, once, in order, and nobody waits for who listens."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from yarl import URL

from daemon.engine.feed import BURST
from daemon.engine.following import MOST_WAITING
from daemon.ports import JournalEntry
from states import BIND_STEPS, State
from states.events import UnbindRequested
from tests.running import Running, eventually
from tests.streams import Event, Stream, streaming
from tests.web.described import described_session

RACE_SECONDS = 30


@asynccontextmanager
async def following(run: Running, query: str = "", *, last: int | None = None) -> AsyncIterator[Stream]:
    async with streaming(run.http, f"{run.daemon.web.url}/api/v1/events{query}", last=last) as stream:
        yield stream


def entry(run: Running, number: int, *, site: str = "", text: str = "") -> JournalEntry:
    return JournalEntry(
        at=run.clock.now(),
        site=site,
        actor="test",
        event="noted",
        before="",
        after="",
        detail={"number": number, "text": text},
    )


async def note(run: Running, count: int, *, site: str = "", text: str = "") -> int:
    """So many records, all waiting together; the number of the last one."""
    return max(
        await asyncio.gather(*(run.daemon.journal.append(entry(run, n, site=site, text=text)) for n in range(count)))
    )


async def stored(run: Running, *, after: int = 0, site: str | None = None) -> list[Any]:
    """The records as the API gives them."""
    asked = "" if site is None else f"&site={site}"
    records: list[Any] = []
    while page := await run.asked("GET", f"/api/v1/audit?limit=1000&after={after}{asked}"):
        if not page["records"]:
            return records
        records += page["records"]
        after = page["next"]
    raise AssertionError("there is always a page")


def records_of(events: list[Event]) -> list[Any]:
    """The audit records among the events; each is told under its own number, and nothing else has one."""
    assert all((event.id is not None) == (event.name == "audit") for event in events)
    records = [event.data for event in events if event.name == "audit"]
    assert [record["seq"] for record in records] == [event.id for event in events if event.id is not None]
    return records


async def test_a_bind_is_told_from_its_beginning_to_its_end(run: Running) -> None:
    """The site first, then each record, the bind, its steps in order as the report has them, and the states."""
    await run.reach(State.BOUND)
    before = await stored(run)
    async with following(run) as stream:
        assert (await stream.next()) == Event("site", None, await run.asked("GET", "/api/v1/sites/default"))
        await run.rebind()
        events = await stream.until(lambda event: event.name == "site" and event.data["state"] == "bound")
    assert stream.retry == 3000
    records = records_of(events)
    # What is done about the older keys may be recorded after the site was bound.
    assert records == (await stored(run, after=before[-1]["seq"]))[: len(records)]
    assert "bind_succeeded" in [record["event"] for record in records]
    told = {"site": "default", "bind": "default-2"}
    assert [event.data for event in events if event.name == "bind"] == [
        {**told, "state": "open"},
        {**told, "state": "succeeded"},
    ]
    steps = [event.data for event in events if event.name == "step"]
    report = await run.asked("GET", "/api/v1/sites/default/binds/default-2")
    assert steps == [{**told, "step": step} for step in report["steps"]]
    assert [step["step"]["step"] for step in steps] == list(BIND_STEPS)
    names = [event.name for event in events]
    assert names.index("bind") < names.index("step") < len(names) - names[::-1].index("bind")


async def test_a_failed_and_a_cancelled_bind_are_told_as_such(run: Running) -> None:
    """With the state that they led to."""
    await run.reach(State.BOUND)
    async with following(run) as stream:
        run.sandbox.script.start("wrong-password", times=1)
        await run.rebind()
        assert (await stream.of("bind", lambda data: data["state"] != "open"))["state"] == "failed"
        assert (await stream.of("site"))["state"] == "failed"
        run.sandbox.script.start("slow", seconds=30, endpoint="discover", times=1)
        opened = await run.asked("POST", "/rebind", status=202)
        await stream.of("bind", lambda data: data["state"] == "open")
        await run.daemon.driver.ask("default", UnbindRequested(actor="operator", reason="moving house"))
        assert await stream.of("bind") == {"site": "default", "bind": opened["id"], "state": "cancelled"}
        assert (await stream.of("site"))["state"] == "configured"


@pytest.mark.parametrize("seed", range(6))
async def test_a_client_that_is_cut_off_again_and_again_gets_every_record_once(run: Running, seed: int) -> None:
    """While others write, in trickles and in bursts larger than what a client may hold."""
    await run.reach(State.BOUND)
    chance, written = random.Random(seed), asyncio.Event()

    async def write() -> None:
        for _ in range(40):
            await note(run, chance.choice((1, 1, 2, 7, 60, BURST + 40)))
            await asyncio.sleep(0)
        written.set()

    got: list[int] = []
    async with asyncio.timeout(RACE_SECONDS), asyncio.TaskGroup() as group:
        group.create_task(write(), name="writer")
        while not written.is_set() or got[-1] < run.daemon.journal.last_seq:
            async with following(run, last=got[-1] if got else 0) as stream:
                for _ in range(chance.randrange(1, 400)):
                    if written.is_set() and got and got[-1] == run.daemon.journal.last_seq:
                        break
                    event = await stream.next()
                    assert event is not None
                    got += [] if event.id is None else [event.id]
    assert got == list(range(1, run.daemon.journal.last_seq + 1))


async def test_the_records_are_those_of_the_database_also_across_a_restart_of_the_stream(run: Running) -> None:
    """Byte for byte what the page of the audit trail shows, from the very first on."""
    await run.reach(State.BOUND)
    last = await note(run, 450)
    async with following(run, "?after=0") as stream:
        events = await stream.until(lambda event: event.id == last)
    assert records_of(events) == await stored(run)
    async with following(run, "?after=0", last=last - 3) as stream:
        events = await stream.until(lambda event: event.id == last)
    assert records_of(events) == await stored(run, after=last - 3)


async def test_a_number_of_another_database_begins_with_now(run: Running) -> None:
    """A restored backup has fewer records than the client has seen."""
    await run.reach(State.BOUND)
    async with following(run, last=10**12) as stream:
        await stream.of("counters")
        last = await note(run, 1)
        assert (await stream.of("audit"))["seq"] == last


async def test_one_site_is_followed_alone(run: Running) -> None:
    """Neither the records of others nor those of the daemon as a whole."""
    await run.reach(State.BOUND)
    async with following(run, "?site=default&after=0") as stream:
        await note(run, 3)
        await note(run, BURST + 40, site="other")
        await note(run, BURST + 40)
        await note(run, 2, site="default")
        await note(run, BURST + 40, site="default")
        expected = await stored(run, site="default")
        events = await stream.until(lambda event: event.id == expected[-1]["seq"])
    assert records_of(events) == expected
    assert {event.data["id"] for event in events if event.name == "site"} <= {"default"}


async def test_a_heartbeat_comes_every_fifteen_seconds(run: Running) -> None:
    """And not sooner; by the clock of the daemon."""
    await run.reach(State.BOUND)
    async with following(run) as stream:
        await stream.of("counters")
        await run.manual.advance(14.9)
        await note(run, 1)
        await stream.of("audit")
        assert stream.comments == []
        for _ in range(3):
            await run.manual.advance(15)
            await stream.beat()
        assert stream.comments == ["heartbeat"] * 3


async def test_counters_come_when_they_change_and_at_most_once_a_second(run: Running) -> None:
    """Sites by state, and how many records there are."""
    await run.reach(State.BOUND)
    async with following(run) as stream:
        first = await stream.of("counters")
        assert first["sites"] == {state.value: int(state is State.BOUND) for state in State}
        assert first["records"] == run.daemon.journal.last_seq
        for _ in range(5):
            last = await note(run, 3)
        await run.manual.advance(1)
        events = await stream.until(lambda event: event.name == "counters")
        assert [event.name for event in events].count("counters") == 1
        assert events[-1].data["records"] == last
        await run.manual.advance(5)
        await note(run, 1)
        assert [event.name for event in await stream.until(lambda event: event.id == last + 1)] == ["audit"]


async def test_a_problem_that_no_step_tells_is_told(run: Running) -> None:
    """A journal that cannot be written, and that it can be again."""
    await run.reach(State.BOUND)

    def journal_down(site: Any) -> bool:
        return any(problem["code"] == "journal-not-writable" for problem in site["problems"])

    async with following(run) as stream:
        assert not journal_down(await stream.of("site"))
        with run.without_journal():
            await run.asked("POST", "/rebind", status=503)
            await run.manual.advance(1)
            await stream.of("site", journal_down)
        await run.in_time(lambda: run.daemon.driver.journal_trouble is None, step=1)
        await run.manual.advance(1)
        await stream.of("site", lambda site: not journal_down(site))


async def test_the_doctors_layers_are_told_under_the_callers_request_id(run: Running) -> None:
    """All that the answer has, as they end."""
    await run.reach(State.BOUND)
    async with following(run) as stream:
        report = await run.asked("POST", "/api/v1/sites/default/doctor", headers={"X-Request-ID": "run-7"})
        wanted = report["layers"]
        told = [await stream.of("layer") for _ in wanted]
    assert {(one["site"], one["run"]) for one in told} == {("default", "run-7")}
    assert sorted((one["layer"] for one in told), key=str) == sorted(wanted, key=str)


async def deaf(run: Running) -> socket.socket:
    """A client that asks and then reads nothing, with as little room as the kernel gives it."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    client.setblocking(False)
    url, loop = URL(run.daemon.web.url), asyncio.get_running_loop()
    await loop.sock_connect(client, (url.host, url.port))
    await loop.sock_sendall(client, b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return client


async def scraped(run: Running, name: str) -> float:
    async with run.http.get(f"{run.daemon.web.url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


async def test_a_client_that_does_not_read_is_cut_off_and_holds_nobody_up(
    run: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """The others get everything; the log and the metrics tell of it."""
    await run.reach(State.BOUND)
    client, text = await deaf(run), "x" * 4000
    try:
        async with following(run) as stream:
            await stream.of("counters")
            assert await scraped(run, "sitebind_event_stream_clients") == 2
            seen: list[int] = []
            with caplog.at_level(logging.WARNING, "sitebind.web"):
                # What the kernel takes on its own, and then more than may wait.
                for _ in range(4 * MOST_WAITING // 100):
                    last = await note(run, 100, text=text)
                    seen += [event.id for event in await stream.until(lambda event, n=last: event.id == n) if event.id]
                await eventually(lambda: "does not read as fast as things happen" in caplog.text)
            assert seen == list(range(seen[0], last + 1))
            assert await scraped(run, "sitebind_event_stream_clients") == 1
            assert await scraped(run, "sitebind_event_stream_dropped_total") == 1
    finally:
        client.close()


async def test_streams_end_at_once_when_the_daemon_stops(run: Running) -> None:
    """In order: the client sees an end and no error."""
    await run.reach(State.BOUND)
    async with following(run) as stream, following(run, "?site=default&after=0") as other:
        await stream.of("counters")
        run.stop.set()
        async with asyncio.timeout(5):
            while await stream.next() is not None:
                pass
            while await other.next() is not None:
                pass
    assert not [task for task in asyncio.all_tasks() if "event" in task.get_name()]


async def test_a_client_that_is_gone_makes_room_at_once(run: Running) -> None:
    """A page that is loaded again and again must not lock itself out."""
    await run.reach(State.BOUND)
    for _ in range(40):
        async with described_session() as session, session.get(f"{run.daemon.web.url}/api/v1/events") as answer:
            assert answer.status == 200
