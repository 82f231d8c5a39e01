"""Starts and stops: in order, bounded, and nothing half done is forgotten."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from daemon.engine import supervisor
from daemon.sandbox import Sandbox
from states import State
from states.events import BindRequested
from tests.clock import ManualClock
from tests.interposed import Interposed
from tests.running import eventually, running, steps_of


async def test_a_stop_waits_for_the_answer_to_a_sign_in(config: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """Its keys are sealed, and the next start revokes them and binds anew."""
    between = Interposed()
    login = between.hold("authenticate")
    async with running(config, sandbox, clock, around=between.around) as run:
        await login.reached.wait()
        run.stop.set()
        await eventually(lambda: run.daemon.driver._performer is None)
        login.go.set()
    assert len(list(sandbox.world.keys)) == 1
    async with running(config, sandbox, clock) as run:
        await run.in_time(lambda: run.now().state is State.BOUND and not run.now().revoke_pending)
        assert run.now().binding.bind_id == "default-2"
        assert len(list(sandbox.world.keys)) == 1


async def test_a_service_that_never_answers_does_not_hold_up_a_stop(
    config: Path,
    sandbox: Sandbox,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What is left behind is named, with what to do about keys that it may still get."""
    monkeypatch.setattr(supervisor, "STOP_SECONDS", 0.2)
    between = Interposed()
    login = between.hold("authenticate")
    async with asyncio.timeout(5):
        async with running(config, sandbox, clock, around=between.around):
            await login.reached.wait()
    assert "bind default-1" in caplog.text
    assert "Mimecast console" in caplog.text
    login.go.set()
    await eventually(lambda: not any(task.get_name() == "bind default-1" for task in asyncio.all_tasks()))


async def test_nothing_is_left_running_after_a_stop(config: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """Every task had an owner that ended it."""
    before = asyncio.all_tasks()
    async with running(config, sandbox, clock) as run:
        await run.reach(State.BOUND)
        await run.rebind()
    await asyncio.sleep(0)
    left = {task.get_name() for task in asyncio.all_tasks() - before}
    assert not [name for name in left if not name.startswith("Task-")]


async def test_a_request_during_the_stop_starts_no_sign_in(config: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """It is recorded, and recovered by the next start: nobody would wait for its keys now."""
    async with running(config, sandbox, clock) as run:
        await run.reach(State.BOUND)
        logins = sandbox.calls["login"]
        run.stop.set()
        await eventually(lambda: run.daemon.driver._performer is None)
        run.daemon.driver.post("default", BindRequested(actor="late", reason="too late"))
    assert sandbox.calls["login"] == logins
    async with running(config, sandbox, clock) as run:
        await run.in_time(lambda: run.now().attempt == 3 and run.now().state is State.BOUND)
        assert run.now().reason.startswith("recovery")


async def test_a_signal_during_the_stop_starts_no_reload(config: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """Nobody would own it."""
    async with running(config, sandbox, clock) as run:
        await run.reach(State.BOUND)
    run.daemon.supervisor.reload_soon("signal:SIGHUP")
    assert not len(run.daemon.supervisor._services)


async def test_a_retry_that_is_due_at_the_start_knows_its_settings(
    config: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """Timers begin when the configuration was read: a due retry or check must not run without proxy and CAs."""
    sandbox.script.start("service-error", endpoint="discover")
    async with running(config, sandbox, clock) as run:
        failed = await run.reach(State.FAILED)
    await clock.advance(3600)
    sandbox.script.heal()
    async with running(config, sandbox, clock) as run:
        read, answers = run.daemon.configuration._read, threading.Event()

        def slowly(path: Path) -> object:
            assert answers.wait(30), "a slow disk; not on the loop"
            return read(path)

        run.daemon.configuration._read = slowly
        await clock.advance(60)
        answers.set()
        await run.in_time(lambda: run.now().state is State.BOUND)
        assert run.now().attempt == failed.attempt + 1


async def test_a_rebind_that_comes_before_the_configuration_waits_for_it(
    config: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """The listener answers early; the bind has its settings all the same."""
    async with running(config, sandbox, clock) as run:
        await run.reach(State.BOUND)
    async with running(config, sandbox, clock) as run:
        report = await run.asked("POST", "/rebind", status=202)
        await run.ended(report["id"])
        assert run.now().state is State.BOUND
        report = await run.asked("GET", f"/api/v1/sites/default/binds/{report['id']}")
        assert steps_of(report)["configuration"] == "passed"


async def test_a_part_that_does_not_stop_in_order_does_not_keep_the_others_from_it(
    config: Path, sandbox: Sandbox, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The stop goes on to its last record."""
    async with running(config, sandbox, clock) as run:
        await run.reach(State.BOUND)
        stop = run.daemon.web.stop

        async def broken() -> None:
            await stop()
            raise RuntimeError("the listener broke")

        run.daemon.web.stop = broken
    assert "the HTTP listener did not stop in order" in caplog.text
    async with running(config, sandbox, clock) as run:
        assert ("daemon_stopped", "", "") in await run.audit()


async def test_a_disk_that_stalls_does_not_cancel_the_stop_behind_it(
    config: Path,
    sandbox: Sandbox,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The record comes once the disk goes on, and every part behind it still ends."""
    monkeypatch.setattr(supervisor, "STOP_SECONDS", 0.2)
    stalled = threading.Event()
    async with running(config, sandbox, clock) as run:
        await run.reach(State.BOUND)
        note, journal, clouds = run.daemon.supervisor._note, run.daemon.journal, run.daemon.supervisor._clouds
        closed = clouds.close
        waits: list[asyncio.Future[bool]] = []

        begun, loop = asyncio.Event(), asyncio.get_running_loop()

        def stall(_: object) -> bool:
            loop.call_soon_threadsafe(begun.set)
            return stalled.wait(60)

        async def slow(*args: object) -> None:
            waits.append(asyncio.ensure_future(journal.write(stall)))
            await begun.wait()
            await note(*args)

        async def last() -> None:
            await closed()
            stalled.set()
            assert await waits[0]

        monkeypatch.setattr(run.daemon.supervisor, "_note", slow)
        monkeypatch.setattr(clouds, "close", last)
    assert "the last record did not stop within" in caplog.text
    assert stalled.is_set()
    async with running(config, sandbox, clock) as run:
        assert ("daemon_stopped", "", "") in await run.audit()


async def test_a_service_that_fails_by_a_defect_stops_the_daemon(
    config: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """Half a daemon would tell lies: it ends with the error, after an orderly stop."""

    async def broken() -> None:
        raise RuntimeError("watching broke")

    async def run_with_a_defect() -> None:
        async with running(config, sandbox, clock) as run:
            await run.reach(State.BOUND)
            run.daemon.supervisor._serve("configuration", broken())
            await eventually(lambda: run.daemon.supervisor._stopping)

    with pytest.raises(RuntimeError, match="watching broke"):
        await run_with_a_defect()
