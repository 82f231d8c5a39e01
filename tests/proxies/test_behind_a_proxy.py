"""A whole daemon behind real proxies that want a sign-in: squid, and tinyproxy, over both API versions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from daemon.sandbox import Sandbox
from states import BIND_STEPS as STEPS
from states import Fault, State
from tests.clock import ManualClock
from tests.doctor.microsoft import MICROSOFT_SIDES
from tests.proxies.conftest import NAME, PASSWORD, SPELLINGS, Callers, through
from tests.proxies.real import RealProxy, Squid, Tinyproxy, a_free_port
from tests.running import Options, Running, running, site_options, steps_of, write

pytestmark = pytest.mark.parts

DAEMON = {"log_level": "debug"}
TOKEN = {"api_token": "literal:let-me-in-please-0123456789"}
LOCALHOST_DIRECT = "127.0.0.1"


def behind(sandbox: Sandbox, connection: Options | dict[str, str], **binding: Any) -> dict[str, dict[str, str]]:
    """A site whose [connection] is the given one, with the sandbox's CA."""
    options = site_options(sandbox, **binding)
    options["connection"] |= connection  # type: ignore[arg-type]
    return {"daemon": DAEMON | TOKEN, **options}


@asynccontextmanager
async def site(
    folder: Path, sandbox: Sandbox, clock: ManualClock, *, connection: dict[str, str], **binding: Any
) -> AsyncIterator[Running]:
    path = write(folder / "config.ini", behind(sandbox, connection, **binding))
    async with running(path, sandbox, clock) as run:
        yield run


async def changed(run: Running, connection: dict[str, str], **binding: Any) -> None:
    """Change [connection] in the file, and wait until the site has bound anew by itself because of it."""
    write(run.path, behind(run.sandbox, connection, **binding))
    await bound_anew(run)


async def bound_anew(run: Running) -> None:
    """Have the files read, and wait until the change led to one more bind."""
    attempt = run.now().attempt
    await run.asked("POST", "/-/reload")
    await run.until(lambda: run.now().reason.startswith("changed: [connection]"))
    # Automatic binds have their slots.
    await run.manual.advance(1)
    await run.until(lambda: run.now().attempt == attempt + 1 and run.now().state is State.BOUND, "bound anew")


async def failed_at_connect(run: Running) -> dict[str, Any]:
    """Wait for the failure, and give the `connect` step of its report after a look at the other steps."""
    failed = await run.reach(State.FAILED)
    assert failed.trouble is not None
    report = (await run.asked("GET", "/api/v1/sites/default/binds"))["binds"][0]
    steps = {step["step"]: step for step in report["steps"]}
    assert steps["configuration"]["status"] == "passed"
    assert steps["connect"]["status"] == "failed"
    assert all(steps[name]["status"] == "skipped" for name in STEPS[2:])
    assert steps["connect"]["remedy"] == failed.trouble.fault.remedy
    assert report["fault"] == failed.trouble.fault.code
    found: dict[str, Any] = steps["connect"]
    return found


def fault_of(run: Running) -> Fault:
    trouble = run.now().trouble
    assert trouble is not None
    return trouble.fault


# --- what works --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["cloud", "application"])
async def test_every_call_of_a_sites_life_goes_through_squid(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock, callers: Callers, *, squid: Squid, method: str
) -> None:
    """Bind, verify, bind anew, and end the old keys: the service saw nobody but squid, squid saw who signed in."""
    connection = through(squid, user=NAME, password=PASSWORD)
    before = len(squid.log.splitlines())
    async with site(tmp_path, sandbox, clock, connection=connection, method=method, verify_every="60s") as run:
        first = (await run.reach(State.BOUND)).binding
        assert first is not None
        await clock.advance(60)
        await run.until(lambda: run.now().binding is not None and run.now().binding.verified_at > first.verified_at)
        await run.rebind()
        assert run.now().state is State.BOUND
        await run.until(lambda: not run.now().revoke_pending, "the old keys are ended")
        report = (await run.asked("GET", "/api/v1/sites/default/binds"))["binds"][0]
        connect = next(step for step in report["steps"] if step["step"] == "connect")
        assert connect["detail"].startswith("proxy 127.0.0.1 is 127.0.0.1; connected to")
        assert "it opened the way to localhost:" in connect["detail"]
        assert PASSWORD not in str(report)
    assert {remote for remote, _ in callers} == {squid.leaves_from}
    assert sum(callers.values()) == sum(sandbox.calls.values()) > 0
    if method == "cloud":
        assert sandbox.calls["logout"] == 1
    lines = squid.log.splitlines()[before:]
    ports = [url.rsplit(":", 1)[1] for url in (sandbox.global_url, sandbox.regional_url, sandbox.services_url)]
    wanted = ports[:2] if method == "cloud" else ports[2:]
    assert {line for line in lines if line.startswith("200")} == {f"200 CONNECT localhost:{p} {NAME}" for p in wanted}
    assert [line for line in lines if line.startswith("407")] == []


