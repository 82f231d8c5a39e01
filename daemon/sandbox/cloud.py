"""Carries calls over HTTP: routing, counting, trouble in delivery, the service's clock, per host.

Built by `server.py`; the answers themselves come from `api_v1.py`, `api_v2.py` and `control.py`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

from daemon.sandbox.call import Answer, Call, Refusal
from daemon.sandbox.disturbance import Disturbance, to_response
from daemon.sandbox.manner import Manner
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
    plays: frozenset[Trouble] = frozenset()
    """Troubles of delivery that the handler plays itself, for the calls which this one carries."""


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
    """Handles every request to one host; `manner` is how that host speaks of failures."""

    def __init__(
        self,
        traffic: Traffic,
        routes: Mapping[str, Route] | Find,
        *,
        manner: Manner | None = None,
        control: Control | None = None,
    ) -> None:
        self._traffic = traffic
        self._find: Find = routes if callable(routes) else (lambda _, path: routes.get(path))
        self._manner = manner or Manner()
        self._control = control
        self._disturbance = Disturbance(traffic.script, stopping=traffic.stopping, manner=self._manner)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        if self._control is not None and request.path.startswith(CONTROL_PREFIX):
            body = await request.read()
            answer = self._control.answer(request.method, request.path, headers=request.headers, body=body)
            return to_response(answer, {"Cache-Control": "no-store"})
        now = self._traffic.now()
        route = self._find(request.method, request.path)
        if route is None or request.method != route.method:
            headers = self._headers(request, now)
            allowed = None if route is None else route.method
            return to_response(self._manner.misrouted(allowed=allowed, marks=headers), headers)
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
            disturbed = await self._disturbance.answer(request, route.endpoint, headers=headers, apart=route.plays)
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
            marks=headers,
            raw_query=request.rel_url.raw_query_string,
        )
        return _deliver(call, route, headers=headers)

    def _headers(self, request: web.BaseRequest, service_time: datetime) -> dict[str, str]:
        return {"Date": format_datetime(service_time, usegmt=True), **self._manner.marks(request.headers)}


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
