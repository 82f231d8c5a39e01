"""The sandbox as a whole: certificates, five TLS listeners on loopback, ordered start and stop.

Started by `sitebind sandbox`, `sitebind demo`, the contract tests and the bench.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from aiohttp import web

from daemon.sandbox.api_v1 import ApiV1
from daemon.sandbox.api_v2 import ApiV2
from daemon.sandbox.authority import Certificates, Pair, ensure_certificates
from daemon.sandbox.cloud import Listener, Route, Traffic
from daemon.sandbox.control import Control
from daemon.sandbox.exchange import Exchange
from daemon.sandbox.graph import Graph
from daemon.sandbox.graph_failures import MicrosoftManner
from daemon.sandbox.manner import GatewayManner
from daemon.sandbox.script import Endpoint, Script, Trouble

if TYPE_CHECKING:
    from types import TracebackType

    from daemon.sandbox.world import World

ADDRESS: Final = "127.0.0.1"
NOTE: Final = "sandbox.json"
_STOP_WITHIN: Final = 1.0


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports of the five hosts; 0 takes a free one."""

    global_host: int = 0
    regional_host: int = 0
    services_host: int = 0
    exchange_host: int = 0
    microsoft_host: int = 0


class Sandbox:
    """A simulated Mimecast, with the Microsoft side that a company has.

    The constructor only stores; `start` and `stop`, or `async with`, do the work.

    `directory` keeps the certificates and, while the sandbox runs, `sandbox.json` with addresses. `now` is
    the service's clock (UTC-aware); certificates follow the machine's.
    """

    def __init__(
        self,
        *,
        directory: Path,
        world: World,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        ports: Ports = Ports(),
    ) -> None:
        self.script = Script()
        self.world = world
        self._directory = directory
        self._now = now
        self._ports = ports
        self._running: _Running | None = None

    async def start(self) -> None:
        """Listen on all five hosts; raises OSError when a port is taken, and leaves nothing open then."""
        if self._running is not None:
            raise RuntimeError("the sandbox runs already")
        today = datetime.now(UTC)
        certificates = await asyncio.to_thread(ensure_certificates, self._directory, today=today)
        traffic = Traffic(script=self.script, now=self._now)
        async with AsyncExitStack() as stack:
            self._running = _Running(stack=stack, certificates=certificates, traffic=traffic)
            stack.callback(self._forget)
            await self._listen(self._running)
            note = self._directory / NOTE
            await asyncio.to_thread(_write_note, note, self._addresses())
            stack.push_async_callback(asyncio.to_thread, note.unlink, missing_ok=True)
            self._running.stack = stack.pop_all()

    async def stop(self) -> None:
        """Stop within about three seconds, cutting whatever is still open. Safe to repeat."""
        running = self._running
        if running is not None:
            running.traffic.stopping.set()
            await running.stack.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def global_url(self) -> str:
        """Discovery of API 1.0, and the control under `/sandbox/`."""
        return _url(self._listening.global_port)

    @property
    def regional_url(self) -> str:
        """Login and signed calls of API 1.0."""
        return _url(self._listening.regional_port)

    @property
    def services_url(self) -> str:
        """API 2.0."""
        return _url(self._listening.services_port)

    @property
    def exchange_url(self) -> str:
        """Exchange on premises: autodiscover and EWS."""
        return _url(self._listening.exchange_port)

    @property
    def microsoft_url(self) -> str:
        """Microsoft's cloud: the identity platform, Graph, and Exchange Online's autodiscover and EWS."""
        return _url(self._listening.microsoft_port)

    @property
    def ca_file(self) -> Path:
        """The CA which a client has to trust (PEM)."""
        return self._listening.certificates.ca_file

    @property
    def calls(self) -> dict[str, int]:
        """How many calls each endpoint has had since start."""
        return dict(self._listening.traffic.calls)

    @property
    def _listening(self) -> _Running:
        if self._running is None:
            raise RuntimeError("the sandbox does not run")
        return self._running

    async def _listen(self, running: _Running) -> None:
        v1 = ApiV1(world=self.world, script=self.script, regional_url=lambda: self.regional_url)
        control = Control(world=self.world, traffic=running.traffic)
        # The control must stay reachable whatever trouble is in force: no bad certificate here.
        steady, fickle = _context(running.certificates.server), _context(running.certificates.server)
        self.script.on_change = lambda: _present(fickle, _pair_for(self.script, running.certificates))
        _present(fickle, _pair_for(self.script, running.certificates))
        hosts = (
            (Listener(running.traffic, _global_routes(v1), control=control), steady, self._ports.global_host),
            (Listener(running.traffic, _regional_routes(v1)), fickle, self._ports.regional_host),
            (self._services(running.traffic), fickle, self._ports.services_host),
            (Listener(running.traffic, self._exchange().find), steady, self._ports.exchange_host),
            (
                Listener(running.traffic, self._microsoft().find, manner=MicrosoftManner()),
                steady,
                self._ports.microsoft_host,
            ),
        )
        ports = [await _open(running.stack, listener, port=port, tls=tls) for listener, tls, port in hosts]
        running.global_port, running.regional_port, running.services_port = ports[:3]
        running.exchange_port, running.microsoft_port = ports[3:]

    def _services(self, traffic: Traffic) -> Listener:
        return Listener(traffic, _services_routes(ApiV2(world=self.world, script=self.script)), manner=GatewayManner())

    def _exchange(self) -> Exchange:
        return Exchange(
            tenant=self.world.tenant,
            script=self.script,
            url=lambda: self.exchange_url,
            cloud_url=lambda: self.microsoft_url,
        )

    def _microsoft(self) -> Graph:
        return Graph(
            tenant=self.world.tenant,
            script=self.script,
            url=lambda: self.microsoft_url,
            exchange_url=lambda: self.exchange_url,
        )

    def _forget(self) -> None:
        self._running = None
        self.script.on_change = None

    def _addresses(self) -> dict[str, str | int]:
        return {
            "global_url": self.global_url,
            "regional_url": self.regional_url,
            "services_url": self.services_url,
            "exchange_url": self.exchange_url,
            "microsoft_url": self.microsoft_url,
            "ca_file": str(self.ca_file.resolve()),
            "pid": os.getpid(),
        }


