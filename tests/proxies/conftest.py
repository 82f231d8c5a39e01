"""Real proxies for a module's tests, and a sandbox that notes from where it was called."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web

from daemon.sandbox import Sandbox
from daemon.sandbox.cloud import Listener
from tests.clock import ManualClock
from tests.proxies.real import RealProxy, Squid, Tinyproxy
from tests.running import sandboxed

NAME = r"CORP\svc-sitebind"
PASSWORD = "p:w@rd%40 100%;#=&"
SPELLINGS = {
    NAME: PASSWORD,
    "svc@corp.example.test": "%41%",
    "CORP/svc": "a b",
    "jürgen": "pässwörd ☃",
    "MiXed.Case": "MiXed:::",
    "nobody": "+/=" * 20,
}
"""Names and passwords in the formats that proxies of directories expect."""

Callers = Counter[tuple[str, str]]
"""How often (address of the caller, path) was called."""


@pytest.fixture(scope="module")
def squid() -> Iterator[Squid]:
    """Wants a sign-in, and takes several spellings."""
    with Squid(SPELLINGS) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def tinyproxy() -> Iterator[Tinyproxy]:
    """Wants a sign-in; its own configuration cannot hold every character."""
    with Tinyproxy({"svc": "secret-4711"}) as proxy:
        yield proxy


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def sandbox(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Sandbox]:
    async with sandboxed(tmp_path, clock) as sandbox:
        yield sandbox


@pytest.fixture
def callers(monkeypatch: pytest.MonkeyPatch) -> Callers:
    """Everything that calls the sandbox."""
    seen: Callers = Counter()
    serve = Listener.__call__

    async def noted(self: Listener, request: web.BaseRequest) -> web.StreamResponse:
        seen[request.remote or "", request.path] += 1
        return await serve(self, request)

    monkeypatch.setattr(Listener, "__call__", noted)
    return seen


def through(proxy: RealProxy, *, user: str = "", password: str = "", **more: str) -> dict[str, str]:
    """The [connection] options for a proxy."""
    sign_in = {"proxy_requires_authentication": "yes", "proxy_username": user, "proxy_password": f"literal:{password}"}
    return {
        "use_proxy": "yes",
        "proxy_host": "127.0.0.1",
        "proxy_port": str(proxy.port),
        **(sign_in if user else {}),
        **more,
    }
