"""Plain HTTP through real proxies that want a sign-in: the one question of autodiscover that is not asked over TLS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from daemon.ports import ProviderFault, Route, Secret
from daemon.providers.answer import Answer
from daemon.providers.http import HttpClients, Terms
from states import Fault
from tests.clock import ManualClock
from tests.contracts.cloud import assert_tells_no_secret
from tests.proxies.conftest import NAME, PASSWORD, SPELLINGS
from tests.proxies.real import RealProxy, Squid, Tinyproxy

pytestmark = pytest.mark.parts

MOVED = b"HTTP/1.1 302 Found\r\nLocation: https://mail.example.test/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
TERMS = Terms(cleartext=True, redirects=True)


@dataclass
class Origin:
    """A server that redirects, as autodiscover.DOMAIN does; `seen`: from where it was called, and with what head."""

    port: int = 0
    seen: list[tuple[str, str]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.seen.append((writer.get_extra_info("peername")[0], head.decode().lower()))
        writer.write(MOVED)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def serving() -> AsyncIterator[Origin]:
    origin = Origin()
    server = await asyncio.start_server(origin.serve, "127.0.0.1", 0)
    async with server:
        origin.port = server.sockets[0].getsockname()[1]
        yield origin


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with serving() as running:
        yield running


@pytest.fixture
async def clients(clock: ManualClock) -> AsyncIterator[HttpClients]:
    made = HttpClients(lambda *_: None, clock=clock)
    yield made
    await made.close()


def route_through(proxy: RealProxy, user: str, password: str) -> Route:
    return Route(
        use_proxy=True,
        proxy_host="127.0.0.1",
        proxy_port=proxy.port,
        proxy_username=user,
        proxy_password=Secret(password),
    )


async def asked(clients: HttpClients, route: Route, origin: Origin) -> Answer:
    url = f"http://127.0.0.1:{origin.port}/autodiscover/autodiscover.xml"
    return await clients.client(route).call("GET", url, endpoint="autodiscover", headers={}, terms=TERMS)


def assert_came_through(origin: Origin, proxy: RealProxy) -> None:
    """Once, and without what was for the proxy's eyes."""
    [(remote, head)] = origin.seen
    assert remote == proxy.leaves_from
    assert "authorization" not in head


@pytest.mark.parametrize("user", SPELLINGS)
async def test_squid_lets_plain_http_through_with_the_sign_in(
    clients: HttpClients, origin: Origin, squid: Squid, user: str
) -> None:
    answer = await asked(clients, route_through(squid, user, SPELLINGS[user]), origin)
    assert (answer.status, answer.headers["Location"]) == (302, "https://mail.example.test/")
    assert_came_through(origin, squid)


async def test_tinyproxy_lets_plain_http_through_with_the_sign_in(
    clients: HttpClients, origin: Origin, tinyproxy: Tinyproxy
) -> None:
    assert (await asked(clients, route_through(tinyproxy, "svc", "secret-4711"), origin)).status == 302
    assert_came_through(origin, tinyproxy)


async def test_a_host_that_needs_no_proxy_does_not_see_its_sign_in(
    clients: HttpClients, origin: Origin, squid: Squid
) -> None:
    """It would learn the password of a directory account."""
    route = replace(route_through(squid, NAME, PASSWORD), no_proxy=("127.0.0.1",))
    assert (await asked(clients, route, origin)).status == 302
    [(_, head)] = origin.seen
    assert "authorization" not in head


async def test_a_sign_in_that_the_proxy_refuses_is_told_and_not_sent_again(
    clients: HttpClients, origin: Origin, squid: Squid
) -> None:
    """As for HTTPS: a proxy's user is often an account that locks."""
    route, before = route_through(squid, NAME, "not this one"), len(squid.log.splitlines())
    told = []
    for _ in range(3):
        with pytest.raises(ProviderFault) as raised:
            await asked(clients, route, origin)
        assert raised.value.fault is Fault.PROXY_AUTHENTICATION
        assert_tells_no_secret(raised.value, {"not this one"})
        told.append(raised.value.detail)
    assert f"answered 407 to GET 127.0.0.1:{origin.port}: it did not accept the name and password" in told[0]
    assert all("they are not tried again for 15 min" in each for each in told[1:])
    assert origin.seen == []
    assert len(squid.log.splitlines()) == before + 1


async def test_without_a_sign_in_the_proxys_wish_for_one_is_an_answer(
    clients: HttpClients, origin: Origin, squid: Squid
) -> None:
    """Autodiscover goes on to its next place then, and says it."""
    assert (await asked(clients, route_through(squid, "", ""), origin)).status == 407
    assert origin.seen == []