@pytest.mark.parametrize("platform", ["microsoft-365", "exchange"])
async def test_the_microsoft_side_goes_through_squid_too(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock, callers: Callers, *, squid: Squid, platform: str
) -> None:
    """Autodiscover, identity platform and Graph; or autodiscover and EWS: every step passes, nobody goes around it."""
    before = len(squid.log.splitlines())
    sections = behind(sandbox, through(squid, user=NAME, password=PASSWORD), require="mailbox")
    path = write(tmp_path / "config.ini", {**sections, "account": MICROSOFT_SIDES[platform](sandbox)})
    async with running(path, sandbox, clock) as run:
        await run.reach(State.BOUND)
        report = (await run.asked("GET", "/api/v1/sites/default/binds"))["binds"][0]
        layers = (await run.asked("POST", "/api/v1/sites/default/doctor"))["layers"]
    assert steps_of(report)["mailbox"] == "passed"
    assert "failed" not in steps_of({"steps": layers}).values()
    assert {remote for remote, _ in callers} == {squid.leaves_from}
    port = (sandbox.microsoft_url if platform == "microsoft-365" else sandbox.exchange_url).rsplit(":", 1)[1]
    assert f"200 CONNECT localhost:{port} {NAME}" in squid.log.splitlines()[before:]
    assert PASSWORD not in str(report) + str(layers)


@pytest.mark.parametrize("user", SPELLINGS)
async def test_names_and_passwords_arrive_as_they_were_written(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock, *, squid: Squid, user: str
) -> None:
    """Backslash, at, percent, colon, semicolon, blanks and letters beyond ASCII."""
    connection = through(squid, user=user, password=SPELLINGS[user])
    async with site(tmp_path, sandbox, clock, connection=connection) as run:
        await run.reach(State.BOUND)


@pytest.mark.parametrize("method", ["cloud", "application"])
async def test_a_site_binds_through_tinyproxy(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock, callers: Callers, *, tinyproxy: Tinyproxy, method: str
) -> None:
    connection = through(tinyproxy, user="svc", password="secret-4711")
    async with site(tmp_path, sandbox, clock, connection=connection, method=method) as run:
        await run.reach(State.BOUND)
    assert {remote for remote, _ in callers} == {tinyproxy.leaves_from}


async def test_no_proxy_goes_around_it(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock, callers: Callers, *, squid: Squid
) -> None:
    """One host by its port, the others through squid."""
    discovery = sandbox.global_url.removeprefix("https://")
    connection = through(squid, user=NAME, password=PASSWORD, no_proxy=f"10.0.0.0/8, {discovery}")
    async with site(tmp_path, sandbox, clock, connection=connection) as run:
        await run.reach(State.BOUND)
    ways = {(remote, path == "/api/login/discover-authentication") for remote, path in callers}
    assert ways == {(LOCALHOST_DIRECT, True), (squid.leaves_from, False)}


# --- what fails --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["cloud", "application"])
async def test_a_wrong_proxy_password_is_named_with_the_scheme_and_the_remedy(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock, callers: Callers, *, squid: Squid, method: str
) -> None:
    """It is not tried again by itself, since the proxy's account may be locked too; mended in the file, it binds."""
    wrong = through(squid, user=NAME, password="mistyped")
    async with site(tmp_path, sandbox, clock, connection=wrong, method=method) as run:
        connect = await failed_at_connect(run)
        assert fault_of(run) is Fault.PROXY_AUTHENTICATION
        assert "answered 407 to CONNECT" in connect["detail"]
        assert "did not accept the name and password (it offers Basic, sitebind speaks Basic)" in connect["detail"]
        assert "proxy_password" in connect["remedy"]
        refused = squid.log.count(f"407 CONNECT {sandbox_host(sandbox, method)} {NAME}")
        await clock.advance(24 * 3600)
        assert run.now().attempt == 1
        assert squid.log.count(f"407 CONNECT {sandbox_host(sandbox, method)} {NAME}") == refused == 1
        await changed(run, through(squid, user=NAME, password=PASSWORD), method=method)
    assert {remote for remote, _ in callers} == {squid.leaves_from}


def sandbox_host(sandbox: Sandbox, method: str) -> str:
    return (sandbox.global_url if method == "cloud" else sandbox.services_url).removeprefix("https://")


