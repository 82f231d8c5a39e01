"""What the engine's front door answers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from daemon.engine.front import FrontDoor
from daemon.engine.operations import Caller, Health, UnknownBind, UnknownSite
from daemon.ports import AuditFilter
from daemon.sandbox import Sandbox
from states import State
from tests.clock import ManualClock
from tests.engine.conftest import DAEMON
from tests.running import Running, eventually, running, site_options, write

ME = Caller(actor="test", request_id="r-1")


async def test_who_is_unknown_is_said(run: Running) -> None:
    """Site and bind, for every question."""
    await run.reach(State.BOUND)
    front = run.daemon.front
    for question in (
        front.rebind("nobody", caller=ME, reason=""),
        front.binds("nobody"),
        front.bind("nobody", "x"),
        front.audit(AuditFilter(site="nobody")),
        front.export_audit(AuditFilter(site="nobody"), "csv", caller=ME),
        front.state_history("nobody", run.manual.now()),
    ):
        with pytest.raises(UnknownSite):
            await question
    with pytest.raises(UnknownSite):
        front.site("nobody")
    with pytest.raises(UnknownSite):
        front.ready("nobody")
    with pytest.raises(UnknownBind):
        await front.bind("default", "default-99")


async def test_waiting_for_a_bind_ends_with_it_or_with_the_time(run: Running) -> None:
    """The report as it stands, or as it ended; one that is over is not waited for."""
    await run.reach(State.BOUND)
    front = run.daemon.front
    assert (await front.wait_for_bind("default", "default-1", seconds=100)).state == "succeeded"
    run.sandbox.script.start("slow", seconds=30, endpoint="discover", times=1)
    opened = await front.rebind("default", caller=ME, reason="once more")
    waiting = asyncio.create_task(front.wait_for_bind("default", opened.id, seconds=10))
    await eventually(lambda: len(run.daemon.front._reports._live.steps(opened.id)) >= 2)
    await run.manual.advance(11)
    report = await waiting
    assert report.state == "open"
    assert [step.step for step in report.steps][:2] == ["configuration", "connect"]
    (newest, _) = await front.binds("default")
    assert newest.steps == report.steps


async def test_waiting_for_a_bind_that_succeeds(run: Running) -> None:
    """Whoever waits is woken by its end."""
    await run.reach(State.BOUND)
    opened = await run.daemon.front.rebind("default", caller=ME, reason="once more")
    report = await run.daemon.front.wait_for_bind("default", opened.id, seconds=1000)
    assert report.state == "succeeded"
    assert report.actor == "test"


async def test_nothing_configured_is_not_ready(tmp_path: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """An empty folder: healthy, not ready, and said so."""
    folder = tmp_path / "sites"
    folder.mkdir()
    write(folder / "daemon.ini", {"daemon": DAEMON})
    async with running(folder, sandbox, clock) as run:
        ready = run.daemon.front.ready()
        assert not ready.ok
        assert ready.status == "fail"
        assert run.daemon.front.healthy().ok
        assert run.daemon.front.sites() == []


async def test_a_locked_vault_is_a_problem_of_every_site_and_no_end(
    config: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """The configuration is rejected with the reason; since when stays the same; health warns."""
    async with running(config, sandbox, clock) as run:
        await run.reach(State.BOUND)
    key = config.with_name("sitebind.db.key")
    kept = key.rename(config.with_name("elsewhere"))
    async with running(config, sandbox, clock) as run:
        await run.until(lambda: bool(run.now().findings))
        first = vault_problem(run.daemon.front)
        await clock.advance(60)
        assert vault_problem(run.daemon.front) == first
        assert {check.name: check.status for check in run.daemon.front.healthy().checks}["vault"] == "warn"
        assert run.now().binding is not None
        assert isinstance(run.daemon.front.healthy(), Health)
    kept.rename(key)
    async with running(config, sandbox, clock) as run:
        assert (await run.reach(State.BOUND)).attempt == 1


def vault_problem(front: FrontDoor) -> object:
    (problem,) = [problem for problem in front.site("default").problems if problem.code == "vault-locked"]
    return problem


async def test_failed_with_a_held_binding_is_ready_with_a_warning(run: Running) -> None:
    """Status says both."""
    await run.reach(State.BOUND)
    run.sandbox.script.start("wrong-password")
    assert (await run.rebind()).state is State.FAILED
    ready = run.daemon.front.ready()
    assert ready.ok
    assert ready.status == "warn"
    assert "earlier binding is still held" in ready.checks[0].text


async def test_the_audit_names_who_asked(run: Running) -> None:
    """Actor and request id of a rebind."""
    await run.reach(State.BOUND)
    await run.ended((await run.daemon.front.rebind("default", caller=ME, reason="once more")).id)
    records = await run.daemon.front.audit(AuditFilter(site="default"))
    assert [(r.actor, r.request_id) for r in records if r.event == "bind_requested"] == [
        ("daemon", None),
        ("test", "r-1"),
    ]


async def test_an_expired_binding_is_not_ready(tmp_path: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """Held, but of no use."""
    path = write(tmp_path / "config.ini", {"daemon": DAEMON, **site_options(sandbox, verify_every="24h")})
    async with running(path, sandbox, clock) as run:
        await run.reach(State.BOUND)
        sandbox.script.start("service-error")
        await clock.advance(13 * 3600)
        assert not run.daemon.front.ready().ok
