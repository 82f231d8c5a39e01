"""A held binding is looked after: verified, refreshed, missed, lost, and signed in again once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from daemon.sandbox import Sandbox
from states import Fault, State
from tests.clock import ManualClock
from tests.engine.conftest import DAEMON
from tests.running import Running, eventually, running, site_options, write


def options(sandbox: Sandbox, **binding: str) -> dict[str, dict[str, str]]:
    return {"daemon": DAEMON, **site_options(sandbox, verify_every="60s", **binding)}


async def test_the_keys_are_verified_at_the_interval(tmp_path: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """Three intervals, three cheap calls, and the time of the last one is known."""
    path = write(tmp_path / "config.ini", options(sandbox))
    async with running(path, sandbox, clock) as run:
        bound = await run.reach(State.BOUND)
        calls = run.sandbox.calls["profile"]
        for _ in range(3):
            seen = run.now().binding
            await clock.advance(60)
            await run.until(lambda seen=seen: run.now().binding != seen)
        assert run.sandbox.calls["profile"] == calls + 3
        assert run.now().binding is not None
        assert run.now().binding.verified_at - bound.since >= timedelta(seconds=180)
        assert run.now().attempt == 1


async def test_an_unreachable_service_is_no_refusal(tmp_path: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """An hour of service errors: still bound, still ready, and a problem says since when it is not verified."""
    path = write(tmp_path / "config.ini", options(sandbox))
    async with running(path, sandbox, clock) as run:
        await run.reach(State.BOUND)
        sandbox.script.start("service-error")
        for _ in range(5):
            events = len(await run.audit())
            await clock.advance(720)
            await run.until(lambda: run.now().missed is not None)
            assert len(await run.audit()) >= events
        assert run.now().state is State.BOUND
        site = await run.asked("GET", "/api/v1/sites/default")
        assert "verification-missed" in {problem["code"] for problem in site["problems"]}
        assert (await run.asked("GET", "/-/ready"))["status"] == "pass"
        sandbox.script.heal()
        await clock.advance(301)
        await run.until(lambda: run.now().missed is None)


async def test_refused_keys_are_lost_only_after_some_refusals_and_then_replaced(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """One refusal is a problem, three over time are a loss; the configured sign-in is then used once."""
    path = write(tmp_path / "config.ini", options(sandbox))
    async with running(path, sandbox, clock) as run:
        await run.reach(State.BOUND)
        sandbox.world.keys.revoke_all()
        await clock.advance(60)
        await run.until(lambda: run.now().refusals is not None)
        assert run.now().state is State.BOUND
        await run.asked("GET", "/-/ready", status=503)
        for _ in range(2):
            refusals = run.now().refusals
            await clock.advance(30)
            await run.until(lambda refusals=refusals: run.now().refusals != refusals)
        await run.in_time(lambda: run.now().attempt == 2 and run.now().state is State.BOUND)
        assert run.now().reason == "binding lost: keys-refused"


async def test_a_lost_binding_without_a_sign_in_waits_for_a_human(run: Running) -> None:
    """Wrong password at the one automatic sign-in: failed, no retry, and the remedy is said."""
    await run.reach(State.BOUND)
    run.sandbox.script.start("revoked-keys")
    run.sandbox.script.start("wrong-password")
    await run.manual.advance(900)
    await run.until(lambda: run.now().refusals is not None)
    for _ in range(2):
        refusals = run.now().refusals
        await run.manual.advance(30)
        await run.until(lambda refusals=refusals: run.now().refusals != refusals)
    await run.in_time(lambda: run.now().trouble is not None and run.now().trouble.fault is Fault.CREDENTIALS_REFUSED)
    failed = run.now()
    assert failed.state is State.FAILED
    assert failed.retry is None
    assert failed.binding is None
    assert not failed.automatic_binding_applies
    logins = run.sandbox.calls["login"]
    await run.manual.advance(24 * 3600)
    assert run.sandbox.calls["login"] == logins


async def test_expired_keys_are_extended_with_the_configured_password(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """HTTP 418 is answered by a login with the access key added: same keys, new lifetime, no new attempt."""
    path = write(tmp_path / "config.ini", options(sandbox))
    async with running(path, sandbox, clock) as run:
        bound = await run.reach(State.BOUND)
        assert bound.binding is not None
        keys = await run.daemon.vault.get("default-1")
        sandbox.script.start("expired-binding")
        await clock.advance(60)
        await run.until(lambda: run.now().refusals is not None or run.now().binding != bound.binding)
        await run.until(lambda: run.now().refusals is None)
        after = await run.daemon.vault.get("default-1")
        assert keys is not None
        assert after is not None
        assert after.identity == keys.identity
        assert run.now().attempt == 1
        assert ("binding_refreshed", "bound", "bound") in await run.audit("default")


async def test_keys_are_refreshed_before_they_expire(tmp_path: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """Keys of ten minutes, verified each minute: never expired in an hour."""
    sandbox.world.keys.lifetime = timedelta(minutes=10)
    path = write(tmp_path / "config.ini", options(sandbox))
    async with running(path, sandbox, clock) as run:
        await run.reach(State.BOUND)
        for _ in range(60):
            await eventually(run.idle)  # a refresh may be on its way, and plans the next check when it ends
            seen = run.now().binding
            await clock.advance(60)
            await run.until(lambda seen=seen: run.now().binding != seen)
            assert run.now().refusals is None
        assert run.now().attempt == 1
        refreshed = [event for event, _, _ in await run.audit("default") if event == "binding_refreshed"]
        assert 5 <= len(refreshed) <= 15


async def test_without_a_password_an_expiry_is_a_problem_with_a_date(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """It cannot be refreshed, so it is said instead."""
    sandbox.world.keys.lifetime = timedelta(days=20)
    path = write(tmp_path / "config.ini", options(sandbox))
    async with running(path, sandbox, clock) as run:
        await run.reach(State.BOUND)
        write(path, {"daemon": DAEMON, **site_options(sandbox, verify_every="24h", automatic="no", password="")})
        await run.asked("POST", "/-/reload")
        await run.reach(State.CONFIGURED)
        await clock.advance(18 * 24 * 3600)
        site = await run.asked("GET", "/api/v1/sites/default")
        assert "binding-expires" in {problem["code"] for problem in site["problems"]}
