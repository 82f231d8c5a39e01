"""Carries calls over HTTP: routing, counting, trouble in delivery, the service's clock, per host.

Built by `server.py`; the answers themselves come from `api_v1.py`, `api_v2.py` and `control.py`.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

from daemon.sandbox.call import Answer, Call, Refusal, failure, gateway_failure
from daemon.sandbox.disturbance import Disturbance, to_response
from daemon.sandbox.script import Endpoint, Script, Trouble

if TYPE_CHECKING:
    from aiohttp import web

    from daemon.sandbox.control import Control

CONTROL_PREFIX: Final = "/sandbox/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What answers on a path, and by which verb."""

    endpoint: Endpoint
    handle: Callable[[Call], Answer]
    method: str = "POST"


@dataclass(slots=True, kw_only=True)
class Traffic:
    """What every listener shares. `calls` counts per endpoint; the control's own calls are not counted."""

    script: Script
    now: Callable[[], datetime]
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    calls: Counter[str] = field(default_factory=Counter)


Find = Callable[[str, str], Route | None]
"""The route of a method and a path, for hosts whose paths hold ids."""


class Listener:
    """Handles every request to one host. `gateway`: errors and headers of API 2.0's gateway."""

    def __init__(
        self,
        traffic: Traffic,
        routes: Mapping[str, Route] | Find,
        *,
        gateway: bool = False,
        control: Control | None = None,
    ) -> None:
        self._traffic = traffic
        self._find: Find = routes if callable(routes) else (lambda _, path: routes.get(path))
        self._gateway = gateway
        self._control = control
        self._disturbance = Disturbance(traffic.script, stopping=traffic.stopping, gateway=gateway)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        if self._control is not None and request.path.startswith(CONTROL_PREFIX):
            body = await request.read()
            answer = self._control.answer(request.method, request.path, headers=request.headers, body=body)
            return to_response(answer, {"Cache-Control": "no-store"})
        now = self._traffic.now()
        route = self._find(request.method, request.path)
        if route is None or request.method != route.method:
            return to_response(self._misrouted(route), self._headers(request, now))
        return await self._serve(request, route, now=now)

    async def _serve(self, request: web.BaseRequest, route: Route, *, now: datetime) -> web.StreamResponse:
        traffic = self._traffic
        traffic.calls[route.endpoint.value] += 1
        body = await request.read()
        service_time = now
        if traffic.script.active:
            skew = traffic.script.strikes(Trouble.CLOCK_SKEW, route.endpoint)
            service_time = now + timedelta(seconds=skew.seconds) if skew is not None else now
        headers = self._headers(request, service_time)
        if traffic.script.active:
            disturbed = await self._disturbance.answer(request, route.endpoint, headers)
            if disturbed is not None:
                return disturbed
        call = Call(
            path=request.path,
            query=request.query,
            headers=request.headers,
            body=body,
            endpoint=route.endpoint,
            now=now,
            service_time=service_time,
            method=request.method,
            connection=request.transport,
        )
        return _deliver(call, route, headers=headers)

    def _headers(self, request: web.BaseRequest, service_time: datetime) -> dict[str, str]:
        headers = {"Date": format_datetime(service_time, usegmt=True)}
        if self._gateway:
            headers["x-request-id"] = request.headers.get("x-request-id") or str(uuid.uuid4())
        return headers

    def _misrouted(self, route: Route | None) -> Answer:
        status, code, message = (404, "err_not_found", "No such path")  # [gap] ours: codes and texts
        if route is not None:
            status, code, message = (405, "err_method_not_allowed", f"Use {route.method}")
        if self._gateway:
            return gateway_failure(status, code, message=message)
        return failure(status, code, message=message)


def _deliver(call: Call, route: Route, *, headers: dict[str, str]) -> web.Response:
    try:
        answer = route.handle(call)
    except Refusal as refusal:
        answer = refusal.answer
    if call.standing is not None:
        headers["X-RateLimit-Limit"] = str(call.standing.limit)
        headers["X-RateLimit-Remaining"] = str(call.standing.remaining)
        headers["X-RateLimit-Reset"] = str(call.standing.reset_ms)
    return to_response(answer, headers)
