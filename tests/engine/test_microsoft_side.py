"""The steps `mailbox` and `directory` of a bind: what is required must pass before anybody signs in at Mimecast."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daemon.sandbox import Sandbox, tenant
from daemon.sandbox.tenant import Person
from states import Fault, State
from tests.clock import ManualClock
from tests.running import Running, microsoft_options, running, site_options, steps_of, write

DAEMON = {"log_level": "debug"}


def options(sandbox: Sandbox, *, account: dict[str, str] | None = None, **binding: str) -> dict[str, dict[str, str]]:
    site = site_options(sandbox, **binding)
    return {"daemon": DAEMON, **site, "account": microsoft_options(sandbox, **(account or {}))}


async def last_bind(run: Running) -> dict[str, Any]:
    report = (await run.asked("GET", "/api/v1/sites/default/binds?limit=1"))["binds"][0]
    assert isinstance(report, dict)
    return report


def step(report: dict[str, Any], name: str) -> dict[str, Any]:
    found = next(step for step in report["steps"] if step["step"] == name)
    assert isinstance(found, dict)
    return found


async def test_both_steps_pass_before_the_sign_in(tmp_path: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """Each names its evidence: where autodiscover leads, whose inbox was opened, what was looked up."""
    path = write(tmp_path / "config.ini", options(sandbox))
    async with running(path, sandbox, clock) as run:
        await run.reach(State.BOUND)
        report = await last_bind(run)
    assert set(steps_of(report).values()) == {"passed"}
    assert list(steps_of(report))[2:4] == ["mailbox", "directory"]
    assert tenant.DEMO_PROBE in step(report, "mailbox")["detail"]
    assert "lookup: " in step(report, "directory")["detail"]
    assert tenant.DEMO_GRAPH_SECRET not in str(report)


@pytest.mark.parametrize(
    "trouble, fault",
    [
        ("no-impersonation", Fault.IMPERSONATION_DENIED),
        ("no-mailbox", Fault.MAILBOX_MISSING),
        ("expired-client-secret", Fault.CLIENT_SECRET_EXPIRED),
        ("wrong-tenant", Fault.TENANT_UNKNOWN),
    ],
)
async def test_a_required_step_that_fails_issues_no_keys(
    trouble: str, fault: Fault, *, tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """The bind ends there, waits for a human, and nobody signed in at Mimecast."""
    sandbox.script.start(trouble)
    path = write(tmp_path / "config.ini", options(sandbox))
    async with running(path, sandbox, clock) as run:
        now = await run.reach(State.FAILED)
        report = await last_bind(run)
    assert now.trouble is not None
    assert (now.trouble.fault, now.retry) == (fault, None)
    assert steps_of(report)["mailbox"] == "failed"
    assert step(report, "mailbox")["remedy"] == fault.remedy
    assert steps_of(report)["authenticate"] == "skipped"
    assert sandbox.calls.get("login", 0) == 0


async def test_on_a_rebind_the_older_binding_stays_held(tmp_path: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """And the site is ready with a warning: what it holds still works."""
    path = write(tmp_path / "config.ini", options(sandbox))
    async with running(path, sandbox, clock) as run:
        held = (await run.reach(State.BOUND)).binding
        sandbox.script.start("no-impersonation")
        now = await run.rebind()
        assert (now.state, now.binding) == (State.FAILED, held)
        ready = await run.asked("GET", "/-/ready")
        assert ready["status"] == "warn"
        sandbox.script.heal()
        assert (await run.rebind()).state is State.BOUND


async def test_a_trouble_that_heals_is_tried_again_by_itself(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """A mailbox that is being moved is nobody's mistake."""
    sandbox.script.start("moved-mailbox")
    path = write(tmp_path / "config.ini", options(sandbox))
    async with running(path, sandbox, clock) as run:
        await run.in_time(lambda: "default" in run.daemon.driver.snapshots and run.now().state is State.FAILED, step=1)
        now = run.now()
        assert now.trouble is not None
        assert now.trouble.fault.heals_by_itself
        assert now.retry is not None
        sandbox.script.heal()
        await run.in_time(lambda: run.now().state is State.BOUND)


