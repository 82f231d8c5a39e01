"""`GET /api/v1/audit?site=&after=&limit=`: the audit trail, in pages."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from daemon.engine.operations import Operations
from daemon.web.answers import answer, audit_json
from daemon.web.requests import page_size, whole

DEFAULT_PAGE: Final = 100
LARGEST_PAGE: Final = 1000


class AuditHandlers:
    """Shows the audit trail."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def records(self, request: web.Request) -> web.Response:
        """Records with `seq > after`; `next` is the `after` that continues, also once there are more of them."""
        after = whole(request, "after", default=0)
        limit = page_size(request, default=DEFAULT_PAGE, most=LARGEST_PAGE)
        records = await self._operations.audit(site=request.query.get("site"), after=after, limit=limit)
        following = records[-1].seq if records else after
        return answer({"records": [audit_json(record) for record in records], "next": following})
