"""`GET /api/v1/logs`: the newest log lines, for whoever administers."""

from __future__ import annotations

from aiohttp import web

from daemon.engine.log_tail import MOST_LINES, TAIL
from daemon.web.answers import answer
from daemon.web.requests import page_size


class LogHandlers:
    """Shows the end of the log."""

    async def newest(self, request: web.Request) -> web.Response:
        """The newest lines as they were written, oldest of them first; `?limit=`."""
        limit = page_size(request, default=MOST_LINES, most=MOST_LINES)
        return answer({"lines": TAIL.newest(limit)})
