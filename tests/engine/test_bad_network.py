"""A whole daemon on a bad network: each trouble ends in its fault, the held binding is kept, and what heals, heals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from daemon.providers.http import HttpClients, Limits
from daemon.sandbox import Sandbox
from states import Fault, State
from tests.clock import ManualClock
from tests.engine.conftest import DAEMON
from tests.faultproxy import FaultProxy, Trouble
from tests.running import Running, running, site_options, steps_of, write

pytestmark = pytest.mark.slow

CALL = "the first call"
ENDINGS = {
    Trouble.RESET_IN_HANDSHAKE: ("connect", Fault.TLS_FAILED),
    Trouble.SILENT_IN_HANDSHAKE: ("connect", Fault.TIMED_OUT),
    Trouble.GARBAGE_FOR_TLS: ("connect", Fault.TLS_FAILED),
    Trouble.WRONG_AUTHORITY: ("connect", Fault.CERTIFICATE_UNTRUSTED),
    Trouble.LATE: (CALL, Fault.TIMED_OUT),
    Trouble.RESET: (CALL, Fault.CONNECTION_LOST),
    Trouble.CUT_SHORT: (CALL, Fault.CONNECTION_LOST),
    Trouble.HALF_OPEN: (CALL, Fault.TIMED_OUT),
    Trouble.SLOW_BODY: (CALL, Fault.TIMED_OUT),
    Trouble.GARBAGE: (CALL, Fault.ANSWER_MALFORMED),
}
"""At which step a bind ends, and with what."""

FIRST_CALL = {"cloud": "discover", "application": "authenticate"}
IMPATIENT = {
    Trouble.SILENT_IN_HANDSHAKE: Limits(connect=1.0, total=1.0),
    Trouble.LATE: Limits(total=1.0),
    Trouble.HALF_OPEN: Limits(total=1.0),
    Trouble.SLOW_BODY: Limits(total=1.0),
}
"""Where the finding is that nothing comes. Real seconds: sockets know no other."""
WAYS = [("cloud", "proxy"), ("application", "proxy"), ("application", "direct")]


@asynccontextmanager
async def networked(
    folder: Path, sandbox: Sandbox, clock: ManualClock, *, method: str = "application", way: str = "direct"
) -> AsyncIterator[tuple[Running, FaultProxy]]:
    """A site whose every call goes over the bad network, which is a good one at first."""
    target = sandbox.services_url.removeprefix("https://") if way == "direct" else ""
    async with FaultProxy(sandbox.ca_file.parent, target=target) as network:
        options = site_options(sandbox, method=method, verify_every="60s")
        if way == "direct":
            options["binding"]["service_url"] = network.url
        else:
            options["connection"] |= {"use_proxy": "yes", "proxy_host": "127.0.0.1", "proxy_port": str(network.port)}
        path = write(folder / "config.ini", {"daemon": DAEMON, **options})
        async with running(path, sandbox, clock) as run:
            yield run, network


def clients_of(run: Running) -> HttpClients:
    clients = run.daemon.supervisor._clouds._clients  # type: ignore[attr-defined]
    assert isinstance(clients, HttpClients)
    return clients


async def begin(trouble: Trouble, run: Running, network: FaultProxy) -> None:
    """From now on nothing goes well."""
    network.trouble = trouble
    network.seconds = 0.3 if trouble is Trouble.SLOW_BODY else 30.0
    clients_of(run).limits = IMPATIENT.get(trouble, Limits())


async def heal(run: Running, network: FaultProxy) -> None:
    network.trouble = None
    await network.cut()
    clients_of(run).limits = Limits()


@pytest.mark.parametrize("trouble", Trouble)
@pytest.mark.parametrize("method, way", WAYS)
async def test_a_bind_on_a_bad_network_ends_in_its_fault_and_heals(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock, *, trouble: Trouble, method: str, way: str
) -> None:
    """The earlier binding stays held; a fault of the network is tried again, an unknown CA waits for a human."""
    async with networked(tmp_path, sandbox, clock, method=method, way=way) as (run, network):
        first = (await run.reach(State.BOUND)).binding
        assert first is not None
        await begin(trouble, run, network)
        failed = await run.rebind()
        step, fault = ENDINGS[trouble]
        assert failed.trouble is not None
        assert (failed.state, failed.trouble.fault, failed.binding) == (State.FAILED, fault, first)
        report = (await run.asked("GET", "/api/v1/sites/default/binds"))["binds"][0]
        assert steps_of(report)[FIRST_CALL[method] if step is CALL else step] == "failed"
        assert (await run.asked("GET", "/-/ready"))["status"] in {"pass", "warn"}
        assert (failed.retry is not None) is fault.heals_by_itself
        await heal(run, network)
        if fault.heals_by_itself:
            await clock.advance(10)
            again = await run.reach(State.BOUND)
            assert again.reason == "retry"
        else:
            await clock.advance(3600)
            assert run.now().attempt == failed.attempt
            again = await run.rebind()
        assert again.state is State.BOUND
        assert again.binding is not None
        assert again.binding.bind_id != first.bind_id


@pytest.mark.parametrize("trouble", Trouble)
async def test_a_verification_on_a_bad_network_is_missed_and_nothing_is_lost(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock, trouble: Trouble
) -> None:
    """Bound and ready through it all, also with an unknown CA in between; when it is over, so is the problem."""
    async with networked(tmp_path, sandbox, clock, method="cloud", way="proxy") as (run, network):
        first = (await run.reach(State.BOUND)).binding
        await begin(trouble, run, network)
        if ENDINGS[trouble][0] == "connect":
            await network.cut()
        await clock.advance(60)
        await run.until(lambda: run.now().missed is not None)
        assert run.now().missed is not None
        assert run.now().missed.fault is ENDINGS[trouble][1]
        assert (run.now().state, run.now().binding, run.now().refusals) == (State.BOUND, first, None)
        assert (await run.asked("GET", "/-/ready"))["status"] in {"pass", "warn"}
        site = await run.asked("GET", "/api/v1/sites/default")
        assert "verification-missed" in {problem["code"] for problem in site["problems"]}
        await heal(run, network)
        await clock.advance(301)
        await run.until(lambda: run.now().missed is None)
        assert run.now().attempt == 1


@pytest.mark.parametrize("way", ["direct", "proxy"])
async def test_a_site_binds_over_a_slow_line(tmp_path: Path, sandbox: Sandbox, clock: ManualClock, way: str) -> None:
    """Late is not lost."""
    async with networked(tmp_path, sandbox, clock, way=way) as (run, network):
        await run.reach(State.BOUND)
        network.trouble, network.seconds = Trouble.LATE, 0.1
        await network.cut()
        bound = await run.rebind()
        assert (bound.state, bound.attempt) == (State.BOUND, 2)


async def test_a_service_that_is_gone_for_an_hour_is_bound_to_again(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """Refused connections at every retry, the older binding held all the while, then bound without anybody asking."""
    async with networked(tmp_path, sandbox, clock) as (run, network):
        first = (await run.reach(State.BOUND)).binding
        await network.stop()
        failed = await run.rebind()
        assert failed.trouble is not None
        assert failed.trouble.fault is Fault.UNREACHABLE
        for _ in range(12):
            attempt = run.now().attempt
            await clock.advance(300)
            await run.until(lambda attempt=attempt: run.now().attempt > attempt and run.now().open is None)  # type: ignore[misc]
        assert run.now().binding == first
        await network.start()
        await clock.advance(301)
        await run.reach(State.BOUND)


async def test_idle_connections_that_died_unnoticed_are_no_trouble(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """A firewall that forgets connections: the next verification makes a new one."""
    async with networked(tmp_path, sandbox, clock) as (run, network):
        first = (await run.reach(State.BOUND)).binding
        assert first is not None
        before = network.connections
        await network.cut()
        await clock.advance(60)
        await run.until(lambda: run.now().binding is not None and run.now().binding.verified_at > first.verified_at)
        assert network.connections > before
        assert run.now().missed is None


async def test_with_a_certificate_of_a_stranger_no_secret_is_sent(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """The issuer is named, and the service saw no call at all."""
    async with networked(tmp_path, sandbox, clock, method="cloud", way="proxy") as (run, network):
        await run.reach(State.BOUND)
        await network.cut()
        await begin(Trouble.WRONG_AUTHORITY, run, network)
        calls = sum(sandbox.calls.values())
        failed = await run.rebind()
        assert failed.trouble is not None
        assert 'issued by "somebody else\'s CA"' in failed.trouble.detail
        assert sum(sandbox.calls.values()) == calls
