"""The HTTP listener: routes, limits, ordered start and bounded stop. Built by `daemon.app`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from aiohttp import web

from daemon.config.model import DaemonSettings
from daemon.engine.access import Access
from daemon.engine.operations import Operations
from daemon.ports import Clock, Observer
from daemon.web.audit import AuditHandlers
from daemon.web.auth import Door, Scope, is_loopback
from daemon.web.backups import BackupHandlers
from daemon.web.binds import BindHandlers
from daemon.web.config import ConfigHandlers
from daemon.web.control import ControlHandlers
from daemon.web.crowd import Crowd
from daemon.web.events import EventHandlers
from daemon.web.gate import Gate, Handler
from daemon.web.health import HealthHandlers
from daemon.web.limits import RateLimit
from daemon.web.listening import CannotListen, Listening, Prepared, prepared, tcp_address
from daemon.web.logs import LogHandlers
from daemon.web.metrics_listener import MetricsDoor, MetricsGuard
from daemon.web.openapi import OpenApiHandler
from daemon.web.origin import HostCheck
from daemon.web.peer import Admins
from daemon.web.resolving import ResolveHandler
from daemon.web.scrape import Exposition, ScrapeHandler
from daemon.web.sessions import Sessions
from daemon.web.sites import SiteHandlers
from daemon.web.tokens import TokenHandlers
from daemon.web.vault import VaultHandlers
from daemon.web.waits import Waits
from daemon.web.web_config import WebConfigFile

if TYPE_CHECKING:
    from daemon.web.ui.pages import Pages

LARGEST_BODY: Final = 64 * 1024
IDLE: Final = 75.0
"""Seconds that a connection may take for a request's headers, and stay open between two requests."""

Route = tuple[str, str, Handler, Scope | None]


class UnsafeListener(CannotListen):
    """The listener would be open to the network without a token. `str()` says what to do."""