async def test_tinyproxys_401_is_the_proxys_and_not_the_services(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock, callers: Callers, *, tinyproxy: Tinyproxy
) -> None:
    """Nobody is told to change the Mimecast password, and the sign-in does not count as refused."""
    connection = through(tinyproxy, user="svc", password="mistyped")
    async with site(tmp_path, sandbox, clock, connection=connection) as run:
        connect = await failed_at_connect(run)
        assert fault_of(run) is Fault.PROXY_AUTHENTICATION
        assert "answered 401" in connect["detail"]
        assert "it offers Basic" in connect["detail"]
        assert run.now().has_usable_credentials
    assert not callers


async def test_a_sign_in_that_is_missing_is_asked_for(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock, *, squid: Squid
) -> None:
    async with site(tmp_path, sandbox, clock, connection=through(squid)) as run:
        connect = await failed_at_connect(run)
        assert fault_of(run) is Fault.PROXY_AUTHENTICATION
        assert "wants a name and a password" in connect["detail"]
        assert "none is configured" in connect["detail"]


async def test_a_proxy_of_windows_schemes_only_gets_a_clear_sentence(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """NTLM and Negotiate are offered, Basic is not."""
    with Squid(offers=("ntlm", "negotiate")) as proxy:
        connection = through(proxy, user=NAME, password=PASSWORD)
        async with site(tmp_path, sandbox, clock, connection=connection) as run:
            connect = await failed_at_connect(run)
            assert fault_of(run) is Fault.PROXY_AUTHENTICATION
            assert "it offers NTLM, Negotiate, but sitebind signs in with Basic only" in connect["detail"]


@pytest.mark.parametrize("kind", [Squid, Tinyproxy])
async def test_a_proxy_that_refuses_the_destination(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock, kind: type[Squid | Tinyproxy]
) -> None:
    """403: its administrator has to allow the service, and no retry will."""
    with kind({"svc": "secret-4711"}, refuses=["localhost"]) as proxy:
        connection = through(proxy, user="svc", password="secret-4711")
        async with site(tmp_path, sandbox, clock, connection=connection) as run:
            connect = await failed_at_connect(run)
            assert fault_of(run) is Fault.PROXY_REFUSED
            assert "answered 403" in connect["detail"]
            assert run.now().retry is None


async def test_a_dead_proxy_is_tried_again_until_it_lives(tmp_path: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """And a bound site stays bound while its proxy is down."""
    with Tinyproxy() as proxy:
        proxy.stop()
        async with site(tmp_path, sandbox, clock, connection=through(proxy), verify_every="60s") as run:
            connect = await failed_at_connect(run)
            assert fault_of(run) is Fault.PROXY_UNREACHABLE
            assert f"the proxy 127.0.0.1:{proxy.port}" in connect["detail"]
            proxy.start()
            await clock.advance(10)
            await run.reach(State.BOUND)
            proxy.stop()
            await clock.advance(60)
            await run.until(lambda: run.now().missed is not None)
            assert run.now().state is State.BOUND
            proxy.start()
            await clock.advance(301)
            await run.until(lambda: run.now().missed is None)


async def test_a_proxy_password_that_expires_loses_no_binding_and_locks_no_account(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """Verifications that cannot get out are missed, not refused; the refused sign-in rests for a quarter of an hour."""
    with Tinyproxy({"svc": "old-4711"}) as proxy:
        connection = through(proxy, user="svc", password="old-4711")
        async with site(tmp_path, sandbox, clock, connection=connection, verify_every="60s") as run:
            await run.reach(State.BOUND)
            proxy.stop()
            proxy.users = {"svc": "new-4711"}
            proxy.start()
            asked = proxy.log.count("Request (file descriptor")
            await clock.advance(60)
            await run.until(lambda: run.now().missed is not None)
            assert run.now().missed is not None
            assert run.now().missed.fault is Fault.PROXY_AUTHENTICATION
            for _ in range(13):
                await clock.advance(60)
            assert proxy.log.count("Request (file descriptor") == asked + 1
            assert run.now().state is State.BOUND
            await changed(run, through(proxy, user="svc", password="new-4711"), verify_every="60s")


# --- what changes ------------------------------------------------------------------------------


async def test_a_changed_connection_binds_anew_over_the_new_way(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock, callers: Callers, *, squid: Squid, tinyproxy: Tinyproxy
) -> None:
    """As in the original: direct, then squid, then tinyproxy, then only another no_proxy; the old keys are ended."""
    ways: list[tuple[dict[str, str], str]] = [
        (through(squid, user=NAME, password=PASSWORD), squid.leaves_from),
        (through(tinyproxy, user="svc", password="secret-4711"), tinyproxy.leaves_from),
        (through(tinyproxy, user="svc", password="secret-4711", no_proxy="localhost"), LOCALHOST_DIRECT),
    ]
    async with site(tmp_path, sandbox, clock, connection={}) as run:
        await run.reach(State.BOUND)
        for connection, leaves_from in ways:
            await run.until(lambda: not run.now().revoke_pending)
            callers.clear()
            await changed(run, connection)
            assert {remote for remote, _ in callers} == {leaves_from}
        await run.until(lambda: not run.now().revoke_pending)


async def test_a_rotated_password_file_binds_anew(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock, *, squid: Squid
) -> None:
    """The reference stays, what it leads to changes."""
    secret = tmp_path / "proxy-password"
    secret.write_text("mistyped\n")
    secret.chmod(0o600)
    connection = through(squid, user=NAME, password="x") | {"proxy_password": f"file:{secret}"}
    async with site(tmp_path, sandbox, clock, connection=connection) as run:
        await failed_at_connect(run)
        secret.write_text(PASSWORD + "\n")
        await bound_anew(run)


# --- the environment ---------------------------------------------------------------------------


def url_of(proxy: RealProxy, sign_in: str = "") -> str:
    return f"http://{sign_in}127.0.0.1:{proxy.port}"


ENCODED = "CORP%5Csvc-sitebind:p%3Aw%40rd%2540%20100%25%3B%23%3D%26@"


async def test_the_environment_counts_only_when_asked(
    tmp_path: Path,
    sandbox: Sandbox,
    clock: ManualClock,
    callers: Callers,
    *,
    squid: Squid,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """HTTPS_PROXY is ignored, then asked for in the file, then left out again by NO_PROXY."""
    monkeypatch.setenv("HTTPS_PROXY", url_of(squid, ENCODED))
    async with site(tmp_path, sandbox, clock, connection={}) as run:
        await run.reach(State.BOUND)
        assert {remote for remote, _ in callers} == {LOCALHOST_DIRECT}
        callers.clear()
        await changed(run, {"from_environment": "yes"})
        assert {remote for remote, _ in callers} == {squid.leaves_from}
        report = str((await run.asked("GET", "/api/v1/sites/default/binds"))["binds"][0])
        assert "proxy from HTTPS_PROXY: 127.0.0.1 is" in report
        assert ENCODED not in report
        await run.until(lambda: not run.now().revoke_pending)
    callers.clear()
    monkeypatch.setenv("NO_PROXY", "example.test, localhost")
    async with running(tmp_path / "config.ini", sandbox, clock) as run:
        await run.until(
            lambda: "default" in run.daemon.driver.snapshots and run.now().reason == "changed while stopped"
        )
        await clock.advance(1)
        await run.until(lambda: run.now().attempt == 3 and run.now().state is State.BOUND)
        assert {remote for remote, _ in callers} == {LOCALHOST_DIRECT}


async def test_a_wrong_sign_in_in_the_environment_is_named_and_not_shown(
    tmp_path: Path,
    sandbox: Sandbox,
    clock: ManualClock,
    *,
    squid: Squid,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whoever reads the report learns that the variable is meant, and nothing that stands in it."""
    monkeypatch.setenv("https_proxy", url_of(squid, "somebody:canary-4711@"))
    async with site(tmp_path, sandbox, clock, connection={"from_environment": "yes"}) as run:
        connect = await failed_at_connect(run)
        assert fault_of(run) is Fault.PROXY_AUTHENTICATION
        assert f"the proxy 127.0.0.1:{squid.port} (from https_proxy) answered 407" in connect["detail"]
        shown = str(await run.asked("GET", "/api/v1/sites/default")) + str(await run.asked("GET", "/api/v1/audit"))
    assert "canary-4711" not in shown + caplog.text


async def test_an_unusable_variable_is_a_finding_of_the_configuration(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kind of proxy that is not spoken: said at the first step, and nothing is called directly instead."""
    monkeypatch.setenv("HTTPS_PROXY", f"socks5://somebody:canary-4711@127.0.0.1:{a_free_port()}")
    async with site(tmp_path, sandbox, clock, connection={"from_environment": "yes"}) as run:
        failed = await run.reach(State.FAILED)
        assert failed.trouble is not None
        assert failed.trouble.fault is Fault.PROXY_SETTING_UNUSABLE
        report = (await run.asked("GET", "/api/v1/sites/default/binds"))["binds"][0]
        assert report["steps"][0]["status"] == "failed"
        assert "HTTPS_PROXY names a proxy of the kind socks5://" in report["steps"][0]["detail"]
        assert "canary" not in str(report)
    assert not sandbox.calls