async def test_what_is_not_required_only_warns(tmp_path: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """The step says what is wrong and what to do, and the bind goes on."""
    sandbox.script.start("no-impersonation")
    path = write(tmp_path / "config.ini", options(sandbox, require="directory"))
    async with running(path, sandbox, clock) as run:
        await run.reach(State.BOUND)
        report = await last_bind(run)
    assert steps_of(report)["mailbox"] == "warning"
    assert step(report, "mailbox")["remedy"].startswith(Fault.IMPERSONATION_DENIED.remedy)
    assert steps_of(report)["directory"] == "passed"


async def test_impersonation_that_nobody_proved_is_a_warning(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """Without another mailbox to prove it on; the same account signs in at Mimecast here."""
    account = {"impersonation_probe": ""}
    sections = options(sandbox, account=account, email=tenant.DEMO_MAILBOX, require="mailbox", automatic="no")
    path = write(tmp_path / "config.ini", sections)
    async with running(path, sandbox, clock) as run:
        await run.reach(State.CONFIGURED)
        await run.rebind()
        mailbox = step(await last_bind(run), "mailbox")
    assert mailbox["status"] == "warning"
    assert "impersonation_probe" in mailbox["detail"] + mailbox["remedy"]


@pytest.mark.parametrize("protocol", ["graph", "ews"])
async def test_a_mailbox_without_a_sign_in_is_not_to_be_had_at_microsoft_365(
    protocol: str, *, tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """`requires_authentication = no` means what it says: no token is asked for. What to do about it is just that."""
    account = {"requires_authentication": "no", "microsoft_365_protocol": protocol}
    sections = options(sandbox, account=account, require="mailbox")
    path = write(tmp_path / "config.ini", sections)
    async with running(path, sandbox, clock) as run:
        now = await run.reach(State.FAILED)
    assert now.trouble is not None
    assert now.trouble.fault is Fault.MAILBOX_SIGN_IN_OMITTED
    assert "requires_authentication = no" in now.trouble.detail
    assert "Set [account] requires_authentication = yes" in now.trouble.fault.remedy
    assert sandbox.calls.get("identity", 0) == 0


async def test_a_synchronized_tenant_contradicts_microsoft_365_alone(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """The original's most common mistake, in one sentence; nothing is broken by it yet, so it is a warning."""
    account = sandbox.world.tenant.person(tenant.DEMO_MAILBOX)
    assert isinstance(account, Person)
    account.synchronized = True
    path = write(tmp_path / "config.ini", options(sandbox))
    async with running(path, sandbox, clock) as run:
        await run.reach(State.BOUND)
        report = await last_bind(run)
    assert steps_of(report)["mailbox"] == "warning"
    detail = step(report, "mailbox")["detail"]
    assert "[account] directory_type is microsoft-365-directory, but " in detail
    assert "it has to be microsoft-active-directory, with the tenant as it is, unless mailboxes and groups" in detail


async def test_a_refused_secret_is_tried_again_when_a_person_asks_and_not_before(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """The doctor, lookups and the daemon itself let it rest, so that nothing hammers on an account."""
    sandbox.script.start("wrong-client-secret")
    path = write(tmp_path / "config.ini", options(sandbox))
    async with running(path, sandbox, clock) as run:
        await run.reach(State.FAILED)
        tried = sandbox.calls["identity"]
        await run.asked("POST", "/api/v1/sites/default/doctor")
        found = await run.asked("GET", "/api/v1/sites/default/resolve?address=ada@example.test", status=502)
        assert (found["code"], found["fault"]) == ("directory-failed", "client-secret-refused")
        assert sandbox.calls["identity"] == tried
        sandbox.script.heal()
        assert (await run.rebind()).state is State.BOUND
        assert sandbox.calls["identity"] > tried
        await run.asked("GET", "/api/v1/sites/default/resolve?address=ada@example.test")


async def test_a_site_without_a_microsoft_side_binds_as_before(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """Required by default only: both steps are skipped, and say what to set or to take out."""
    path = write(tmp_path / "config.ini", {"daemon": DAEMON, **site_options(sandbox)})
    async with running(path, sandbox, clock) as run:
        await run.reach(State.BOUND)
        report = await last_bind(run)
    assert (steps_of(report)["mailbox"], steps_of(report)["directory"]) == ("skipped", "skipped")
    assert step(report, "mailbox")["detail"] == "not looked at: [account] password is not set"
    assert step(report, "mailbox")["remedy"] == (
        "Set [account] password, or take the mailbox out of [binding] require."
    )
    assert "Set [directory] user, or take the directory out of" in step(report, "directory")["remedy"]


async def test_changing_the_directory_section_does_not_bind_anew(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """It applies at once; the binding at Mimecast has nothing to do with it."""
    sections = options(sandbox)
    path = write(tmp_path / "config.ini", sections)
    async with running(path, sandbox, clock) as run:
        bound = (await run.reach(State.BOUND)).binding
        write(path, {**sections, "directory": {"cache_for": "5m"}})
        answer = await run.asked("POST", "/-/reload")
        assert answer["changes"] == [
            {"site": "default", "section": "directory", "option": "cache_for", "result": "applied"}
        ]
        assert run.now().binding == bound


@pytest.mark.parametrize("required, reached", [("none", State.BOUND), ("directory", State.FAILED)])
async def test_an_unreadable_secret_stops_only_what_is_required(
    required: str, reached: State, *, tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """Elsewhere the step warns, at the sign-in that the secret is for."""
    sections = options(sandbox, require=required)
    sections["account"]["client_secret"] = f"file:{tmp_path / 'not-there'}"
    path = write(tmp_path / "config.ini", sections)
    async with running(path, sandbox, clock) as run:
        await run.in_time(lambda: "default" in run.daemon.driver.snapshots and run.now().state is reached, step=1)
        report = await last_bind(run)
    expected = "warning" if required == "none" else "failed"
    assert (steps_of(report)["mailbox"], steps_of(report)["directory"]) == ("warning", expected)
    assert "directory sign-in: " in step(report, "directory")["detail"]
    assert "not-there" in step(report, "directory")["detail"]
