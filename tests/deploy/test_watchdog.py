"""The watchdog, heartbeats and the line, in time that the test moves."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.engine.pulse import Pulse
from daemon.engine.scheduler import Scheduler
from daemon.engine.service import status_line
from daemon.engine.watchdog import Beat, Watchdog
from daemon.notify import notify_socket, watchdog_seconds
from states import State, first_snapshot
from states.events import BindRequested
from tests.clock import ManualClock
from tests.deploy.listening import Listening
from tests.running import running, sandboxed, site_options, write


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def well() -> None:
    """A worker that answers at once."""


@asynccontextmanager
async def fed(clock: ManualClock, **workers: Beat) -> AsyncIterator[list[float]]:
    """The times at which a watchdog of ten seconds was fed."""
    times: list[float] = []
    dog = Watchdog(workers, feed=lambda: times.append(clock.monotonic()), every=5.0, clock=clock)
    task = asyncio.create_task(dog.run())
    try:
        yield times
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_watchdog_is_fed_while_every_worker_answers(clock: ManualClock) -> None:
    async with fed(clock, writer=well, timers=well) as times:
        await clock.advance(12)
    assert times == [0.0, 5.0, 10.0]


async def test_one_worker_that_hangs_stops_the_feeding_and_is_named(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    free = asyncio.Event()
    free.set()

    async def writer() -> None:
        await free.wait()

    async with fed(clock, writer=writer, timers=well) as times:
        await clock.advance(5)
        free.clear()
        await clock.advance(30)
        assert times == [0.0, 5.0]
        assert "no sign of life for 5 s from: writer." in caplog.text
        free.set()
        await clock.advance(6)
        assert times[2:] == [35.0, 40.0]
        assert "every worker turns again" in caplog.text


async def test_a_heartbeat_that_raises_ends_the_feeding(clock: ManualClock) -> None:
    async def defective() -> None:
        raise RuntimeError("a defect")

    dog = Watchdog({"writer": defective}, feed=lambda: None, every=5.0, clock=clock)
    with pytest.raises(RuntimeError, match="a defect"):
        await dog.run()


async def test_a_pulse_is_complete_when_each_has_turned_since_it_was_asked() -> None:
    pulse = Pulse()
    pulse.turned("a")
    asked = asyncio.create_task(pulse.of(["a", "b"]))
    await asyncio.sleep(0)
    pulse.turned("b")
    pulse.turned("nobody asked for")
    await asyncio.sleep(0)
    assert not asked.done()
    pulse.turned("a")
    await asked
    await pulse.of([])


async def test_timers_that_have_not_begun_are_well_and_those_that_run_fire_for_the_heartbeat(
    clock: ManualClock,
) -> None:
    scheduler = Scheduler(clock, pace=20)
    await scheduler.beat()
    task = asyncio.create_task(scheduler.run())
    await asyncio.sleep(0)
    await scheduler.beat()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    stuck = asyncio.create_task(scheduler.beat())
    await clock.advance(60)
    assert not stuck.done(), "the timers' task is gone"
    stuck.cancel()


async def test_a_writer_that_hangs_takes_the_consumers_heartbeat_with_it(tmp_path: Path, clock: ManualClock) -> None:
    """A site's consumer waits for its record, which waits for the writer's thread."""
    let_go = threading.Event()
    async with sandboxed(tmp_path, clock) as sandbox:
        path = write(tmp_path / "config.ini", site_options(sandbox))
        async with running(path, sandbox, clock) as run:
            await run.reach(State.BOUND)
            held = asyncio.create_task(run.daemon.journal.write(lambda _db: let_go.wait()))
            await asyncio.sleep(0)
            run.daemon.driver.post("default", BindRequested(actor="test", reason="to be recorded"))
            await asyncio.sleep(0)
            beats = [asyncio.create_task(beat()) for beat in (run.daemon.driver.beat, run.daemon.journal.beat)]
            await clock.advance(60)
            assert not any(beat.done() for beat in beats)
            let_go.set()
            await asyncio.gather(held, *beats)


async def test_a_journal_that_cannot_write_is_no_worker_that_hangs(tmp_path: Path, clock: ManualClock) -> None:
    """An outage is said by health and status; a restart would not mend a disk."""
    async with sandboxed(tmp_path, clock) as sandbox:
        path = write(tmp_path / "config.ini", site_options(sandbox))
        async with running(path, sandbox, clock) as run:
            await run.reach(State.BOUND)
            with run.without_journal():
                run.daemon.driver.post("default", BindRequested(actor="test", reason="kept"))
                await run.in_time(lambda: run.daemon.driver.journal_trouble)
                await run.daemon.journal.beat()
                await run.daemon.driver.beat()


@pytest.mark.parametrize(
    "states,trouble,line",
    [
        ([], None, "no site yet"),
        ([State.BOUND], None, "1 site: 1 bound"),
        ([State.FAILED, State.BOUND, State.BOUND], None, "3 sites: 2 bound, 1 failed"),
        (
            [State.UNCONFIGURED, State.CONFIGURED, State.BINDING],
            None,
            "3 sites: 1 binding, 1 configured, 1 unconfigured",
        ),
        ([State.BOUND], "disk full", "1 site: 1 bound; the journal cannot be written: disk full"),
    ],
)
def test_the_line_counts_the_sites_and_says_what_is_wrong(
    clock: ManualClock, states: list[State], trouble: str | None, line: str
) -> None:
    sites = [replace(first_snapshot(f"s{n}", site_code="", at=clock.now()), state=s) for n, s in enumerate(states)]
    assert status_line(sites, trouble=trouble) == line


def test_without_a_socket_nothing_is_made_and_a_name_that_is_none_is_said(caplog: pytest.LogCaptureFixture) -> None:
    assert notify_socket({}) is None
    assert not caplog.records
    caplog.set_level(logging.WARNING)
    for name in ("relative/path", "@", "vsock:2:1"):
        assert notify_socket({"NOTIFY_SOCKET": name}) is None
    assert caplog.text.count("neither a path nor an abstract name") == 3


def test_what_is_told_stays_on_its_line(tmp_path: Path) -> None:
    """Foreign text in the line must not become an assignment of its own."""
    with Listening(tmp_path / "notify") as manager:
        to = notify_socket({"NOTIFY_SOCKET": manager.name})
        assert to is not None
        to.tell("READY=1", "STATUS=a\nMAINPID=1\udc80")
        assert manager.message() == {"READY": "1", "STATUS": "a MAINPID=1?"}


@pytest.mark.parametrize(
    "environment,seconds",
    [
        ({}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
    ],
)
def test_the_watchdogs_time_is_read_as_systemd_gives_it(environment: dict[str, str], seconds: float | None) -> None:
    assert watchdog_seconds(environment) == seconds
