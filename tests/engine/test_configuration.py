"""Every kind of configuration change, and what the reload answers for each key."""

from __future__ import annotations

import asyncio
from pathlib import Path

from daemon.engine.operations import Caller
from daemon.sandbox import Sandbox
from daemon.sandbox.world import DEMO_APPLICATION_KEY, DEMO_PASSWORD
from states import State
from tests.clock import ManualClock
from tests.engine.conftest import DAEMON
from tests.running import Running, running, site_options, write

TOKEN = "let-me-in-please-0123456789"


def changes(answer: dict[str, list[dict[str, str]]]) -> list[tuple[str, str, str]]:
    return [(change["section"], change["option"], change["result"]) for change in answer["changes"]]


async def reloaded(run: Running, **options: object) -> tuple[str, list[tuple[str, str, str]]]:
    answer = await run.asked("POST", "/-/reload", **options)
    return answer["outcome"], changes(answer)


async def test_each_key_says_what_became_of_it(run: Running) -> None:
    """applied, rebind, needs restart: in one answer, and in the audit trail."""
    await run.reach(State.BOUND)
    options = site_options(run.sandbox, verify_every="5m")
    options["connection"]["no_proxy"] = "example.test"
    write(
        run.path,
        {"daemon": {**DAEMON, "pace": "7", "listen": "127.0.0.1:9"}, "site": {"display_name": "New"}, **options},
    )
    outcome, found = await reloaded(run)
    assert outcome == "applied"
    assert sorted(found) == [
        ("binding", "verify_every", "applied"),
        ("connection", "no_proxy", "rebind"),
        ("daemon", "listen", "needs_restart"),
        ("daemon", "pace", "applied"),
        ("site", "display_name", "applied"),
    ]
    assert run.now().reason.startswith("changed: ")
    records = await run.daemon.journal.audit(limit=100)
    told = [record.detail["changes"] for record in records if record.event == "config_accepted" and not record.site]
    assert {(c["option"], c["result"]) for c in told[-1]} == {("listen", "needs_restart"), ("pace", "applied")}
    await run.in_time(lambda: run.now().attempt == 2 and run.now().state is State.BOUND)


async def test_what_needs_a_restart_is_told_until_then_and_recorded_once(run: Running) -> None:
    """The running listener stays the one in force; putting the option back needs nothing."""
    await run.reach(State.BOUND)
    running_port = run.daemon.front.settings.port
    good = run.path.read_text()
    write(run.path, {"daemon": {**DAEMON, "listen": "127.0.0.1:9"}, **site_options(run.sandbox)})
    first = await reloaded(run)
    assert ("daemon", "listen", "needs_restart") in first[1]
    records = len(await run.audit())
    assert await reloaded(run) == ("unchanged", [("daemon", "listen", "needs_restart")])
    assert len(await run.audit()) == records
    assert run.daemon.front.settings.port == running_port
    run.path.write_text(good)


async def test_an_unchanged_file_records_nothing(run: Running) -> None:
    """Touching is not changing."""
    await run.reach(State.BOUND)
    await reloaded(run)
    records = len(await run.audit())
    run.path.touch()
    assert (await reloaded(run))[1] in ([], [("daemon", "listen", "needs_restart")])
    assert len(await run.audit()) == records


