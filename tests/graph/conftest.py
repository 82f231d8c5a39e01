"""A running sandbox with Microsoft's cloud, and the adapters before it; a clock that both sides share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from daemon.ports import DirectoryAccess, MailboxAccess, Registration, Route, Secret
from daemon.providers.graph import Graph
from daemon.providers.graph_directory import GraphDirectory
from daemon.providers.graph_mailbox import GraphMailbox
from daemon.providers.http import HttpClient, HttpClients
from daemon.providers.identity import Identity
from daemon.providers.refused_sign_ins import RefusedSignIns
from daemon.providers.tokens import Tokens
from daemon.sandbox import Sandbox, World, small_world
from daemon.sandbox import tenant as known
from daemon.sandbox.tenant import Tenant
from tests.clock import ManualClock


@dataclass
class Office:
    """Makes adapters for one app registration, as a composition root would; what they share lives here."""

    client: HttpClient
    clock: ManualClock
    registration: Registration
    tokens: Tokens = field(init=False)
    refusals: RefusedSignIns = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = Tokens(self.clock.monotonic)
        self.refusals = RefusedSignIns(self.clock.monotonic)

    def registered(self, **changes: Any) -> Office:
        """The same with another registration."""
        other = replace(self, registration=replace(self.registration, **changes))
        other.tokens, other.refusals = self.tokens, self.refusals
        return other

    def identity(self) -> Identity:
        return Identity(
            self.client,
            self.registration,
            tokens=self.tokens,
            refusals=self.refusals,
            new_request_id=lambda: "id-of-the-call",
        )

    def graph(self, patience: float = 60.0) -> Graph:
        return Graph(
            self.client,
            self.registration,
            identity=self.identity(),
            clock=self.clock,
            new_request_id=lambda: "id-of-the-call",
            patience=patience,
        )

    def mailbox(self, **changes: Any) -> GraphMailbox:
        access = MailboxAccess(
            platform="microsoft-365",
            smtp_address=known.DEMO_MAILBOX,
            probe_address=known.DEMO_PROBE,
            registration=self.registration,
        )
        return GraphMailbox(
            self.client,
            replace(access, **changes),
            graph=self.graph(),
            clock=self.clock,
            new_request_id=lambda: "id-of-the-call",
        )

    def directory(self, **changes: Any) -> GraphDirectory:
        access = DirectoryAccess(platform="microsoft-365", lookup=known.DEMO_MAILBOX, registration=self.registration)
        return GraphDirectory(self.client, replace(access, **changes), graph=self.graph(), clock=self.clock)

    async def in_time(self, doing: Coroutine[Any, Any, Any]) -> Any:
        """Wait for `doing`; whenever it waits for the clock, that time passes at once."""
        task = asyncio.create_task(doing, name="what waits for the clock")
        while not task.done():
            if self.clock._sleepers:
                await self.clock.advance(max(0.0, self.clock._sleepers[0][0] - self.clock.monotonic()))
            await asyncio.sleep(0)
        return await task


def registration_at(address: str, **changes: Any) -> Registration:
    own = Registration(
        tenant_id=known.DEMO_TENANT,
        client_id=known.DEMO_GRAPH_CLIENT,
        client_secret=Secret(known.DEMO_GRAPH_SECRET),
        authority=address,
        graph=address,
        outlook=address,
    )
    return replace(own, **changes)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One directory for the session: certificates are made once."""
    return tmp_path_factory.mktemp("graph-sandbox")


@pytest.fixture
def world() -> World:
    return small_world()


@pytest.fixture
def tenant(world: World) -> Tenant:
    return world.tenant


@pytest.fixture
async def sandbox(certificates: Path, clock: ManualClock, world: World) -> AsyncIterator[Sandbox]:
    async with Sandbox(directory=certificates, world=world, now=clock.now) as running:
        yield running


@pytest.fixture
async def clients(clock: ManualClock) -> AsyncIterator[HttpClients]:
    made = HttpClients(lambda *_: None, clock=clock)
    yield made
    await made.close()


@pytest.fixture
def office(clients: HttpClients, sandbox: Sandbox, clock: ManualClock) -> Office:
    route = Route(ca_file=str(sandbox.ca_file))
    return Office(clients.client(route), clock, registration_at(sandbox.microsoft_url))


@pytest.fixture
def office_at(clients: HttpClients, clock: ManualClock) -> Callable[[str, Path], Office]:
    """An office whose cloud is another server, with its CA."""
    return lambda address, ca: Office(clients.client(Route(ca_file=str(ca))), clock, registration_at(address))
