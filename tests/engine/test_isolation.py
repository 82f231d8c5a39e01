"""Many sites in one process: paced, and none in the way of another."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from daemon.sandbox import Sandbox
from states import State
from tests.clock import ManualClock
from tests.engine.conftest import DAEMON
from tests.running import LONGEST, TURN, Running, eventually, running, sandboxed, site_options, write

MANY = 200


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "sites"
    made.mkdir()
    write(made / "daemon.ini", {"daemon": {**DAEMON, "log_level": "warning"}})
    return made


@pytest.fixture
async def three(folder: Path, sandbox: Sandbox, clock: ManualClock) -> AsyncIterator[Running]:
    for name in ("a", "b", "c"):
        write(folder / f"{name}.ini", site_options(sandbox))
    async with running(folder, sandbox, clock) as run:
        await bound(run, "a", "b", "c")
        yield run


async def bound(run: Running, *names: str) -> None:
    known = run.daemon.driver.snapshots
    await run.in_time(lambda: all(name in known and known[name].state is State.BOUND for name in names))


async def test_two_hundred_sites_bind_at_the_pace(folder: Path, tmp_path: Path, clock: ManualClock) -> None:
    """Twenty a second at most, in the order of their slots, and every one arrives."""
    async with sandboxed(tmp_path, clock, keys_per_user=MANY) as sandbox:
        for number in range(MANY):
            write(folder / f"s{number}.ini", site_options(sandbox))
        async with running(folder, sandbox, clock) as run:
            await eventually(lambda: len(run.daemon.configuration.sites) == MANY)
            async with asyncio.timeout(LONGEST):
                while any(now.state is not State.BOUND for now in run.daemon.driver.snapshots.values()):
                    await clock.advance(0.05)
                    await asyncio.sleep(TURN)
            reports = [(await run.daemon.journal.reports(name))[0] for name in run.daemon.driver.snapshots]
            started = sorted(report.started_at.timestamp() for report in reports)
            for begin in started:
                assert sum(begin <= at < begin + 0.99 for at in started) <= 20 + 1
            assert started[-1] - started[0] >= (MANY - 1) / 20 - 0.1
            assert (await run.asked("GET", "/-/ready"))["status"] == "pass"
            assert len({now.site_code for now in run.daemon.driver.snapshots.values()}) == MANY
            assert {now.attempt for now in run.daemon.driver.snapshots.values()} == {1}


async def test_a_typo_in_one_file_is_that_sites_own(three: Running) -> None:
    """The others do not notice."""
    run = three
    before = len(await run.audit("b"))
    (run.path / "a.ini").write_text("[bindng]\n")
    problem = await run.asked("POST", "/-/reload", status=422)
    assert all("a.ini" in finding for finding in problem["findings"])
    assert run.now("a").findings
    assert run.now("a").state is State.BOUND
    assert len(await run.audit("b")) == before


async def test_a_site_comes_and_goes_by_its_file(three: Running) -> None:
    """Removed: unconfigured, binding held, and the others stay ready. Back: bound without a sign-in."""
    run = three
    text = (run.path / "b.ini").read_text()
    (run.path / "b.ini").unlink()
    answer = await run.asked("POST", "/-/reload")
    assert [(c["site"], c["result"]) for c in answer["changes"]] in ([("b", "applied")], [])
    assert (await run.reach(State.UNCONFIGURED, "b")).binding is not None
    assert (await run.asked("GET", "/-/ready"))["status"] == "pass"
    write(run.path / "d.ini", site_options(run.sandbox))
    await run.asked("POST", "/-/reload")
    await bound(run, "d")
    (run.path / "b.ini").write_text(text)
    (run.path / "b.ini").chmod(0o600)
    await run.asked("POST", "/-/reload")
    assert (await run.reach(State.BOUND, "b")).attempt == 1


async def test_two_files_with_one_id_are_one_finding_of_it(three: Running) -> None:
    """It keeps its last good settings, and the quarrel is told once and not at every reload."""
    run = three
    options = site_options(run.sandbox)
    write(run.path / "copy.ini", {"site": {"id": "a"}, **options})
    await run.asked("POST", "/-/reload", status=422)
    await run.asked("POST", "/-/reload", status=422)
    events = [event for event, _, _ in await run.audit("a")]
    assert events.count("config_rejected") == 1
    assert len(run.now("a").findings) == 2
    assert run.now("a").state is State.BOUND


async def test_a_folder_that_vanishes_withdraws_all_and_makes_up_none(three: Running) -> None:
    """However often it is looked at; it comes back as it was."""
    run = three
    away = run.path.with_name("away")
    shutil.move(run.path, away)
    for _ in range(3):
        await run.daemon.supervisor._reload_for("test")
    # The database lies in the folder as well, so nothing could be recorded yet.
    assert set(run.daemon.driver.snapshots) == {"a", "b", "c"}
    shutil.move(away, run.path)
    await run.asked("POST", "/-/reload")
    for name in ("a", "b", "c"):
        assert (await run.reach(State.BOUND, name)).attempt == 1


async def test_a_folder_of_links_that_vanishes(
    folder: Path, tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """As a mount that went away, with the database elsewhere: every site is unconfigured, and no other appears."""
    database = tmp_path / "state" / "sitebind.db"
    write(folder / "daemon.ini", {"daemon": {**DAEMON, "database": str(database)}})
    write(folder / "a.ini", site_options(sandbox))
    async with running(folder, sandbox, clock) as run:
        await bound(run, "a")
        away = folder.with_name("away")
        shutil.move(folder, away)
        for _ in range(3):
            await run.daemon.supervisor._reload_for("test")
        assert (await run.reach(State.UNCONFIGURED, "a")).binding is not None
        assert set(run.daemon.driver.snapshots) == {"a"}
        await run.asked("GET", "/-/ready", status=503)
        shutil.move(away, folder)
        await run.daemon.supervisor._reload_for("test")
        assert (await run.reach(State.BOUND, "a")).attempt == 1


async def test_a_defect_that_one_sites_settings_wake_is_its_own(
    three: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """A finding with the file's name, the traceback in the log, and the others have their settings."""
    run = three
    take = run.daemon.configuration._fingerprints.take

    async def raising(settings: object) -> object:
        if settings.id == "a":  # type: ignore[attr-defined]
            raise RuntimeError("never seen before")
        return await take(settings)  # type: ignore[arg-type]

    run.daemon.configuration._fingerprints.take = raising
    for name in ("a", "b"):
        write(run.path / f"{name}.ini", {"site": {"display_name": "New"}, **site_options(run.sandbox)})
    problem = await run.asked("POST", "/-/reload", status=422)
    assert any("a.ini" in finding and "RuntimeError" in finding for finding in problem["findings"])
    assert run.daemon.configuration.sites["b"].display_name == "New"
    assert run.daemon.configuration.sites["a"].display_name == ""
    assert "never seen before" in caplog.text
    assert not run.daemon.supervisor._services_failed.done()


async def test_a_site_that_waits_for_its_service_holds_up_nobody(three: Running) -> None:
    """One sign-in hangs; the other site binds meanwhile."""
    run = three
    run.sandbox.script.start("slow", seconds=30, endpoint="discover", times=1)
    await run.asked("POST", "/api/v1/sites/a/rebind", status=202)
    await eventually(lambda: not run.sandbox.script.active)
    assert (await run.rebind("b")).state is State.BOUND
    assert run.now("a").state is State.BINDING
