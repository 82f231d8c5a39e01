"""A site that is well, bound to the sandbox by a real daemon, and the ways in which the cases make it ill."""

from __future__ import annotations

import asyncio
import copy
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from daemon.sandbox import Sandbox
from tests.clock import ManualClock
from tests.providers.conftest import Authority, Handler, Proxy, Servers, answering, http, signed
from tests.running import Running, write

Layer = dict[str, Any]


@dataclass
class Clinic:
    """`options` are the sections of the site's file; what a case changes in them is read in before the doctor comes."""

    run: Running
    options: dict[str, dict[str, str]]
    servers: Servers
    authority: Authority
    _good: dict[str, dict[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        self._good = copy.deepcopy(self.options)

    @property
    def sandbox(self) -> Sandbox:
        return self.run.sandbox

    @property
    def clock(self) -> ManualClock:
        return self.run.manual

    async def examined(self, *, sign_in: bool = False) -> list[Layer]:
        """What the daemon's doctor says now."""
        if self.options != self._good:
            self._good = copy.deepcopy(self.options)
            write(self.run.path, self.options)
            async with self.run.http.post(f"{self.run.daemon.web.url}/-/reload") as answer:
                assert answer.status in (200, 422), await answer.text()
        body = {"sign_in": True} if sign_in else {}
        report = await self.run.asked("POST", "/api/v1/sites/default/doctor", json=body)
        layers: list[Layer] = report["layers"]
        return layers

    async def manual_hours(self, hours: float) -> None:
        """Let time pass: what was kept from before, a token for example, has run out then."""
        await self.clock.advance(hours * 3600)

    def binding(self, **options: str) -> None:
        """Change [binding]; an empty value takes the option away."""
        self._change("binding", options)

    def connection(self, **options: str) -> None:
        """Change [connection]."""
        self._change("connection", options)

    def _change(self, section: str, options: dict[str, str]) -> None:
        for name, value in options.items():
            self.options[section].pop(name, None)
            if value:
                self.options[section][name] = value

    async def served_by(self, handler: Handler, tls: ssl.SSLContext | None = None) -> int:
        """Let something else stand where the service is expected; it is trusted if its CA is ours."""
        port = await self.servers.open(handler, tls)
        self.binding(service_url=f"https://localhost:{port}")
        self.connection(ca_file=str(self.authority.ca_file))
        return port

    async def answered_with(self, response: bytes) -> None:
        """The service's certificate is right, what it answers is `response`."""
        await self.served_by(answering(response), self.authority.good())

    def through(self, port: int, **options: str) -> None:
        """Go through a proxy on this port."""
        self.connection(**{"use_proxy": "yes", "proxy_host": "127.0.0.1", "proxy_port": str(port), **options})

    async def refusing_proxy(self, status: str, headers: str = "", **options: str) -> None:
        """Go through a proxy that does not open the way."""
        proxy = Proxy(refusal=http(b"", status=status, headers=headers))
        self.through(await self.servers.open(proxy.handle), **options)

    async def closed_port(self) -> int:
        """A port on which nothing listens."""
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port: int = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        return port


MakeIll = Callable[[Clinic], Awaitable[None]]


def stranger(authority: Authority, **options: Any) -> ssl.SSLContext:
    """A certificate that nobody here has a reason to trust, as a TLS-inspecting firewall makes them."""
    firewall = signed("Inspecting Firewall CA", by=None)
    return authority.context(signed("localhost", by=firewall, **options))
