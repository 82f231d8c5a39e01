"""The database cannot be written: requests are refused, results wait, and what is held goes on working."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from daemon.engine import supervisor
from daemon.ports import ChainReport, JournalEntry, JournalUnavailable
from daemon.sandbox import Sandbox
from daemon.store.journal import SqliteJournal
from daemon.store.vault import SealedVault
from states import Fault, State
from states.events import OrphanFound, UnbindRequested
from tests.clock import ManualClock
from tests.engine.conftest import DAEMON
from tests.interposed import Interposed
from tests.running import Running, eventually, running, site_options, write

DAEMON_STARTED = "daemon_started"


def codes(site: dict[str, list[dict[str, str]]]) -> set[str]:
    return {problem["code"] for problem in site["problems"]}


async def broken(run: Running) -> None:
    """Let the engine meet the broken journal."""
    await run.asked("POST", "/rebind", status=503)


async def test_requests_are_refused_and_the_held_binding_stays_in_use(run: Running) -> None:
    """503 with the reason; still bound, still ready; the same request is taken afterwards."""
    before = await run.reach(State.BOUND)
    with run.without_journal():
        problem = await run.asked("POST", "/rebind", status=503)
        assert "journal" in problem["detail"]
        assert run.now() == before
        site = await run.asked("GET", "/api/v1/sites/default")
        assert site["state"] == "bound"
        assert "journal-not-writable" in codes(site)
        assert (await run.asked("GET", "/-/ready"))["status"] == "pass"
        health = await run.asked("GET", "/-/healthy")
        assert {"name": "journal", "status": "warn"}.items() <= health["checks"][1].items()
    assert (await run.rebind()).state is State.BOUND
    assert "journal-not-writable" not in codes(await run.asked("GET", "/api/v1/sites/default"))
    assert (await run.daemon.journal.verify()).intact


async def test_the_problem_goes_away_by_itself_when_the_journal_is_back(run: Running) -> None:
    """Nobody has to do something first; and the trail says that there was a gap."""
    await run.reach(State.BOUND)
    with run.without_journal():
        await broken(run)
        await run.manual.advance(60)
        assert run.daemon.driver.journal_trouble is not None
    while run.daemon.driver.journal_trouble is not None:
        await run.manual.advance(1)
    assert "journal-not-writable" not in codes(await run.asked("GET", "/api/v1/sites/default"))
    assert ("journal_recovered", "", "") in await run.audit()


async def test_a_start_that_could_not_be_recorded_is_recorded_later_with_its_own_time(
    config: Path, sandbox: Sandbox, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the journal fails once more behind the record of the gap."""
    opened, appended, away = SealedVault.open, SqliteJournal.append, config.with_name("away.db")

    async def opens(vault: SealedVault) -> None:
        await opened(vault)
        config.with_name("sitebind.db").rename(away)

    refusals = [JournalUnavailable("a disk that fails once more")]

    async def appends(journal: SqliteJournal, entry: JournalEntry) -> object:
        if entry.event == DAEMON_STARTED and not away.exists() and refusals:
            raise refusals.pop()
        return await appended(journal, entry)

    monkeypatch.setattr(SealedVault, "open", opens)
    monkeypatch.setattr(SqliteJournal, "append", appends)
    began = clock.now()
    async with running(config, sandbox, clock) as run:
        assert run.daemon.driver.journal_trouble is not None
        await clock.advance(120)
        away.rename(run.daemon.journal.path)
        while DAEMON_STARTED not in [event for event, _, _ in await run.audit()]:
            await clock.advance(1)
        await run.reach(State.BOUND)
        assert not refusals
        records = [
            one for one in await run.daemon.journal.audit() if one.event in (DAEMON_STARTED, "journal_recovered")
        ]
    assert [one.event for one in records] == ["journal_recovered", "journal_recovered", DAEMON_STARTED]
    assert datetime.fromisoformat(records[-1].at) - began < timedelta(seconds=1)


