"""A running sandbox, a small internet, and the adapter before them; a clock that all of them share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from daemon.ports import Examination, Layer, MailboxAccess, Route, Secret
from daemon.providers.autodiscover_srv import SrvRecords
from daemon.providers.ews import ExchangeMailbox
from daemon.providers.http import HttpClients
from daemon.providers.refused_sign_ins import RefusedSignIns
from daemon.sandbox import Sandbox, World, small_world
from daemon.sandbox.tenant import Tenant
from tests.clock import ManualClock
from tests.exchange.internet import Internet
from tests.providers.conftest import Authority

PASSWORD = "canary-Pa55:wörd%"
ADDRESS = "sync@example.test"
PROBE = "ada@example.test"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def clients(clock: ManualClock) -> AsyncIterator[HttpClients]:
    made = HttpClients(lambda *_: None, clock=clock)
    yield made
    await made.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("exchange-authority"))


@pytest.fixture
async def internet(authority: Authority) -> AsyncIterator[Internet]:
    async with Internet(authority).running() as running:
        yield running


@dataclass
class Office:
    """Makes adapters as a composition root would; what they share lives here."""

    clients: HttpClients
    clock: ManualClock
    route: Route
    access: MailboxAccess
    srv: SrvRecords
    token: Callable[[str], Any] | None = None

    def __post_init__(self) -> None:
        self.refused = RefusedSignIns(self.clock.monotonic)

    def mailbox(self, **changes: Any) -> ExchangeMailbox:
        return ExchangeMailbox(
            self.clients.client(self.route),
            replace(self.access, **changes),
            refused=self.refused,
            monotonic=self.clock.monotonic,
            new_request_id=lambda: "id-of-the-call",
            token=self.token,
            srv=self.srv,
        )

    async def examine(self, **changes: Any) -> Examination:
        return await self.mailbox(**changes).examine()


@pytest.fixture
def abroad(clients: HttpClients, clock: ManualClock, internet: Internet, authority: Authority) -> Office:
    """The adapter before the small internet."""
    return Office(
        clients,
        clock,
        Route(use_proxy=True, proxy_host="127.0.0.1", proxy_port=internet.port, ca_file=str(authority.ca_file)),
        MailboxAccess(platform="exchange", smtp_address=ADDRESS, password=Secret(PASSWORD), probe_address=PROBE),
        SrvRecords(["127.0.0.1"], port=internet.dns_port),
    )


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exchange-sandbox")


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


def layer(examination: Examination, name: str) -> Layer:
    return next(each for each in examination.layers if each.name == name)
