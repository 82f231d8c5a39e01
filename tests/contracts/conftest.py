"""A running sandbox, the real adapters before it, and a clock that both sides share: the run "in process".

The run "over the wire" (test_over_the_wire.py) puts a service and a clock of its own in their place.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from daemon.ports import Clock, Route
from daemon.providers.clouds import MimecastClouds
from daemon.providers.http import HttpClients
from daemon.sandbox import Sandbox, World, small_world
from tests.clock import ManualClock
from tests.contracts.service import InProcess, Service

Observed = list[tuple[str, str]]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One directory for the session: certificates are made once."""
    return tmp_path_factory.mktemp("contract-sandbox")


@pytest.fixture
def world() -> World:
    return small_world(keys_per_user=50)


@pytest.fixture
async def sandbox(certificates: Path, clock: ManualClock, world: World) -> AsyncIterator[Sandbox]:
    async with Sandbox(directory=certificates, world=world, now=clock.now) as running:
        yield running


@pytest.fixture
def service(sandbox: Sandbox, clock: ManualClock) -> Service:
    return InProcess(sandbox, clock)


@pytest.fixture
def observed() -> Observed:
    """The endpoint and the code of every call."""
    return []


@pytest.fixture
def clients(clock: Clock, observed: Observed) -> HttpClients:
    return HttpClients(lambda endpoint, code, _: observed.append((endpoint, code)), clock=clock)


@pytest.fixture
async def clouds(clients: HttpClients, clock: Clock) -> AsyncIterator[MimecastClouds]:
    made = MimecastClouds(clients, clock=clock)
    yield made
    await made.close()


@pytest.fixture
def route(service: Service) -> Route:
    return Route(ca_file=str(service.ca_file))
