"""`GET /api/v1/sites/{site}/binds` and `…/binds/{id}`: the bind reports."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from daemon.engine.operations import Operations
from daemon.web.answers import answer, bind_json
from daemon.web.requests import page_size

DEFAULT_PAGE: Final = 50
LARGEST_PAGE: Final = 200


class BindHandlers:
    """Shows bind reports."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def all_binds(self, request: web.Request) -> web.Response:
        """A site's reports, newest first; `?limit=`."""
        limit = page_size(request, default=DEFAULT_PAGE, most=LARGEST_PAGE)
        reports = await self._operations.binds(request.match_info["site"], limit=limit)
        return answer({"binds": [bind_json(report) for report in reports]})

    async def one_bind(self, request: web.Request) -> web.Response:
        """One report; while it is open, its steps so far."""
        site, bind_id = request.match_info["site"], request.match_info["id"]
        return answer(bind_json(await self._operations.bind(site, bind_id)))
