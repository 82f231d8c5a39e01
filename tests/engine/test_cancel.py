"""A bind that is cancelled: keys that the service issued meanwhile are known, and revoked."""

from __future__ import annotations

from pathlib import Path

from daemon.sandbox import Sandbox
from states import Fault, State
from tests.clock import ManualClock
from tests.engine.conftest import DAEMON
from tests.interposed import Interposed
from tests.running import Running, eventually, running, site_options, write


def changed(run: Running, *, no_proxy: str = "example.test") -> None:
    """Another bind input, as an administrator saves it."""
    options = site_options(run.sandbox)
    options["connection"]["no_proxy"] = no_proxy
    write(run.path, {"daemon": DAEMON, **options})


async def test_a_change_during_the_sign_in_revokes_the_keys_that_it_brings(
    config: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """The answer to the cancelled sign-in is waited for; its keys end at the service, and the new bind follows."""
    between = Interposed()
    login = between.hold("authenticate")
    async with running(config, sandbox, clock, around=between.around) as run:
        await login.reached.wait()
        changed(run)
        answer = await run.asked("POST", "/-/reload")
        assert [(c["option"], c["result"]) for c in answer["changes"]] == [("no_proxy", "rebind")]
        assert run.now().open is None
        login.go.set()
        await run.until(lambda: "default-1" in run.now().revoke_pending, "the orphan is known")
        await run.in_time(lambda: run.now().state is State.BOUND and not run.now().revoke_pending)
        assert run.now().binding.bind_id == "default-2"
        assert len(list(sandbox.world.keys)) == 1
        binds = (await run.asked("GET", "/api/v1/sites/default/binds"))["binds"]
        assert [(bind["id"], bind["state"]) for bind in binds] == [
            ("default-2", "succeeded"),
            ("default-1", "cancelled"),
        ]
        assert "orphan_found" in [event for event, _, _ in await run.audit("default")]


async def test_two_binds_never_overlap(config: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """The next attempt waits for the cancelled one's answer from the service."""
    between = Interposed()
    login = between.hold("authenticate")
    async with running(config, sandbox, clock, around=between.around) as run:
        await login.reached.wait()
        changed(run)
        await run.asked("POST", "/-/reload")
        await run.in_time(lambda: run.now().attempt == 2)
        await clock.advance(1)
        assert between.calls.count("connect") == 1
        login.go.set()
        await run.reach(State.BOUND)
        assert between.calls.count("connect") == 2


async def test_nor_does_a_third_overlap_the_first(config: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """The second ends at once when it is cancelled while it waits; the first still has no answer."""
    between = Interposed()
    login = between.hold("authenticate")
    async with running(config, sandbox, clock, around=between.around) as run:
        await login.reached.wait()
        for attempt, name in ((2, "one.test"), (3, "two.test")):
            changed(run, no_proxy=name)
            await run.asked("POST", "/-/reload")
            await run.in_time(lambda attempt=attempt: run.now().attempt == attempt)
        await clock.advance(1)
        assert (between.calls.count("connect"), between.calls.count("authenticate")) == (1, 1)
        login.go.set()
        await run.reach(State.BOUND)
        assert run.now().binding.bind_id == "default-3"
        assert between.calls.count("connect") == 2


async def test_a_stop_after_a_cancellation_still_waits_for_the_keys(
    config: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """A second cancellation does not tear the sign-in apart: the next start finds the keys and revokes them."""
    between = Interposed()
    login = between.hold("authenticate")
    async with running(config, sandbox, clock, around=between.around) as run:
        await login.reached.wait()
        changed(run)
        await run.asked("POST", "/-/reload")
        run.stop.set()
        # Then the stop has come as far as the acts.
        await eventually(lambda: run.daemon.driver._performer is None)
        login.go.set()
    assert len(list(sandbox.world.keys)) == 1
    async with running(config, sandbox, clock) as run:
        await run.until(lambda: "default-1" in run.now().revoke_pending or not list(sandbox.world.keys))
        await run.in_time(lambda: run.now().state is State.BOUND and not run.now().revoke_pending)
        assert len(list(sandbox.world.keys)) == 1
        assert run.now().binding.bind_id != "default-1"


async def test_a_withdrawn_configuration_cancels_the_bind(config: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """No file, no bind; what it obtained is revoked over the way that was configured."""
    between = Interposed()
    proof = between.hold("authorize")
    async with running(config, sandbox, clock, around=between.around) as run:
        await proof.reached.wait()
        config.unlink()
        await run.asked("POST", "/-/reload")
        assert run.now().state is State.UNCONFIGURED
        await run.until(lambda: "default-1" in run.now().revoke_pending)
        await run.in_time(lambda: not run.now().revoke_pending)
        assert not list(sandbox.world.keys)
        assert await run.daemon.vault.ids() in ({}, {"default-1": "default"})


async def test_a_sign_in_that_fails_after_its_cancellation_changes_nothing(
    config: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """Its refusal is late: the new attempt is judged by itself."""
    between = Interposed()
    discovered = between.hold("discover")
    sandbox.script.start("wrong-password", times=1)
    async with running(config, sandbox, clock, around=between.around) as run:
        await discovered.reached.wait()
        changed(run)
        await run.asked("POST", "/-/reload")
        discovered.go.set()
        sandbox.script.heal()
        await clock.advance(0.1)
        bound = await run.reach(State.BOUND)
        assert bound.attempt == 2
        assert bound.refused_credentials is None


async def test_a_defect_behind_the_sign_in_ends_in_failed_and_leaves_no_keys(
    config: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """An exception that nobody classified: fault `unexpected`, the step says so, the keys are revoked."""
    between = Interposed()
    between.raises["authorize"] = RuntimeError("boom")
    async with running(config, sandbox, clock, around=between.around) as run:
        failed = await run.reach(State.FAILED)
        assert failed.trouble.fault is Fault.UNEXPECTED
        assert failed.retry is None
        await run.until(lambda: "default-1" in run.now().revoke_pending)
        await run.in_time(lambda: not run.now().revoke_pending)
        assert not list(sandbox.world.keys)
        report = await run.asked("GET", "/api/v1/sites/default/binds/default-1")
        steps = {step["step"]: (step["status"], step["detail"]) for step in report["steps"]}
        assert steps["authenticate"][0] == "passed"
        assert steps["authorize"][0] == "failed"
        assert "RuntimeError" in steps["authorize"][1]
        assert steps["register"][0] == "skipped"
