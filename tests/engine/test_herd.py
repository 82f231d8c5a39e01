"""A thousand sites in one process never fall upon the service together, whatever they all wait for.

What counts against the pace is what a slot is given for: a bind, a check, a refresh, a revocation. A bind is counted
by its first call and makes four, one after another, so of raw calls a second may hold four times as many; they are
counted as well.
"""

from __future__ import annotations

import random
import sqlite3
from bisect import bisect_left
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest import mock

import pytest

from daemon.config.model import DaemonSettings
from daemon.store import connection
from states import Fault, State
from tests.lives import Life, SettledClock, without_threads
from tests.running import write
from tests.service import PASSWORD, Service

pytestmark = pytest.mark.slow

SITES = 1000
PACE = DaemonSettings().pace
ONCE_AROUND = SITES / PACE
"""Seconds that it takes to give each site a slot."""
BEGINS_AN_ACT = {"connect", "verify", "revoke"}
RAW = {"connect", "discover", "authenticate", "authorize", "verify", "revoke"}
CALLS_OF_A_BIND = 4
"""The most that one slot leads to."""


@pytest.fixture
def clock() -> SettledClock:
    return SettledClock()


@pytest.fixture
def service(clock: SettledClock) -> Service:
    return Service(clock)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return a_folder_of(SITES, tmp_path, verify_every="30m")


def a_folder_of(sites: int, here: Path, *, verify_every: str = "15m") -> Path:
    """The configuration of so many sites, each with a sign-in of its own, at the default pace.

    A thousand are checked half as often as by default, so that an hour of them stays affordable.
    """
    folder = here / "sites"
    folder.mkdir()
    write(folder / "daemon.ini", {"daemon": {"log_level": "error"}})
    for number in range(sites):
        sign_in = {"email": f"site{number}@example.test", "password": f"literal:{PASSWORD}"}
        application = {"application_id": "id", "application_key": "literal:key", "verify_every": verify_every}
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
    with without_threads(), without_waiting_for_the_disk():
        life = await Life.begin(folder, config, clock=clock, service=service, chance=chance)
        try:
            yield life
        finally:
            await life.end()


def without_waiting_for_the_disk() -> mock._patch[object]:
    """Nobody pulls the plug in these tests, and tens of thousands of commits would each wait for the disk."""
    as_ever = connection._prepare_writer

    def prepare(made: sqlite3.Connection) -> None:
        as_ever(made)
        made.execute("PRAGMA synchronous = OFF")

    return mock.patch.object(connection, "_prepare_writer", prepare)


def acts(service: Service, *, since: float = 0.0) -> list[float]:
    return [
        call.at
        for call in service.calls
        if call.at >= since and (call.name in BEGINS_AN_ACT or call.task.startswith("refresh"))
    ]


def raw(service: Service) -> list[float]:
    """Every call, whatever it belongs to."""
    return [call.at for call in service.calls if call.name in RAW]


def most_in_a_second(moments: list[float]) -> int:
    """The most within any second, wherever it begins."""
    return max(bisect_left(moments, begin + 1.0) - number for number, begin in enumerate(moments))


def assert_no_herd(service: Service) -> None:
    """The issue's bound for what slots are given for, and what follows from it for raw calls."""
    assert most_in_a_second(acts(service)) <= 2 * PACE
    assert most_in_a_second(raw(service)) <= CALLS_OF_A_BIND * 2 * PACE


def bound(life: Life) -> int:
    return sum(now.state is State.BOUND for now in life.daemon.driver.snapshots.values())


async def test_all_bind_in_their_slots_and_are_restarted_at_once_and_checked_in_them(
    config: Path, clock: SettledClock, service: Service
) -> None:
    """Each binds once, by itself, with four calls. Over the restart it stays bound, and then one call checks it."""
    async with living(config, clock, service) as life:
        await clock.advance(ONCE_AROUND + 1)
        assert bound(life) == SITES
    assert len(acts(service)) == SITES
    assert len(raw(service)) == CALLS_OF_A_BIND * SITES
    assert_no_herd(service)
    service.calls.clear()
    async with living(config, clock, service) as life:
        assert bound(life) == SITES
        await clock.advance(ONCE_AROUND + 3)
        assert bound(life) == SITES
    assert [call.name for call in service.calls] == ["verify"] * SITES
    assert most_in_a_second(raw(service)) <= 2 * PACE


@pytest.mark.timeout(400)
async def test_an_hour_without_the_service_ends_without_a_herd(
    config: Path, clock: SettledClock, service: Service
) -> None:
    """Most sites are bound when it goes down: those stay bound, the others bind by themselves after it."""
    async with living(config, clock, service) as life:
        await clock.advance(ONCE_AROUND * 9 / 10)
        held = bound(life)
        assert SITES * 4 / 5 < held < SITES
        service.down = Fault.UNREACHABLE
        await clock.advance(3600)
        assert bound(life) == held
        service.down = None
        # The longest wait of a site is retry_ceiling (5 minutes), and the slots of all others after it.
        await clock.advance(300 + 2 * ONCE_AROUND)
        assert bound(life) == SITES
        assert all(now.missed is None for now in life.daemon.driver.snapshots.values())
    assert_no_herd(service)


async def test_keys_that_all_wait_to_be_revoked_do_not_go_at_once_after_a_restart(
    tmp_path: Path, clock: SettledClock, service: Service
) -> None:
    """Every key was ended, and the way to the service broke before that was confirmed; then a restart.

    With a fifth of the sites, since each binds twice and asks again every five minutes.
    """
    sites = SITES // 5
    config = a_folder_of(sites, tmp_path)
    async with living(config, clock, service) as life:
        await clock.advance(ONCE_AROUND / 5 + 1)
        service.end_all()
        service.loses_revocations = True
        await clock.advance(900 + 4 * ONCE_AROUND)
        assert all(now.revoke_pending for now in life.daemon.driver.snapshots.values())
    service.loses_revocations = False
    async with living(config, clock, service) as life:
        await clock.advance(ONCE_AROUND)
        assert bound(life) == sites
        assert not any(now.revoke_pending for now in life.daemon.driver.snapshots.values())
    assert_no_herd(service)
