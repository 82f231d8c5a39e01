"""Credentials that are given once: whose they are, how long they live, and that nothing else takes their place."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from daemon.engine.operations import Caller, OneTimeSignIn, RequestRefused
from daemon.engine.signin import OneTimeSignIns
from daemon.ports import JournalUnavailable, Secret
from daemon.sandbox import Sandbox
from daemon.sandbox.world import DEMO_EMAIL, DEMO_PASSWORD
from states import Fault, State
from tests.clock import ManualClock
from tests.engine.conftest import DAEMON
from tests.interposed import Interposed
from tests.running import Running, running, site_options, write

RIGHT = OneTimeSignIn(email=DEMO_EMAIL, password=Secret(DEMO_PASSWORD))
WRONG = OneTimeSignIn(email=DEMO_EMAIL, password=Secret("nobody's password"))


def kept(run: Running) -> list[str]:
    one_time = run.daemon.front._one_time
    return [*one_time._kept, *one_time._offered]


async def ask(run: Running, sign_in: OneTimeSignIn, actor: str = "test") -> str:
    report = await run.daemon.front.rebind("default", caller=Caller(actor=actor), reason="once", one_time=sign_in)
    return report.id


async def test_two_at_once_never_mix(run: Running) -> None:
    """The first request's attempt signs in with the first request's password, however close the second is."""
    await run.reach(State.BOUND)
    first, second = await asyncio.gather(ask(run, RIGHT, "first"), ask(run, WRONG, "second"), return_exceptions=True)
    assert first == "default-2"
    assert isinstance(second, RequestRefused)
    assert second.code == "bind-in-progress"
    await run.ended("default-2")
    assert run.now().state is State.BOUND
    assert kept(run) == []


async def test_a_refused_request_leaves_nothing_in_memory(run: Running) -> None:
    """Neither when a bind is open, nor when the journal cannot be written."""
    await run.reach(State.BOUND)
    run.sandbox.script.start("slow", seconds=30, endpoint="discover", times=1)
    await run.asked("POST", "/rebind", status=202)
    with pytest.raises(RequestRefused):
        await ask(run, RIGHT)
    assert kept(run) == []


async def test_a_request_that_cannot_be_recorded_leaves_nothing_in_memory(run: Running) -> None:
    """503, and the password is gone."""
    await run.reach(State.BOUND)
    with run.without_journal(), pytest.raises(JournalUnavailable):
        await ask(run, RIGHT)
    assert kept(run) == []


async def test_a_retry_after_a_quarter_of_an_hour_does_not_fall_back_to_the_file(
    config: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """Whoever gave it once meant that one: the configured password is another decision."""
    between = Interposed()
    async with running(config, sandbox, clock, around=between.around) as run:
        await run.reach(State.BOUND)
        logins = between.calls.count("authenticate")
        sandbox.script.start("throttled", endpoint="discover", seconds=1000)
        bind_id = await ask(run, RIGHT)
        failed = await run.ended(bind_id)
        assert failed.retry is not None
        assert failed.retry.one_time
        assert kept(run) == ["default"]
        sandbox.script.heal()
        await clock.advance(902)
        assert kept(run) == []
        await clock.advance(200)
        await run.until(lambda: run.now().attempt == 3 and run.now().open is None)
        assert run.now().trouble.fault is Fault.CREDENTIALS_MISSING
        assert "one-time" in run.now().trouble.detail
        assert between.calls.count("authenticate") == logins
        report = await run.asked("GET", "/api/v1/sites/default/binds/default-3")
        assert [step["status"] for step in report["steps"]] == ["failed", *["skipped"] * 7]


async def test_a_retry_within_the_time_uses_it_again(run: Running) -> None:
    """And forgets it when it has worked."""
    await run.reach(State.BOUND)
    run.sandbox.script.start("service-error", endpoint="discover", times=1)
    await run.ended(await ask(run, RIGHT))
    await run.manual.advance(5)
    await run.until(lambda: run.now().state is State.BOUND)
    assert run.now().attempt == 3
    assert kept(run) == []


async def test_a_cancelled_attempt_forgets_it(run: Running) -> None:
    """The attempt is over, so are its credentials; also when only its retry was left."""
    await run.reach(State.BOUND)
    run.sandbox.script.start("service-error", endpoint="discover")
    await run.ended(await ask(run, RIGHT))
    assert kept(run) == ["default"]
    options = site_options(run.sandbox, automatic="no")
    options["connection"]["no_proxy"] = "example.test"
    write(run.path, {"daemon": DAEMON, **options})
    await run.asked("POST", "/-/reload")
    assert kept(run) == []
    run.sandbox.script.heal()
    run.sandbox.script.start("slow", seconds=30, endpoint="discover", times=1)
    await ask(run, RIGHT)
    assert kept(run) == ["default"]
    options["connection"]["no_proxy"] = "other.test"
    write(run.path, {"daemon": DAEMON, **options})
    await run.asked("POST", "/-/reload")
    assert kept(run) == []


async def test_a_refused_one_is_forgotten_at_once(run: Running) -> None:
    """A wrong password is not tried twice."""
    await run.reach(State.BOUND)
    await run.ended(await ask(run, WRONG))
    assert run.now().state is State.FAILED
    assert kept(run) == []


def test_it_is_nowhere_to_be_read(clock: ManualClock) -> None:
    """Neither by printing what holds it."""
    one_time = OneTimeSignIns(clock)
    with one_time.offer("a", RIGHT):
        one_time.accept("a")
        assert DEMO_PASSWORD not in repr(one_time.get("a"))
        assert DEMO_PASSWORD not in repr(one_time._kept)
