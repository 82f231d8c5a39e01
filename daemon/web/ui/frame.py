"""What the pages of one site have in common: its name, its tabs, its state at the top."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from aiohttp import web

from daemon.engine.operations import Operations
from daemon.web.ui.rendering import Renderer


@dataclass(frozen=True, slots=True)
class Tab:
    """One page of a site."""

    name: str
    title: str


TABS: Final = (
    Tab("accounts", "Accounts"),
    Tab("connection", "Connection"),
    Tab("site", "Site"),
    Tab("bind", "Bind"),
    Tab("directory", "Directory"),
    Tab("audit", "Audit"),
)
"""The Windows utility's tabs and its dialog first, in its order."""


class SiteFrame:
    """Renders a page of the site that the address names."""

    def __init__(self, operations: Operations, renderer: Renderer) -> None:
        self.operations = operations
        self.renderer = renderer

    def show(
        self, request: web.Request, tab: str, context: Mapping[str, Any] | None = None, *, status: int = 200
    ) -> web.Response:
        """The template of the tab, with the site as it is now. Raises `UnknownSite`."""
        site = self.operations.site(request.match_info["site"])
        shared = {"site": site, "tabs": TABS}
        return self.renderer.page(request, f"{tab}.html", {**shared, **(context or {})}, status=status)

    def address(self, request: web.Request, tab: str, **query: str) -> str:
        """The address of a tab of the same site."""
        given = urlencode({name: value for name, value in query.items() if value})
        path = f"/sites/{quote(request.match_info['site'], safe='')}/{tab}"
        return f"{path}?{given}" if given else path
