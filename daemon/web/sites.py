"""`GET /api/v1/sites` and `GET /api/v1/sites/{site}`."""

from __future__ import annotations

from aiohttp import web

from daemon.engine.operations import Operations
from daemon.web.answers import answer, site_json


class SiteHandlers:
    """Shows sites."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def all_sites(self, _request: web.Request) -> web.Response:
        """Every site, in order of id."""
        return answer({"sites": [site_json(view) for view in self._operations.sites()]})

    async def one_site(self, request: web.Request) -> web.Response:
        """One site."""
        return answer(site_json(self._operations.site(request.match_info["site"])))