class WebServer:
    """Serves the API on the addresses in the settings. The constructor only stores."""

    def __init__(
        self,
        operations: Operations,
        observer: Observer,
        *,
        access: Access,
        exposition: Exposition,
        clock: Clock,
    ) -> None:
        self._operations = operations
        self._observer = observer
        self._access = access
        self._exposition = exposition
        self._clock = clock
        self._limits = RateLimit(clock)
        self._crowd = Crowd(clock)
        self._listening = Listening(self._crowd)
        self._api: web.AppRunner | None = None
        self._metrics: web.AppRunner | None = None
        self._prepared: Prepared | None = None
        self._scheme = "http"

    @property
    def bound_address(self) -> tuple[str, int]:
        """Address and port that are listened on; the port is the real one when 0 was asked for."""
        if self._api is None:
            raise RuntimeError("the listener is not open")
        return tcp_address(self._api)

    @property
    def metrics_address(self) -> tuple[str, int] | None:
        """Address and port of the metrics' own listener; None where there is none."""
        return None if self._metrics is None else tcp_address(self._metrics)

    @property
    def url(self) -> str:
        """Where it is reached, without a slash at the end."""
        host, port = self.bound_address
        return f"{self._scheme}://[{host}]:{port}" if ":" in host else f"{self._scheme}://{host}:{port}"

    async def prepare(self) -> None:
        """Everything about listening that takes time. `start` does it where nobody did. Raises `CannotListen`."""
        settings = self._operations.settings
        if not is_loopback(settings.host) and self._operations.api_token() is None:
            raise UnsafeListener(
                f"[daemon] listen = {settings.host}:{settings.port} is open to the network and needs "
                "[daemon] api_token. Set it, or listen on 127.0.0.1."
            )
        # The pages take time to import, and other things wait meanwhile.
        ready, _ = await asyncio.gather(prepared(settings), asyncio.to_thread(_pages))
        self._prepared = ready
        self._listening.keep(ready.socket)

    async def start(self) -> None:
        """Listen. Raises `CannotListen`, and OSError when an address cannot be had; nothing is open then."""
        if self._api is not None:
            raise RuntimeError("the listener is open already")
        if self._prepared is None:
            await self.prepare()
        try:
            await self._open(self._operations.settings)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close: waiting requests answer at once, others within a bounded time or are cut. Safe to repeat."""
        self._api = self._metrics = self._prepared = None
        await self._listening.close()

    async def _open(self, settings: DaemonSettings) -> None:
        ready = self._prepared
        if ready is None:
            raise RuntimeError("nothing was prepared")
        self._scheme = "http" if ready.tls is None else "https"
        application = self._application(settings.host, ready.admins)
        try:
            api = await self._listening.open(application, (settings.host, settings.port), tls=ready.tls, idle=IDLE)
        except OSError as error:
            raise OSError(_not_to_be_had(settings.host, settings.port, error)) from error
        await self._listening.open_socket(api)
        if settings.metrics_listen is not None:
            application = self._metrics_application(settings.metrics_listen[0], ready.metrics_file)
            self._metrics = await self._listening.open(
                application, settings.metrics_listen, tls=ready.metrics_tls, idle=IDLE
            )
        self._api = api

    def _application(self, host: str, admins: Admins) -> web.Application:
        loopback = is_loopback(host)
        sessions = Sessions(self._clock)
        door = Door(
            self._operations, self._access, clock=self._clock, loopback=loopback, admins=admins, sessions=sessions
        )
        waits = Waits()
        control = ControlHandlers(self._operations, door, waits)
        events = EventHandlers(self._operations, door, observer=self._observer, clock=self._clock)
        pages = _pages()(
            self._operations, access=self._access, sessions=sessions, clock=self._clock, door=door, waits=waits
        )
        routes = (
            *self._control_routes(control),
            *self._token_routes(),
            *self._config_routes(door),
            *self._health_routes(),
            *self._reading_routes(waits, loopback=loopback),
            ("GET", "/api/v1/events", events.stream, Scope.READ),
            *pages.routes,
        )
        application = self._routed(routes, door, host, pages=pages)
        pages.attach(application)

        async def stop_waiting(_application: web.Application) -> None:
            waits.stop()
            events.stop()

        application.on_shutdown.append(stop_waiting)
        return application

    def _metrics_application(self, host: str, file: WebConfigFile | None) -> web.Application:
        loopback = is_loopback(host)
        door = MetricsDoor(self._operations, self._access, clock=self._clock, loopback=loopback)
        door.file = file
        guard = MetricsGuard(ScrapeHandler(self._exposition, loopback=loopback), file)
        return self._routed((*self._health_routes(), ("GET", "/metrics", guard.metrics, Scope.METRICS)), door, host)

    def _routed(self, routes: Iterable[Route], door: Door, host: str, *, pages: Pages | None = None) -> web.Application:
        gate = Gate(
            self._operations,
            self._observer,
            access=self._access,
            clock=self._clock,
            door=door,
            hosts=HostCheck(listener=host),
            limits=self._limits,
            crowd=self._crowd,
            page=pages,
        )
        application = web.Application(middlewares=[gate.pass_through], client_max_size=LARGEST_BODY)
        scopes: dict[Handler, Scope | None] = {}
        for method, path, handler, scope in routes:
            scopes[handler] = scope
            application.router.add_route(method, path, handler)
            if method == "GET":
                application.router.add_route("HEAD", path, handler)
        gate.scopes = scopes
        return application

    def _control_routes(self, control: ControlHandlers) -> Iterator[Route]:
        yield "POST", "/-/reload", control.reload, Scope.OPERATE
        yield "POST", "/rebind", control.rebind_only_site, Scope.OPERATE
        yield "POST", "/api/v1/sites/{site}/rebind", control.rebind, Scope.OPERATE
        yield "POST", "/api/v1/sites/{site}/doctor", control.doctor, Scope.OPERATE
        yield "POST", "/api/v1/sites/{site}/unbind", control.unbind, Scope.ADMIN
        yield "POST", "/api/v1/backups", BackupHandlers(self._operations).record, Scope.ADMIN
        yield "POST", "/api/v1/vault/rekey", VaultHandlers(self._operations).rekey, Scope.ADMIN

    def _token_routes(self) -> Iterator[Route]:
        tokens = TokenHandlers(self._access, self._clock)
        yield "GET", "/api/v1/tokens", tokens.all_tokens, Scope.ADMIN
        yield "POST", "/api/v1/tokens", tokens.create, Scope.ADMIN
        yield "DELETE", "/api/v1/tokens/{id}", tokens.revoke, Scope.ADMIN

    def _config_routes(self, door: Door) -> Iterator[Route]:
        config = ConfigHandlers(self._operations, door)
        yield "GET", "/api/v1/sites/{site}/config", config.show, Scope.ADMIN
        yield "PUT", "/api/v1/sites/{site}/config", config.change, Scope.ADMIN

    def _health_routes(self) -> Iterator[Route]:
        health = HealthHandlers(self._operations)
        for path in ("/-/healthy", "/livez", "/healthz"):
            yield "GET", path, health.healthy, Scope.HEALTH
        for path in ("/-/ready", "/readyz"):
            yield "GET", path, health.ready, Scope.HEALTH

    def _reading_routes(self, waits: Waits, *, loopback: bool) -> Iterator[Route]:
        sites, binds = SiteHandlers(self._operations), BindHandlers(self._operations)
        yield "GET", "/metrics", ScrapeHandler(self._exposition, loopback=loopback).metrics, Scope.METRICS
        yield "GET", "/api/v1/sites", sites.all_sites, Scope.READ
        yield "GET", "/api/v1/sites/{site}", sites.one_site, Scope.READ
        yield "GET", "/api/v1/sites/{site}/binds", binds.all_binds, Scope.READ
        yield "GET", "/api/v1/sites/{site}/binds/{id}", binds.one_bind, Scope.READ
        yield "GET", "/api/v1/sites/{site}/resolve", ResolveHandler(self._operations, waits).resolve, Scope.READ
        audit = AuditHandlers(self._operations, self._clock)
        yield "GET", "/api/v1/audit", audit.records, Scope.READ
        yield "GET", "/api/v1/audit/chain", audit.chain, Scope.READ
        yield "GET", "/api/v1/audit/export", audit.export, Scope.READ
        yield "GET", "/api/v1/logs", LogHandlers().newest, Scope.ADMIN
        yield "GET", "/openapi.json", OpenApiHandler().description, Scope.READ


def _pages() -> type[Pages]:
    from daemon.web.ui.pages import Pages  # noqa: PLC0415 - see `WebServer.prepare`

    return Pages


def _not_to_be_had(host: str, port: int, error: OSError) -> str:
    """In words: asyncio's own repeat the address as Python writes it, and the reason stands last in them."""
    reason = (error.strerror or str(error)).rpartition(": ")[2].lower()
    return (
        f"[daemon] listen = {host}:{port} cannot be listened on: {reason}. Stop what uses it, another sitebind "
        "perhaps, or name another address there."
    )