async def test_a_rotated_secret_is_a_change_of_its_option(tmp_path: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """The reference stays the same, the text behind it does not: rebind, and the reason names the option."""
    secret = tmp_path / "password"
    secret.write_text(DEMO_PASSWORD + "\n")
    path = write(tmp_path / "config.ini", {"daemon": DAEMON, **site_options(sandbox, password=f"file:{secret}")})
    async with running(path, sandbox, clock) as run:
        await run.reach(State.BOUND)
        sandbox.world.set_password("sync.admin@example.test", "another horse")
        secret.write_text("another horse\n")
        _, found = await reloaded(run)
        assert ("binding", "password", "rebind") in found or run.now().attempt == 2 or run.now().open is not None
        await run.in_time(lambda: run.now().attempt == 2 and run.now().state is State.BOUND)
        assert run.now().reason == "changed: [binding] password"


async def test_a_rotated_secret_that_no_bind_needs_is_only_applied(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """The directory's password: no new sign-in."""
    secret = tmp_path / "directory-password"
    secret.write_text("one\n")
    directory = {"server": "127.0.0.1:9", "user": "reader@example.test", "password": f"file:{secret}"}
    site = site_options(sandbox, require="none")
    path = write(tmp_path / "config.ini", {"daemon": DAEMON, **site, "directory": directory})
    async with running(path, sandbox, clock) as run:
        await run.reach(State.BOUND)
        secret.write_text("two\n")
        await run.daemon.configuration.reload(Caller(actor="test"))
        records = await run.daemon.journal.audit(site="default", limit=100)
        (change,) = [c for record in records for c in record.detail.get("changes", [])]
        assert change == {"section": "directory", "option": "password", "result": "applied"}
        assert run.now().attempt == 1


async def test_a_rotated_api_token_is_in_force_after_the_reload(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """Whoever holds the leaked one is out, without a restart."""
    secret = tmp_path / "token"
    secret.write_text(TOKEN)
    daemon = {**DAEMON, "api_token": f"file:{secret}", "require_token": "yes"}
    path = write(tmp_path / "config.ini", {"daemon": daemon, **site_options(sandbox)})
    async with running(path, sandbox, clock) as run:
        await run.reach(State.BOUND)
        old, new = {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": "Bearer 9876543210-another-token"}
        await run.asked("GET", "/api/v1/sites", headers=old)
        secret.write_text("9876543210-another-token")
        answer = await run.daemon.configuration.reload(Caller(actor="test"))
        assert answer.outcome in ("applied", "unchanged")
        await run.asked("GET", "/api/v1/sites", headers=old, status=401)
        await run.asked("GET", "/api/v1/sites", headers=new)
        records = await run.daemon.journal.audit(limit=200)
        assert [c for r in records if not r.site for c in r.detail.get("changes", [])] == [
            {"section": "daemon", "option": "api_token", "result": "applied"}
        ]


async def test_a_token_that_cannot_be_read_leaves_the_old_one_in_force(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """A slip must neither lock everybody out nor let anybody in."""
    secret = tmp_path / "token"
    secret.write_text(TOKEN)
    daemon = {**DAEMON, "api_token": f"file:{secret}", "require_token": "yes"}
    path = write(tmp_path / "config.ini", {"daemon": daemon, **site_options(sandbox)})
    async with running(path, sandbox, clock) as run:
        await run.reach(State.BOUND)
        secret.unlink()
        await run.daemon.configuration.reload(Caller(actor="test"))
        await run.asked("GET", "/api/v1/sites", status=401)
        await run.asked("GET", "/api/v1/sites", headers={"Authorization": f"Bearer {TOKEN}"})


async def test_a_typo_leaves_the_site_bound_and_shows_its_line(run: Running) -> None:
    """Rejected, a problem with file:line; recorded once; mended, it is gone without a sign-in."""
    await run.reach(State.BOUND)
    good = run.path.read_text()
    run.path.write_text(good.replace("[connection]", "[connection]\nproxy_prot = 3128"))
    problem = await run.asked("POST", "/-/reload", status=422)
    assert any("config.ini:" in finding and "proxy_port" in finding for finding in problem["findings"])
    await run.asked("POST", "/-/reload", status=422)
    assert run.now().state is State.BOUND
    assert [event for event, _, _ in await run.audit("default")].count("config_rejected") == 1
    run.path.write_text(good)
    await run.asked("POST", "/-/reload")
    assert run.now().findings == ()
    assert run.now().attempt == 1


async def test_errors_in_daemon_leave_the_sites_to_their_own(run: Running) -> None:
    """The finding is told with every site, and the site's own change is applied."""
    await run.reach(State.BOUND)
    good = run.path.read_text()
    text = good.replace("[daemon]", "[daemon]\npaec = 3").replace("[account]", "[site]\ndisplay_name = X\n[account]")
    run.path.write_text(text)
    problem = await run.asked("POST", "/-/reload", status=422)
    assert any("paec" in finding for finding in problem["findings"])
    site = await run.asked("GET", "/api/v1/sites/default")
    assert site["display_name"] == "X"
    assert any("paec" in problem["text"] for problem in site["problems"])
    run.path.write_text(good)
    await run.asked("POST", "/-/reload")
    assert run.daemon.configuration.daemon_findings == ()


async def test_a_file_that_vanishes_and_comes_back_costs_no_sign_in(run: Running) -> None:
    """Unconfigured, with the binding held; the same file leads back to bound."""
    before = await run.reach(State.BOUND)
    text = run.path.read_text()
    run.path.unlink()
    await run.asked("POST", "/-/reload")
    gone = await run.reach(State.UNCONFIGURED)
    assert gone.binding == before.binding
    await run.asked("POST", "/rebind", status=409)
    await run.asked("GET", "/-/ready", status=503)
    await run.manual.advance(900)
    await run.until(lambda: run.now().binding != before.binding, "verified without a configuration")
    assert run.now().missed is None
    run.path.write_text(text)
    run.path.chmod(0o600)
    await run.asked("POST", "/-/reload")
    back = await run.reach(State.BOUND)
    assert back.attempt == 1
    assert back.site_code == before.site_code


async def test_a_site_whose_id_changes_is_another_site(run: Running) -> None:
    """The old one is unconfigured and holds its binding; it does not keep the new one from being ready."""
    old = await run.reach(State.BOUND)
    write(run.path, {"daemon": DAEMON, "site": {"id": "branch"}, **site_options(run.sandbox)})
    await run.asked("POST", "/-/reload")
    await run.manual.advance(1)
    new = await run.reach(State.BOUND, "branch")
    assert new.site_code != old.site_code
    assert run.now().state is State.UNCONFIGURED
    assert run.now().binding is not None
    assert (await run.asked("GET", "/-/ready"))["status"] == "pass"
    await run.asked("GET", "/-/ready?site=default", status=503)


async def test_a_bad_file_is_a_finding_of_the_site_that_it_held_over_restarts(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """A file that does not even say its id makes no new site, however often the daemon starts."""
    path = write(tmp_path / "config.ini", {"daemon": DAEMON, "site": {"id": "prod"}, **site_options(sandbox)})
    async with running(path, sandbox, clock) as run:
        await run.reach(State.BOUND, "prod")
    good = path.read_text()
    path.write_bytes(b"\xff\xfe nonsense")
    for _ in range(2):
        async with running(path, sandbox, clock) as run:
            await run.until(lambda run=run: bool(run.now("prod").findings))
            assert set(run.daemon.driver.snapshots) == {"prod"}
            assert run.now("prod").state is State.UNCONFIGURED
    path.write_text(good)
    async with running(path, sandbox, clock) as run:
        assert (await run.reach(State.BOUND, "prod")).attempt == 1


async def test_a_path_that_cannot_be_looked_at_is_a_finding(run: Running) -> None:
    """Neither the end of the daemon nor a farewell to the site: it runs on."""
    await run.reach(State.BOUND)
    run.path.unlink()
    run.path.symlink_to("x" * 300)  # longer than any name may be, so that even looking fails
    problem = await run.asked("POST", "/-/reload", status=422)
    assert problem["findings"]
    assert run.now().state is State.BOUND
    assert not run.daemon.supervisor._services_failed.done()


async def test_two_reloads_at_once_are_two_at_most(run: Running) -> None:
    """The second shares the turn after the first; nobody is answered from before they asked."""
    await run.reach(State.BOUND)
    reads = 0
    read = run.daemon.configuration._read

    def counted(path: Path) -> object:
        nonlocal reads
        reads += 1
        return read(path)

    run.daemon.configuration._read = counted
    answers = await asyncio.gather(*(run.daemon.configuration.reload(Caller(actor=f"t{n}")) for n in range(50)))
    assert {answer.outcome for answer in answers} == {"unchanged"}
    assert reads <= 2


async def test_a_burst_of_signals_is_one_reload(run: Running) -> None:
    """Each comes after a change, so the last state of the file is what counts."""
    await run.reach(State.BOUND)
    reads = 0
    read = run.daemon.configuration._read

    def counted(path: Path) -> object:
        nonlocal reads
        reads += 1
        return read(path)

    run.daemon.configuration._read = counted
    write(run.path, {"daemon": DAEMON, "site": {"display_name": "New"}, **site_options(run.sandbox)})
    for _ in range(100):
        run.daemon.supervisor.reload_soon("signal:SIGHUP")
    await run.until(lambda: run.daemon.configuration.sites["default"].display_name == "New")
    assert reads <= 3
    records = await run.daemon.journal.audit(site="default", limit=100)
    assert records[-1].actor in ("signal:SIGHUP", "watch:file")


async def test_turning_automatic_off_and_on(run: Running) -> None:
    """Off changes nothing for a bound site; a new bind input then waits for a human; on binds."""
    await run.reach(State.BOUND)
    options = site_options(run.sandbox, automatic="no")
    options["connection"]["no_proxy"] = "example.test"
    write(run.path, {"daemon": DAEMON, **options})
    await run.asked("POST", "/-/reload")
    await run.reach(State.CONFIGURED)
    await run.manual.advance(3600)
    assert run.now().attempt == 1
    site = await run.asked("GET", "/api/v1/sites/default")
    assert {"automatic-off", "binding-outdated"} <= {problem["code"] for problem in site["problems"]}
    options["binding"]["automatic"] = "yes"
    write(run.path, {"daemon": DAEMON, **options})
    await run.asked("POST", "/-/reload")
    await run.in_time(lambda: run.now().state is State.BOUND and run.now().attempt == 2)


async def test_another_application_key_rebinds(run: Running) -> None:
    """A refused sign-in waits; a corrected one binds by itself."""
    await run.reach(State.BOUND)
    wrong = site_options(run.sandbox, application_key="literal:not-the-key")
    write(run.path, {"daemon": DAEMON, **wrong})
    await run.asked("POST", "/-/reload")
    await run.manual.advance(1)
    failed = await run.reach(State.FAILED)
    assert failed.retry is None
    assert failed.binding is not None
    assert (await run.asked("GET", "/-/ready"))["status"] == "warn"
    right = site_options(run.sandbox, application_key=f"literal:{DEMO_APPLICATION_KEY}")
    write(run.path, {"daemon": DAEMON, **right})
    await run.asked("POST", "/-/reload")
    await run.manual.advance(1)
    await run.reach(State.BOUND)