@dataclass(slots=True, kw_only=True)
class _Running:
    """What exists between start and stop only."""

    stack: AsyncExitStack
    certificates: Certificates
    traffic: Traffic
    global_port: int = 0
    regional_port: int = 0
    services_port: int = 0
    exchange_port: int = 0
    microsoft_port: int = 0


def _url(port: int) -> str:
    return f"https://localhost:{port}"


def _global_routes(v1: ApiV1) -> dict[str, Route]:
    return {"/api/login/discover-authentication": Route(endpoint=Endpoint.DISCOVER, handle=v1.discover)}


def _regional_routes(v1: ApiV1) -> dict[str, Route]:
    # [gap] ours: discovery is answered by the global host only.
    return {
        "/api/login/login": Route(endpoint=Endpoint.LOGIN, handle=v1.login),
        "/api/login/logout": Route(endpoint=Endpoint.LOGOUT, handle=v1.logout),
        "/api/account/get-account": Route(endpoint=Endpoint.ACCOUNT, handle=v1.account),
        "/api/user/get-profile": Route(endpoint=Endpoint.PROFILE, handle=v1.profile),
    }


def _services_routes(v2: ApiV2) -> dict[str, Route]:
    return {
        "/oauth/token": Route(endpoint=Endpoint.TOKEN, handle=v2.token),
        "/api/account/get-account": Route(endpoint=Endpoint.ACCOUNT, handle=v2.account),
        "/api/user/get-profile": Route(endpoint=Endpoint.PROFILE, handle=v2.profile),
        "/identity/whoami": Route(endpoint=Endpoint.WHOAMI, handle=v2.whoami, method="GET"),
        "/role/cloud-gateway/v1/roles": Route(endpoint=Endpoint.ROLES, handle=v2.roles, method="GET"),
        "/user/cloud-gateway/v1/users": Route(endpoint=Endpoint.USERS, handle=v2.users, method="GET"),
    }


def _pair_for(script: Script, certificates: Certificates) -> Pair:
    if Trouble.EXPIRED_CERTIFICATE in script.active:
        return certificates.expired
    if Trouble.FORGED_CERTIFICATE in script.active:
        return certificates.forged
    return certificates.server


def _context(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    _present(context, pair)
    return context


def _present(context: ssl.SSLContext, pair: Pair) -> None:
    """Choose the certificate of every connection made from now on."""
    context.load_cert_chain(pair.certificate, pair.key)


async def _open(stack: AsyncExitStack, listener: Listener, *, port: int, tls: ssl.SSLContext) -> int:
    """Open one host and answer with its port; `stack` closes it."""
    server = web.Server(listener)
    runner = web.ServerRunner(server, shutdown_timeout=_STOP_WITHIN)
    stack.push_async_callback(_close, runner, server)
    await runner.setup()
    await web.TCPSite(runner, ADDRESS, port, ssl_context=tls, backlog=1024).start()
    bound: int = runner.addresses[0][1]
    return bound


async def _close(runner: web.ServerRunner, server: web.Server) -> None:
    """Close one host, and cut callers that do not say goodbye: behind a proxy they take their time."""
    transports = [connection.transport for connection in server.connections]
    await runner.cleanup()
    for transport in transports:
        if transport is not None:
            transport.abort()
    await asyncio.sleep(0)  # the loop takes them down


def _write_note(path: Path, addresses: dict[str, str | int]) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(json.dumps(addresses, indent=2) + "\n")
    fresh.replace(path)
