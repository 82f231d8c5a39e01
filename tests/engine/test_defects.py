"""Exceptions that nobody foresaw: they end one act, are told with their traceback, and nothing stands still."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from pathlib import Path

import pytest

from daemon.engine.clock import SystemClock
from daemon.engine.scheduler import Scheduler
from daemon.sandbox import Sandbox
from states import Fault, State
from states.events import UnbindRequested
from tests.clock import ManualClock
from tests.engine.conftest import DAEMON
from tests.interposed import Interposed
from tests.running import Running, eventually, running, site_options, write

BOOM = RuntimeError("an adapter met what it never saw")


def told(caplog: pytest.LogCaptureFixture, text: str) -> bool:
    """Whether a line with this text has BOOM's traceback."""
    return any(
        text in record.getMessage() and record.exc_info and record.exc_info[1] is BOOM for record in caplog.records
    )


@pytest.mark.parametrize("method", ["connect", "discover", "authenticate", "authorize"])
async def test_a_defect_in_the_procedure_waits_for_a_human(
    config: Path, sandbox: Sandbox, clock: ManualClock, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    """failed, fault unexpected, no retry, traceback in the log; a rebind works once it is gone."""
    between = Interposed()
    between.raises[method] = BOOM
    async with running(config, sandbox, clock, around=between.around) as run:
        failed = await run.reach(State.FAILED)
        assert failed.trouble.fault is Fault.UNEXPECTED
        assert "RuntimeError" in failed.trouble.detail
        assert failed.retry is None
        assert told(caplog, "bind default-1")
        between.raises.clear()
        assert (await run.rebind()).state is State.BOUND


async def test_a_defect_in_a_verification_does_not_end_the_verifying(
    config: Path, sandbox: Sandbox, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """It is a missed one, it is told, and the next comes."""
    between = Interposed()
    async with running(config, sandbox, clock, around=between.around) as run:
        await run.reach(State.BOUND)
        between.raises["verify"] = BOOM
        await clock.advance(900)
        await run.until(lambda: run.now().missed is not None)
        assert run.now().missed.fault is Fault.UNEXPECTED
        assert told(caplog, "verify default-1")
        between.raises.clear()
        await clock.advance(300)
        await run.until(lambda: run.now().missed is None)
        assert run.now().state is State.BOUND


async def test_a_defect_in_an_unbind_is_its_failure(config: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """Not an unbind that is under way for ever."""
    between = Interposed()
    async with running(config, sandbox, clock, around=between.around) as run:
        await run.reach(State.BOUND)
        between.raises["revoke"] = BOOM
        await run.daemon.driver.ask("default", UnbindRequested(actor="test", reason="moving house"))
        await run.until(lambda: run.now().unbinding == "")
        assert run.now().unbind_trouble.fault is Fault.UNEXPECTED
        assert run.now().binding is not None


async def test_a_defect_in_a_revocation_is_tried_again(config: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """The replaced keys stay pending until the service confirmed."""
    between = Interposed()
    async with running(config, sandbox, clock, around=between.around) as run:
        await run.reach(State.BOUND)
        between.raises["revoke"] = BOOM
        await run.rebind()
        await run.in_time(lambda: "revoke" in between.calls)
        seen = [event for event, _, _ in await run.audit("default")]
        if "revocation_failed" not in seen:
            await run.until(lambda: True)
        assert run.now().revoke_pending == ("default-1",)
        between.raises.clear()
        await clock.advance(301)
        await run.until(lambda: not run.now().revoke_pending)


async def test_a_defect_in_a_refresh_is_a_missed_verification(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """The keys stay as they were, and the next check comes."""
    between = Interposed()
    path = write(tmp_path / "config.ini", {"daemon": DAEMON, **site_options(sandbox, verify_every="60s")})
    async with running(path, sandbox, clock, around=between.around) as run:
        await run.reach(State.BOUND)
        between.raises["authenticate"] = BOOM
        sandbox.script.start("expired-binding")
        await run.in_time(lambda: run.now().missed is not None)
        assert run.now().missed.fault is Fault.UNEXPECTED
        between.raises.clear()
        for _ in range(3):
            await run.in_time(lambda: run.now().refusals is None and run.now().missed is None)


async def test_a_listener_that_fails_does_not_stop_the_effects(
    config: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """Somebody watched through a pipe that was closed: the bind goes on."""

    def broken(_step: object) -> None:
        raise BrokenPipeError("nobody reads any more")

    async with running(config, sandbox, clock) as run:
        run.daemon.driver.listen(broken)
        await run.reach(State.BOUND)


async def test_what_the_service_says_cannot_break_the_record(
    config: Path, sandbox: Sandbox, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A text that UTF-8 cannot hold, as JSON can carry it."""
    caplog.set_level(logging.DEBUG)
    account = sandbox.world.accounts["CUSA00A001"]
    object.__setattr__(account, "name", "Example \ud800 Ltd")
    async with running(config, sandbox, clock) as run:
        bound = await run.reach(State.BOUND)
        assert "Example" in bound.binding.company
        await run.asked("GET", "/api/v1/sites/default")
        await run.asked("GET", "/api/v1/sites/default/binds")


async def test_a_timer_that_fails_does_not_stop_the_others(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """What one site wanted is logged; what another wanted happens."""
    scheduler, fired = Scheduler(clock, pace=20), []
    task = asyncio.create_task(scheduler.run(), name="scheduler")

    def fail() -> None:
        raise BOOM

    scheduler.at(clock.now(), ("a", "verify"), fail)
    scheduler.at(clock.now(), ("b", "verify"), lambda: fired.append("b"))
    await clock.advance(1)
    assert fired == ["b"]
    assert told(caplog, "timer verify of site a failed")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_timers_that_were_replaced_do_not_pile_up(clock: ManualClock) -> None:
    """A configuration that is saved every second for a day plans a check each time."""
    scheduler, fired = Scheduler(clock, pace=20), []
    task = asyncio.create_task(scheduler.run(), name="scheduler")
    for number in range(10_000):
        scheduler.at(clock.now() + timedelta(days=1), ("a", "verify"), lambda n=number: fired.append(n))
    assert len(scheduler) == 1
    assert len(scheduler._heap) < 100
    await clock.advance(24 * 3600 + 1)
    assert fired == [9_999]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_ended_bind_leaves_nothing_in_the_performer(run: Running) -> None:
    """Neither its task nor, with it, the sign-in of its frames."""
    await run.reach(State.BOUND)
    await run.rebind()
    await eventually(lambda: not run.daemon.driver._performer._binds)


async def test_the_real_clock_is_utc_and_waits() -> None:
    """The one part that every other test replaces."""
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0.01)
    await clock.sleep(-1)
    assert clock.monotonic() - before >= 0.009
    assert clock.now().utcoffset() == timedelta(0)