async def test_the_chain_is_walked_anew_once_the_journal_is_back(run: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """What kept it from being written may have damaged what was written before: a failed sync, for example."""
    await run.reach(State.BOUND)
    walks: list[bool] = []
    verify = run.daemon.journal.verify

    async def walked() -> ChainReport:
        report = await verify()
        walks.append(report.intact)
        return report

    monkeypatch.setattr(run.daemon.journal, "verify", walked)
    with run.without_journal():
        await broken(run)
    assert walks == []
    while not walks:
        await run.manual.advance(1)
    assert walks == [True]


async def test_a_result_waits_until_it_can_be_recorded(config: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """A bind that succeeds meanwhile is not lost, and memory does not run ahead of the disk."""
    between = Interposed()
    proof = between.hold("authorize")
    async with running(config, sandbox, clock, around=between.around) as run:
        await proof.reached.wait()
        with run.without_journal():
            proof.go.set()
            await until_trouble(run)
            assert run.now().state is State.BINDING
            await clock.advance(30)
            assert run.now().state is State.BINDING
            await broken(run)
        await clock.advance(20)
        bound = await run.reach(State.BOUND)
        assert bound.attempt == 1


async def until_trouble(run: Running) -> None:
    await eventually(lambda: run.daemon.driver.journal_trouble is not None)


async def test_who_asks_behind_a_waiting_result_is_answered_at_once(
    config: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """Refused now, and not after the wait before the next try; taken at once when the journal is back."""
    between = Interposed()
    proof = between.hold("authorize")
    async with running(config, sandbox, clock, around=between.around) as run:
        await proof.reached.wait()
        with run.without_journal():
            proof.go.set()
            await until_trouble(run)
            await clock.advance(100)
            await broken(run)
            await broken(run)
        report = await run.asked("POST", "/rebind", status=202)
        await run.ended(report["id"])
        assert run.now().state is State.BOUND
        assert run.now().attempt == 2


async def test_keys_that_cannot_be_stored_are_revoked(config: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """The sign-in is undone at the service, the attempt fails by a fault that heals, and the retry binds."""
    between = Interposed()
    login = between.hold("authenticate")
    async with running(config, sandbox, clock, around=between.around) as run:
        await login.reached.wait()
        with run.without_journal():
            write(config, {"daemon": DAEMON, "site": {"display_name": "x"}, **site_options(sandbox)})
            await run.asked("POST", "/-/reload", status=503)
            login.go.set()
            await eventually(lambda: not list(sandbox.world.keys))
        await run.in_time(lambda: run.now().state is State.BOUND)
        assert len(list(sandbox.world.keys)) == 1
        report = await run.daemon.front.bind("default", "default-1")
        assert report.fault is Fault.KEYS_NOT_STORED
        assert "they were revoked" in report.steps[5].detail


async def test_a_reload_that_cannot_be_recorded_is_not_in_force(run: Running) -> None:
    """503, the old settings stay, and the change is made when the journal is back."""
    await run.reach(State.BOUND)
    write(run.path, {"daemon": DAEMON, "site": {"display_name": "Later"}, **site_options(run.sandbox)})
    with run.without_journal():
        await run.asked("POST", "/-/reload", status=503)
        site = await run.asked("GET", "/api/v1/sites/default")
        assert site["display_name"] != "Later"
        assert run.daemon.configuration.sites["default"].display_name == ""
        metrics = await (await run.http.get(run.daemon.web.url + "/metrics")).text()
        assert "sitebind_config_last_reload_successful 0.0" in metrics
    answer = await run.asked("POST", "/-/reload")
    assert [(c["option"], c["result"]) for c in answer["changes"]] == [("display_name", "applied")]
    assert (await run.asked("GET", "/api/v1/sites/default"))["display_name"] == "Later"


async def test_a_reload_for_many_sites_ends_with_all_of_them(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """After a 503 nothing of it is still under way, so the next one meets no leftovers."""
    folder = tmp_path / "sites"
    folder.mkdir()
    write(folder / "daemon.ini", {"daemon": DAEMON})
    names = [f"s{number}" for number in range(20)]
    for name in names:
        write(folder / f"{name}.ini", site_options(sandbox, automatic="no"))
    async with running(folder, sandbox, clock) as run:
        for name in names:
            await run.reach(State.CONFIGURED, name)
        for name in names:
            options = site_options(sandbox, automatic="no")
            write(folder / f"{name}.ini", {**options, "site": {"display_name": "new"}})
        with run.without_journal():
            await run.asked("POST", "/-/reload", status=503)
            assert not run.daemon.driver._queues
            assert {s.display_name for s in run.daemon.configuration.sites.values()} == {""}
        await run.asked("POST", "/-/reload")
        assert {s.display_name for s in run.daemon.configuration.sites.values()} == {"new"}


async def test_a_stop_with_a_broken_journal_is_bounded_and_says_what_is_lost(
    config: Path,
    sandbox: Sandbox,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The result of the bind is given up by name; the next start finds the keys and revokes them."""
    monkeypatch.setattr(supervisor, "RECORD_SECONDS", 0.1)
    between = Interposed()
    proof = between.hold("authorize")
    async with running(config, sandbox, clock, around=between.around) as run:
        await proof.reached.wait()
        away = run.without_journal()
        away.__enter__()
        proof.go.set()
        await until_trouble(run)
        run.stop.set()
        await eventually(lambda: "bind_succeeded of site default could not be recorded" in caplog.text)
        away.__exit__(None, None, None)
    async with running(config, sandbox, clock) as run:
        await run.in_time(lambda: run.now().state is State.BOUND and not run.now().revoke_pending)
        assert run.now().binding.bind_id == "default-2"
        assert len(list(sandbox.world.keys)) == 1


async def test_a_chain_that_cannot_be_read_does_not_stop_the_daemon(
    config: Path,
    sandbox: Sandbox,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The check needs to read; where it cannot, that is said, and the sites go on."""
    async with running(config, sandbox, clock) as run:
        await run.reach(State.BOUND)
        reader = run.daemon.journal._reader
        run.daemon.journal._reader = None
        try:
            run.daemon.supervisor._keeping.doubt()
            await eventually(lambda: "the audit chain could not be checked" in caplog.text)
        finally:
            run.daemon.journal._reader = reader
        assert not run.stop.is_set()


async def test_keys_that_cannot_be_read_now_are_asked_about_later(run: Running) -> None:
    """A verification, a revocation and an unbind under a database that cannot be read: each is tried again."""
    await run.reach(State.BOUND)
    journal = run.daemon.journal
    reader, journal._reader = journal._reader, None
    try:
        await run.manual.advance(900)
        await run.until(lambda: run.now().missed is not None)
    finally:
        journal._reader = reader
    assert run.now().missed.fault is Fault.KEYS_NOT_STORED
    await run.manual.advance(300)
    await run.until(lambda: run.now().missed is None)


async def test_a_wipe_that_waits_does_not_hold_up_the_verifying(run: Running) -> None:
    """Another program reads the database, so old keys cannot be wiped yet: the new ones are still looked after."""
    await run.reach(State.BOUND)
    other = sqlite3.connect(run.daemon.journal.path)
    try:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM audit").fetchone()
        await run.rebind()
        await run.in_time(lambda: not run.now().revoke_pending)
        held = run.now().binding
        await run.manual.advance(900)
        await run.until(lambda: run.now().binding != held, "verified")
    finally:
        other.close()


async def test_new_keys_of_a_refresh_that_cannot_be_stored_are_revoked(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """Extended keys stay as they were at the service, and the refresh is tried again."""
    between = Interposed()
    path = write(tmp_path / "config.ini", {"daemon": DAEMON, **site_options(sandbox, verify_every="60s")})
    async with running(path, sandbox, clock, around=between.around) as run:
        await run.reach(State.BOUND)
        login = between.hold("authenticate")
        sandbox.script.start("expired-binding")
        await run.in_time(login.reached.is_set, step=10)
        with run.without_journal():
            await broken(run)
            login.go.set()
            await clock.advance(0)
            await eventually(lambda: "refresh default-1" not in {task.get_name() for task in asyncio.all_tasks()})
        await run.in_time(lambda: run.now().refusals is None and run.now().missed is None, step=10)
        assert run.now().attempt == 1
        assert len(list(sandbox.world.keys)) == 1
        assert "keys-not-stored" in str([r.detail for r in await run.daemon.journal.audit(site="default", limit=100)])


async def test_an_unbind_that_cannot_read_its_keys_says_so(run: Running) -> None:
    """Not under way for ever."""
    await run.reach(State.BOUND)
    journal = run.daemon.journal
    reader, journal._reader = journal._reader, None
    try:
        await run.daemon.driver.ask("default", UnbindRequested(actor="test", reason="moving house"))
        await run.until(lambda: run.now().unbind_trouble is not None)
    finally:
        journal._reader = reader
    assert run.now().unbind_trouble.fault is Fault.KEYS_NOT_STORED
    assert run.now().binding is not None


async def test_a_bind_that_cannot_read_the_expired_keys_is_retried(run: Running) -> None:
    """The old keys are needed to extend them; the fault heals."""
    await run.reach(State.BOUND)
    await run.manual.advance(0)
    run.sandbox.script.start("expired-binding")
    run.sandbox.script.start("service-error", endpoint="login", times=1)
    await run.in_time(lambda: run.now().refusals is not None, step=100)
    journal = run.daemon.journal
    reader, journal._reader = journal._reader, None
    try:
        await run.rebind()
    finally:
        journal._reader = reader
    assert run.now().trouble.fault is Fault.KEYS_NOT_STORED
    await run.in_time(lambda: run.now().state is State.BOUND)


async def test_several_results_of_one_site_wait_in_their_order(
    config: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """And a stop that comes first names each of them."""
    between = Interposed()
    proof = between.hold("authorize")
    async with running(config, sandbox, clock, around=between.around) as run:
        await proof.reached.wait()
        with run.without_journal():
            proof.go.set()
            await until_trouble(run)
            run.daemon.driver.post("default", OrphanFound(bind_id="default-77"))
        await run.in_time(lambda: "default-77" not in run.now().revoke_pending and run.now().state is State.BOUND)
        await run.until(lambda: "default-77" in run.now().revoke_pending or not run.daemon.driver._queues)
        events = [event for event, _, _ in await run.audit("default")]
        assert events.index("bind_succeeded") < events.index("orphan_found")
