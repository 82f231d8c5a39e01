"""`/-/healthy` and `/-/ready` with their aliases: for service managers, containers and load balancers."""

from __future__ import annotations

from aiohttp import web

from daemon.engine.operations import Health, Operations
from daemon.web.answers import answer, health_json


class HealthHandlers:
    """200 when well, 503 when not; the body says what was looked at."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def healthy(self, _request: web.Request) -> web.Response:
        """The process and its loop only: a failed bind or an unreachable service is no reason to restart us."""
        return _answer(self._operations.healthy())

    async def ready(self, request: web.Request) -> web.Response:
        """Whether every site, or `?site=`, holds a usable binding."""
        return _answer(self._operations.ready(request.query.get("site")))


def _answer(health: Health) -> web.Response:
    return answer(health_json(health), status=200 if health.ok else 503)
