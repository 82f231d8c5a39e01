"""From a configuration to a held binding, over the wire, and every way in which that fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.sandbox import Sandbox
from daemon.sandbox.world import DEMO_EMAIL, DEMO_MINIMAL_EMAIL, DEMO_PASSWORD
from states import BIND_STEPS as STEPS
from states import Fault, State
from tests.clock import ManualClock
from tests.engine.conftest import DAEMON
from tests.running import Running, running, site_options, steps_of, write


async def test_a_configured_site_binds_by_itself(run: Running) -> None:
    """First start: configured, binding, bound, with company, region and account code from the service."""
    bound = await run.reach(State.BOUND)
    assert bound.binding is not None
    assert (bound.binding.company, bound.binding.region, bound.binding.account_code) == (
        "Example Ltd",
        "us",
        "CUSA00A001",
    )
    moves = [(before, after) for event, before, after in await run.audit("default") if before != after]
    assert moves == [("unconfigured", "configured"), ("configured", "binding"), ("binding", "bound")]


async def test_the_report_names_every_step_in_order(run: Running) -> None:
    """Prerequisites first, so that keys are issued last."""
    await run.reach(State.BOUND)
    report = await run.asked("GET", "/api/v1/sites/default/binds/default-1")
    assert tuple(step["step"] for step in report["steps"]) == STEPS
    assert report["state"] == "succeeded"
    assert steps_of(report)["mailbox"] == "skipped"
    assert "no public registration" in report["steps"][-1]["detail"]


async def test_an_application_binds_over_api_2(tmp_path: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """What a new customer uses."""
    path = write(tmp_path / "app.ini", {"daemon": DAEMON, **site_options(sandbox, method="application")})
    async with running(path, sandbox, clock) as run:
        bound = await run.reach(State.BOUND)
        assert bound.binding is not None
        assert bound.binding.method == "application"
        assert bound.binding.company == "Example Ltd"
        assert (await run.rebind()).state is State.BOUND


async def test_the_guides_minimal_role_binds_with_a_warning(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """It may not read the account, so the company comes from the profile."""
    options = site_options(sandbox, email=DEMO_MINIMAL_EMAIL)
    path = write(tmp_path / "config.ini", {"daemon": DAEMON, **options})
    async with running(path, sandbox, clock) as run:
        bound = await run.reach(State.BOUND)
        assert bound.binding is not None
        assert bound.binding.company == "Example Ltd"
        site = await run.asked("GET", "/api/v1/sites/default")
        assert "bind-warning" in {problem["code"] for problem in site["problems"]}


TROUBLES = {
    "wrong-password": ("authenticate", Fault.CREDENTIALS_REFUSED),
    "locked-account": ("authenticate", Fault.ACCOUNT_LOCKED),
    "two-step": ("authenticate", Fault.TWO_STEP_REQUIRED),
    "missing-role": ("authorize", Fault.PERMISSION_MISSING),
    "unknown-domain": ("discover", Fault.ADDRESS_UNKNOWN),
    "forbidden-authentication-type": ("discover", Fault.AUTHENTICATION_TYPE_REFUSED),
    "untrusted-base": ("discover", Fault.SERVICE_ADDRESS_UNTRUSTED),
    "bad-application": ("discover", Fault.APPLICATION_REFUSED),
    "throttled": ("discover", Fault.THROTTLED),
    "service-error": ("discover", Fault.SERVICE_ERROR),
    "empty-body": ("discover", Fault.ANSWER_MALFORMED),
    "malformed-body": ("discover", Fault.ANSWER_MALFORMED),
    "wrong-shape": ("discover", Fault.ANSWER_MALFORMED),
    "huge-body": ("discover", Fault.ANSWER_TOO_LARGE),
    "reset": ("discover", Fault.CONNECTION_LOST),
    "half-body": ("discover", Fault.CONNECTION_LOST),
}


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_each_trouble_ends_at_its_step_with_its_fault(run: Running, trouble: str) -> None:
    """The failing step is named, what lies behind it says so, and the earlier binding is still held."""
    first = (await run.reach(State.BOUND)).binding
    run.sandbox.script.start(trouble)
    failed = await run.rebind()
    step, fault = TROUBLES[trouble]
    assert failed.state is State.FAILED
    assert failed.trouble is not None
    assert failed.trouble.fault is fault
    assert failed.binding == first
    report = (await run.asked("GET", "/api/v1/sites/default/binds"))["binds"][0]
    states = steps_of(report)
    assert states[step] == "failed"
    assert {status for name, status in states.items() if STEPS.index(name) > STEPS.index(step)} <= {"skipped"}
    assert report["fault"] == fault.code
    assert [line["remedy"] for line in report["steps"] if line["step"] == step] == [fault.remedy]


@pytest.mark.parametrize("trouble", ["wrong-password", "locked-account", "two-step"])
async def test_a_refused_sign_in_is_never_repeated(run: Running, trouble: str) -> None:
    """A retry loop locks accounts: a day later there is still no further attempt, and no keys were refreshed by it."""
    await run.reach(State.BOUND)
    run.sandbox.script.start(trouble, endpoint="login")
    failed = await run.rebind()
    assert failed.retry is None
    logins = run.sandbox.calls.get("login", 0)
    await run.manual.advance(24 * 3600)
    assert run.sandbox.calls.get("login", 0) == logins
    assert run.now().attempt == failed.attempt


async def test_a_missing_role_is_never_retried(run: Running) -> None:
    """The sign-in itself is well, and may keep the keys fresh that are held."""
    await run.reach(State.BOUND)
    run.sandbox.script.start("missing-role")
    failed = await run.rebind()
    assert failed.retry is None
    logins = run.sandbox.calls.get("login", 0)
    await run.manual.advance(24 * 3600)
    assert run.now().attempt == failed.attempt
    refreshed = run.sandbox.calls.get("login", 0) - logins
    while [event for event, _, _ in await run.audit()].count("binding_refreshed") < refreshed:
        await run.manual.advance(1)


async def test_what_heals_by_itself_is_retried_until_it_does(run: Running) -> None:
    """Service error, then the service is back: bound again without anybody asking."""
    await run.reach(State.BOUND)
    run.sandbox.script.start("service-error", endpoint="discover")
    failed = await run.rebind()
    assert failed.retry is not None
    attempts = failed.attempt
    run.sandbox.script.heal()
    await run.in_time(lambda: run.now().state is State.BOUND)
    bound = run.now()
    assert bound.attempt == attempts + 1
    assert bound.reason == "retry"


async def test_a_rebind_replaces_the_keys_and_ends_the_old_ones(run: Running) -> None:
    """Acquire, prove, replace, and then the old keys are revoked at the service and wiped here."""
    await run.reach(State.BOUND)
    await run.rebind()
    await run.until(lambda: not run.now().revoke_pending, "the old keys are revoked")
    assert run.sandbox.calls.get("logout", 0) == 1
    await run.until(lambda: True)
    assert set(await run.daemon.vault.ids()) <= {"default-1", "default-2"}
    assert await run.daemon.vault.get("default-2") is not None


async def test_keys_that_turn_out_useless_are_revoked(run: Running) -> None:
    """The sign-in worked, the role is missing: nobody is left with keys that nobody knows."""
    await run.reach(State.BOUND)
    run.sandbox.script.start("missing-role", endpoint="account")
    run.sandbox.script.start("missing-role", endpoint="profile")
    failed = await run.rebind()
    assert failed.state is State.FAILED
    await run.until(lambda: run.sandbox.calls.get("logout", 0) == 1 and not run.now().revoke_pending)
    assert run.now().binding is not None
    assert run.now().binding.bind_id == "default-1"


async def test_credentials_given_once_are_used_once(tmp_path: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """No password in the file: the site waits, and one request with a sign-in binds it."""
    options = site_options(sandbox, password="")
    token = {"api_token": "literal:let-me-in-please-0123456789"}
    path = write(tmp_path / "config.ini", {"daemon": {**DAEMON, **token}, **options})
    async with running(path, sandbox, clock) as run:
        waiting = await run.reach(State.CONFIGURED)
        assert not waiting.automatic_binding_applies
        body = {"email": DEMO_EMAIL, "password": DEMO_PASSWORD}
        await run.asked("POST", "/rebind", json=body, status=401)
        header = {"Authorization": "Bearer let-me-in-please-0123456789"}
        report = await run.asked("POST", "/rebind", json=body, headers=header, status=202)
        await run.ended(report["id"])
        assert run.now().state is State.BOUND
        again = await run.rebind()
        assert again.trouble is not None
        assert again.trouble.fault is Fault.CREDENTIALS_MISSING
        assert again.binding is not None


async def test_a_second_request_joins_the_open_bind(run: Running) -> None:
    """Two people ask at once; one bind answers both."""
    await run.reach(State.BOUND)
    run.sandbox.script.start("slow", seconds=30, endpoint="discover", times=1)
    first = await run.asked("POST", "/rebind", status=202)
    second = await run.asked("POST", "/rebind", status=202)
    assert first["id"] == second["id"]
    assert run.now().state is State.BINDING
