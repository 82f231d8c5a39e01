"""The HTTP listener: routes, limits, ordered start and bounded stop. Built by `daemon.app`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aiohttp import web

from daemon.engine.operations import Operations
from daemon.ports import Clock, Observer
from daemon.web.audit import AuditHandlers
from daemon.web.auth import Door, Scope, is_loopback
from daemon.web.binds import BindHandlers
from daemon.web.control import ControlHandlers
from daemon.web.gate import Gate, Handler
from daemon.web.health import HealthHandlers
from daemon.web.malformed import protocol_log
from daemon.web.openapi import OpenApiHandler
from daemon.web.origin import HostCheck
from daemon.web.scrape import Exposition, ScrapeHandler
from daemon.web.sites import SiteHandlers

LARGEST_BODY: Final = 64 * 1024
IDLE: Final = 75.0
"""Seconds that a connection may take for a request's headers, and stay open between two requests."""
STOP_WITHIN: Final = 2.0
"""Seconds that open requests have to finish; cancelled ones have as long again."""

Route = tuple[str, str, Handler, Scope]


class UnsafeListener(Exception):
    """The listener would be open to the network without a token. `str()` says what to do."""


class WebServer:
    """Serves the API on the address in the settings. The constructor only stores."""

    def __init__(self, operations: Operations, observer: Observer, *, exposition: Exposition, clock: Clock) -> None:
        self._operations = operations
        self._observer = observer
        self._exposition = exposition
        self._clock = clock
        self._runner: web.AppRunner | None = None

    @property
    def bound_address(self) -> tuple[str, int]:
        """Address and port that are listened on; the port is the real one when 0 was asked for."""
        if self._runner is None:
            raise RuntimeError("the listener is not open")
        host, port = self._runner.addresses[0][:2]
        return str(host), int(port)

    @property
    def url(self) -> str:
        """Where it is reached, without a slash at the end."""
        host, port = self.bound_address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def start(self) -> None:
        """Listen. Raises `UnsafeListener`, and OSError when the address cannot be had; nothing is open then."""
        if self._runner is not None:
            raise RuntimeError("the listener is open already")
        settings = self._operations.settings
        if not is_loopback(settings.host) and self._operations.api_token() is None:
            raise UnsafeListener(
                f"[daemon] listen = {settings.host}:{settings.port} is open to the network and needs "
                "[daemon] api_token. Set it, or listen on 127.0.0.1."
            )
        runner = self._made_runner(settings.host)
        await runner.setup()
        try:
            await web.TCPSite(runner, settings.host.strip("[]"), settings.port, backlog=1024).start()
        except BaseException as error:
            await runner.cleanup()
            if isinstance(error, OSError):
                raise OSError(_not_to_be_had(settings.host, settings.port, error)) from error
            raise
        self._runner = runner

    async def stop(self) -> None:
        """Close: waiting requests answer at once, others within `STOP_WITHIN` or are cut. Safe to repeat."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def _made_runner(self, host: str) -> web.AppRunner:
        return web.AppRunner(
            self._application(host),
            access_log=None,
            logger=protocol_log(),
            shutdown_timeout=STOP_WITHIN,
            keepalive_timeout=IDLE,
            lingering_time=2.0,
            max_headers=64,
            auto_decompress=False,
        )

    def _application(self, host: str) -> web.Application:
        loopback = is_loopback(host)
        door = Door(self._operations, loopback=loopback)
        control = ControlHandlers(self._operations, door)
        routes = (*self._control_routes(control), *self._reading_routes(loopback=loopback))
        gate = Gate(self._operations, self._observer, clock=self._clock, door=door, hosts=HostCheck(listener=host))
        gate.scopes = {handler: scope for _, _, handler, scope in routes}
        application = web.Application(middlewares=[gate.pass_through], client_max_size=LARGEST_BODY)
        for method, path, handler, _ in routes:
            application.router.add_route(method, path, handler)
            if method == "GET":
                application.router.add_route("HEAD", path, handler)

        async def stop_waiting(_application: web.Application) -> None:
            control.stop_waiting()

        application.on_shutdown.append(stop_waiting)
        return application

    def _control_routes(self, control: ControlHandlers) -> Iterator[Route]:
        yield "POST", "/-/reload", control.reload, Scope.OPERATE
        yield "POST", "/rebind", control.rebind_only_site, Scope.OPERATE
        yield "POST", "/api/v1/sites/{site}/rebind", control.rebind, Scope.OPERATE

    def _reading_routes(self, *, loopback: bool) -> Iterator[Route]:
        health = HealthHandlers(self._operations)
        sites, binds = SiteHandlers(self._operations), BindHandlers(self._operations)
        for path in ("/-/healthy", "/livez", "/healthz"):
            yield "GET", path, health.healthy, Scope.HEALTH
        for path in ("/-/ready", "/readyz"):
            yield "GET", path, health.ready, Scope.HEALTH
        yield "GET", "/metrics", ScrapeHandler(self._exposition, loopback=loopback).metrics, Scope.METRICS
        yield "GET", "/api/v1/sites", sites.all_sites, Scope.READ
        yield "GET", "/api/v1/sites/{site}", sites.one_site, Scope.READ
        yield "GET", "/api/v1/sites/{site}/binds", binds.all_binds, Scope.READ
        yield "GET", "/api/v1/sites/{site}/binds/{id}", binds.one_bind, Scope.READ
        yield "GET", "/api/v1/audit", AuditHandlers(self._operations).records, Scope.READ
        yield "GET", "/openapi.json", OpenApiHandler().description, Scope.READ


def _not_to_be_had(host: str, port: int, error: OSError) -> str:
    """In words: asyncio's own repeat the address as Python writes it, and the reason stands last in them."""
    reason = (error.strerror or str(error)).rpartition(": ")[2]
    return (
        f"[daemon] listen = {host}:{port} cannot be listened on: {reason}. Stop what uses it, another sitebind "
        "perhaps, or name another address there."
    )
