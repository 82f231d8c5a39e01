"""What a start makes of what a stop, or a crash, left behind."""

from __future__ import annotations

from pathlib import Path

from daemon.sandbox import Sandbox
from daemon.store.journal import SqliteJournal
from states import Snapshot, State
from tests.clock import ManualClock
from tests.engine.conftest import DAEMON
from tests.running import running, site_options, write


async def stored(path: Path, site: str = "default") -> Snapshot:
    journal = SqliteJournal(path)
    await journal.open()
    try:
        return (await journal.snapshots())[site]
    finally:
        await journal.close()


async def test_a_bound_site_stays_bound_without_another_sign_in(
    config: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """Ready at once, verified soon, and not one more login."""
    async with running(config, sandbox, clock) as run:
        before = await run.reach(State.BOUND)
    logins, profiles = sandbox.calls["login"], sandbox.calls["profile"]
    async with running(config, sandbox, clock) as run:
        await run.until(lambda: run.now().reason == before.reason)
        assert (await run.asked("GET", "/-/ready"))["status"] == "pass"
        await run.in_time(lambda: run.now().binding != before.binding)
        assert run.now().state is State.BOUND
        assert run.now().site_code == before.site_code
        assert sandbox.calls["login"] == logins
        assert sandbox.calls["profile"] == profiles + 1


async def test_a_bind_that_a_stop_interrupted_is_recovered(config: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """Binding -> configured -> binding -> bound, with the reason in the audit."""
    sandbox.script.start("slow", seconds=60, endpoint="discover", times=1)
    async with running(config, sandbox, clock) as run:
        await run.reach(State.BINDING)
    assert (await stored(config.with_name("sitebind.db"))).state is State.BINDING
    sandbox.script.heal()
    async with running(config, sandbox, clock) as run:
        bound = await run.reach(State.BOUND)
        assert bound.attempt == 2
        assert bound.reason == "recovery: a restart interrupted the bind"
        binds = (await run.asked("GET", "/api/v1/sites/default/binds"))["binds"]
        assert [bind["state"] for bind in binds] == ["succeeded", "cancelled"]


async def test_bind_inputs_changed_while_stopped_lead_to_a_rebind(
    config: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """A keyed fingerprint notices it."""
    async with running(config, sandbox, clock) as run:
        await run.reach(State.BOUND)
    options = site_options(sandbox)
    options["connection"]["no_proxy"] = "example.test"
    write(config, {"daemon": DAEMON, **options})
    async with running(config, sandbox, clock) as run:
        await run.until(lambda: run.now().attempt == 2 and run.now().state is State.BOUND)
        assert run.now().reason == "changed while stopped"


async def test_a_display_name_changed_while_stopped_does_not(
    config: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """What does not identify or authenticate the site leaves the binding alone."""
    async with running(config, sandbox, clock) as run:
        await run.reach(State.BOUND)
    write(config, {"daemon": DAEMON, "site": {"display_name": "Other"}, **site_options(sandbox)})
    async with running(config, sandbox, clock) as run:
        await run.until(lambda: bool(run.daemon.configuration.sites))
        assert (await run.asked("GET", "/api/v1/sites/default"))["display_name"] == "Other"
        assert run.now().attempt == 1


async def test_a_bad_file_at_start_holds_the_binding_and_waits_for_the_mend(
    config: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """Unconfigured with the findings, health served; the mended file leads back to bound without a sign-in."""
    async with running(config, sandbox, clock) as run:
        await run.reach(State.BOUND)
    good = config.read_text()
    config.write_text(good + "\n[conection]\n")
    async with running(config, sandbox, clock) as run:
        now = await run.reach(State.UNCONFIGURED)
        assert now.binding is not None
        assert any("conection" in finding for finding in now.findings)
        await run.asked("GET", "/-/healthy")
        await run.asked("GET", "/-/ready", status=503)
        config.write_text(good)
        await run.asked("POST", "/-/reload")
        await run.reach(State.BOUND)
        assert run.now().attempt == 1


async def test_a_failed_site_stays_failed_and_its_retry_is_armed_again(
    config: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """With its attempt and its time."""
    sandbox.script.start("service-error", endpoint="discover")
    async with running(config, sandbox, clock) as run:
        failed = await run.reach(State.FAILED)
        assert failed.retry is not None
    sandbox.script.heal()
    async with running(config, sandbox, clock) as run:
        await run.until(lambda: bool(run.daemon.configuration.sites))
        assert run.now().state is State.FAILED
        assert run.now().retry == failed.retry
        await run.in_time(lambda: run.now().state is State.BOUND)
        bound = run.now()
        assert bound.attempt == failed.retry.attempt


async def test_keys_that_no_record_speaks_of_are_revoked_at_the_start(
    config: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """A crash between obtaining and recording leaves no orphan at the service."""
    async with running(config, sandbox, clock) as run:
        await run.reach(State.BOUND)
        keys = await run.daemon.vault.get("default-1")
        assert keys is not None
        await run.rebind()
        await run.until(lambda: not run.now().revoke_pending)
        second = await run.daemon.vault.get("default-2")
        assert second is not None
        # As after a crash: sealed under the id of an attempt whose end was never recorded.
        await run.daemon.vault.put("default-9", site="default", keys=keys)
    logouts = sandbox.calls["logout"]
    async with running(config, sandbox, clock) as run:
        await run.until(lambda: "default-9" in run.now().revoke_pending)
        await run.in_time(lambda: not run.now().revoke_pending)
        assert sandbox.calls["logout"] == logouts + 1
        assert run.now().state is State.BOUND


async def test_starts_and_stops_are_in_the_audit_trail_and_the_chain_holds(
    config: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """Over several runs of the daemon."""
    for _ in range(3):
        async with running(config, sandbox, clock) as run:
            await run.until(lambda: bool(run.daemon.configuration.sites))
            await run.reach(State.BOUND)
    async with running(config, sandbox, clock) as run:
        await run.until(lambda: bool(run.daemon.configuration.sites))
        await run.until(lambda: not run.daemon.driver._queues and bool(run.daemon.configuration.sites))
        events = [event for event, _, _ in await run.audit()]
        assert events.count("daemon_started") == 4
        assert events.count("daemon_stopped") == 3
        assert events.count("restarted") == 3
        assert (await run.daemon.journal.verify()).intact
