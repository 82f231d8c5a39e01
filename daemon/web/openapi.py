"""`GET /openapi.json`: the description of this API, kept by hand in `openapi.yaml` and served as JSON."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from typing import Any

from aiohttp import web

from daemon import __version__
from daemon.web.answers import encode


def document() -> dict[str, Any]:
    """The description. Parsing takes a while: not for the loop."""
    import yaml  # noqa: PLC0415 - most daemons are never asked, and it would delay every start

    found: dict[str, Any] = yaml.safe_load(files("daemon.web").joinpath("openapi.yaml").read_text("utf-8"))
    found["info"]["version"] = __version__
    return found


class OpenApiHandler:
    """Serves the description; it is read when it is first asked for, and once."""

    def __init__(self) -> None:
        self._reading = asyncio.Lock()
        self._text: bytes | None = None

    async def description(self, _request: web.Request) -> web.Response:
        """The whole document."""
        async with self._reading:
            if self._text is None:
                self._text = await asyncio.to_thread(lambda: encode(document()))
        return web.Response(body=self._text, headers={"Content-Type": "application/json"})
