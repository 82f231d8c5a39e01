"""The contract of both API versions once more, with a real proxy that wants a sign-in between us and the service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from aiohttp import web

from daemon.ports import Cloud, Route, Secret
from daemon.providers.clouds import MimecastClouds
from daemon.sandbox import Sandbox
from daemon.sandbox.cloud import Listener
from tests.contracts import test_mimecast_v1 as v1
from tests.contracts import test_mimecast_v2 as v2
from tests.contracts.service import Service
from tests.proxies.real import Squid

pytestmark = pytest.mark.slow

NAME, PASSWORD = r"CORP\svc", "p:w@rd%"


@pytest.fixture(scope="module")
def squid() -> Iterator[Squid]:
    with Squid({NAME: PASSWORD}) as proxy:
        yield proxy


@pytest.fixture
def route(sandbox: Sandbox, squid: Squid) -> Route:
    return Route(
        use_proxy=True,
        proxy_host="127.0.0.1",
        proxy_port=squid.port,
        proxy_username=NAME,
        proxy_password=Secret(PASSWORD),
        ca_file=str(sandbox.ca_file),
    )


@pytest.fixture(autouse=True)
def nobody_calls_directly(monkeypatch: pytest.MonkeyPatch, squid: Squid) -> Iterator[None]:
    """Whoever calls the service comes from the proxy's own address."""
    callers: Counter[str | None] = Counter()
    serve = Listener.__call__

    async def noted(self: Listener, request: web.BaseRequest) -> web.StreamResponse:
        callers[request.remote] += 1
        return await serve(self, request)

    monkeypatch.setattr(Listener, "__call__", noted)
    yield
    assert set(callers) <= {squid.leaves_from}


@pytest.mark.parts
class TestMimecastV1ThroughSquid(v1.MimecastV1):
    @pytest.fixture
    def cloud(self, clouds: MimecastClouds, service: Service, route: Route) -> Cloud:
        return v1.cloud_at(clouds, service, route)


@pytest.mark.parts
class TestMimecastV2ThroughSquid(v2.MimecastV2):
    @pytest.fixture
    def cloud(self, clouds: MimecastClouds, service: Service, route: Route) -> Cloud:
        return v2.cloud_at(clouds, service, route)
