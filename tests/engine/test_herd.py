"""Hundreds of sites in one process never fall upon the service together, whatever they all wait for.

What counts against the pace is what a slot is given for: a bind (four calls, one after another, counted by its
first), a check, a refresh, a revocation.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from states import Fault, State
from tests.lives import Life, SettledClock, without_threads
from tests.running import write
from tests.service import PASSWORD, Service

pytestmark = pytest.mark.slow

SITES = 200
PACE = 5
ONCE_AROUND = SITES / PACE
"""Seconds that it takes to give each site a slot."""
BEGINS_AN_ACT = {"connect", "verify", "revoke"}


@pytest.fixture
def clock() -> SettledClock:
    return SettledClock()


@pytest.fixture
def service(clock: SettledClock) -> Service:
    return Service(clock)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "sites"
    folder.mkdir()
    write(folder / "daemon.ini", {"daemon": {"pace": str(PACE), "log_level": "warning"}})
    for number in range(SITES):
        sign_in = {"email": f"site{number}@example.test", "password": f"literal:{PASSWORD}"}
        application = {"application_id": "id", "application_key": "literal:key"}
        write(folder / f"site{number:03}.ini", {
            "account": {"smtp_address": "postmaster@example.test"}, "binding": {**sign_in, **application},
        })  # fmt: skip
    return folder


@asynccontextmanager
async def living(config: Path, clock: SettledClock, service: Service) -> AsyncIterator[Life]:
    """A daemon on the database beside the sites, stopped at the end."""
    folder = config.with_name("data")
    folder.mkdir(exist_ok=True)
    chance = random.Random(1).random
    with without_threads():
        life = await Life.begin(folder, config, clock=clock, service=service, chance=chance)
        try:
            yield life
        finally:
            await life.end()


def acts(service: Service, *, since: float = 0.0) -> list[float]:
    return [
        call.at
        for call in service.calls
        if call.at >= since and (call.name in BEGINS_AN_ACT or call.task.startswith("refresh"))
    ]


def most_in_a_second(moments: list[float]) -> int:
    """The most within any second, wherever it begins."""
    return max(bisect_left(moments, begin + 1.0) - number for number, begin in enumerate(moments))


def bound(life: Life) -> int:
    return sum(now.state is State.BOUND for now in life.daemon.driver.snapshots.values())


async def test_all_bind_for_the_first_time_in_their_slots(config: Path, clock: SettledClock, service: Service) -> None:
    """A first start with every site: each binds once, by itself, and none before its slot."""
    async with living(config, clock, service) as life:
        await clock.advance(ONCE_AROUND + 1)
        assert bound(life) == SITES
    assert len(acts(service)) == SITES
    assert most_in_a_second(acts(service)) <= 2 * PACE


async def test_all_are_restarted_at_once_and_checked_in_their_slots(
    config: Path, clock: SettledClock, service: Service
) -> None:
    """Held bindings stay held over the restart; each is checked once, without another sign-in."""
    async with living(config, clock, service):
        await clock.advance(ONCE_AROUND + 1)
    restarted = clock.monotonic()
    async with living(config, clock, service) as life:
        assert bound(life) == SITES
        await clock.advance(ONCE_AROUND + 3)
        assert bound(life) == SITES
    calls = [call.name for call in service.calls if call.at >= restarted]
    assert calls == ["verify"] * SITES
    assert most_in_a_second(acts(service)) <= 2 * PACE


async def test_an_hour_without_the_service_ends_without_a_herd(
    config: Path, clock: SettledClock, service: Service
) -> None:
    """Half of the sites are bound when it goes down: those stay bound, the others bind by themselves after it."""
    async with living(config, clock, service) as life:
        await clock.advance(ONCE_AROUND / 2)
        held = bound(life)
        assert SITES / 3 < held < SITES
        service.down = Fault.UNREACHABLE
        await clock.advance(3600)
        assert bound(life) == held
        service.down = None
        # The longest wait of a site is retry_ceiling (5 minutes), and the slots of all others after it.
        await clock.advance(300 + 2 * ONCE_AROUND)
        assert bound(life) == SITES
        assert all(now.missed is None for now in life.daemon.driver.snapshots.values())
    assert most_in_a_second(acts(service)) <= 2 * PACE


async def test_keys_that_all_wait_to_be_revoked_do_not_go_at_once_after_a_restart(
    config: Path, clock: SettledClock, service: Service
) -> None:
    """Every key was ended, and the way to the service broke before that was confirmed; then a restart."""
    async with living(config, clock, service) as life:
        await clock.advance(ONCE_AROUND + 1)
        service.end_all()
        service.loses_revocations = True
        await clock.advance(900 + 5 * ONCE_AROUND)
        assert all(now.revoke_pending for now in life.daemon.driver.snapshots.values())
    service.loses_revocations = False
    async with living(config, clock, service) as life:
        await clock.advance(3 * ONCE_AROUND)
        assert bound(life) == SITES
        assert not any(now.revoke_pending for now in life.daemon.driver.snapshots.values())
    assert most_in_a_second(acts(service)) <= 2 * PACE
