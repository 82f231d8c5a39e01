"""Unbinding, at the level of the driver's events: remote, local only, failing, and interrupted by a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from daemon.sandbox import Sandbox
from states import Fault, Moved, Refused, State
from states.events import UnbindRequested
from tests.clock import ManualClock
from tests.interposed import Interposed
from tests.running import Running, eventually, running


def unbind(*, local_only: bool = False) -> UnbindRequested:
    return UnbindRequested(actor="test", reason="moving house", local_only=local_only)


async def test_an_unbind_ends_the_keys_at_the_service_and_here(run: Running) -> None:
    """configured, nothing held, nothing in the vault, and nothing binds by itself any more."""
    await run.reach(State.BOUND)
    step = await run.daemon.driver.ask("default", unbind())
    assert isinstance(step, Moved)
    done = await run.reach(State.CONFIGURED)
    assert done.binding is None
    assert done.unbound_by_operator
    assert not list(run.sandbox.world.keys)
    await vault_is_empty(run)
    await run.manual.advance(3600)
    assert run.now().attempt == 1
    await run.asked("GET", "/-/ready", status=503)
    assert (await run.rebind()).state is State.BOUND


async def vault_is_empty(run: Running) -> None:
    await eventually(lambda: not [task for task in asyncio.all_tasks() if task.get_name().startswith("wipe ")])
    assert await run.daemon.vault.ids() == {}


async def test_local_only_leaves_the_keys_at_the_service_and_says_so(run: Running) -> None:
    """Not one call is made."""
    await run.reach(State.BOUND)
    await run.daemon.driver.ask("default", unbind(local_only=True))
    await run.reach(State.CONFIGURED)
    assert run.sandbox.calls.get("logout", 0) == 0
    assert len(list(run.sandbox.world.keys)) == 1
    await vault_is_empty(run)
    records = await run.daemon.journal.audit(site="default", limit=100)
    (finished,) = [record for record in records if record.event == "unbind_finished"]
    assert "still valid at the service" in finished.detail["left_behind"]


async def test_nothing_held_is_nothing_to_unbind(run: Running) -> None:
    """Refused, and the refusal is on record."""
    await run.reach(State.BOUND)
    await run.daemon.driver.ask("default", unbind())
    await run.reach(State.CONFIGURED)
    step = await run.daemon.driver.ask("default", unbind())
    assert isinstance(step, Refused)
    assert (await run.audit("default"))[-1] == ("unbind_requested", "configured", "configured")


async def test_a_service_that_does_not_confirm_keeps_the_keys(run: Running) -> None:
    """The reason is said; the second try, or local only, ends it."""
    await run.reach(State.BOUND)
    run.sandbox.script.start("service-error", endpoint="logout")
    await run.daemon.driver.ask("default", unbind())
    await run.until(lambda: run.now().unbind_trouble is not None)
    failed = run.now()
    assert failed.state is State.BOUND
    assert failed.binding is not None
    assert failed.unbind_trouble.fault is Fault.SERVICE_ERROR
    site = await run.asked("GET", "/api/v1/sites/default")
    assert "unbind-failed" in {problem["code"] for problem in site["problems"]}
    await run.daemon.driver.ask("default", unbind(local_only=True))
    await run.reach(State.CONFIGURED)


async def test_keys_that_are_gone_already_count_as_unbound(run: Running) -> None:
    """At the service, or here."""
    await run.reach(State.BOUND)
    run.sandbox.world.keys.revoke_all()
    await run.daemon.driver.ask("default", unbind())
    await run.reach(State.CONFIGURED)
    await run.rebind()
    await run.daemon.vault.wipe("default-2")
    await run.daemon.driver.ask("default", unbind())
    await run.reach(State.CONFIGURED)


@pytest.mark.parametrize("local_only", [False, True])
async def test_a_restart_in_the_middle_finishes_the_unbind(
    config: Path, sandbox: Sandbox, clock: ManualClock, local_only: bool
) -> None:
    """As the operator asked for it."""
    between = Interposed()
    async with running(config, sandbox, clock, around=between.around) as run:
        await run.reach(State.BOUND)
        hold = between.hold("revoke")
        # As after a crash between the record and the act: recorded, and nobody carries it out.
        run.daemon.driver.detach()
        await run.daemon.driver.ask("default", unbind(local_only=local_only))
        assert run.now().unbinding == ("local" if local_only else "remote")
        assert not hold.reached.is_set()
    async with running(config, sandbox, clock) as run:
        await run.in_time(lambda: run.now().binding is None)
        assert run.now().unbound_by_operator
        assert len(list(sandbox.world.keys)) == (1 if local_only else 0)
        await run.manual.advance(60)
        assert run.now().attempt == 1


async def test_an_unbind_cancels_an_open_bind(config: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """Held keys and those of the open attempt: none is left."""
    between = Interposed()
    async with running(config, sandbox, clock, around=between.around) as run:
        await run.reach(State.BOUND)
        login = between.hold("authenticate")
        await run.asked("POST", "/rebind", status=202)
        await login.reached.wait()
        await run.daemon.driver.ask("default", unbind())
        login.go.set()
        await run.until(lambda: run.now().binding is None)
        await run.until(lambda: "default-2" in run.now().revoke_pending or not list(sandbox.world.keys))
        await run.in_time(lambda: not run.now().revoke_pending)
        assert not list(sandbox.world.keys)
        assert run.now().state is State.CONFIGURED
