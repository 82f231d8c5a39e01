"""`/`: every site in one table, for one site as for a thousand: searched, filtered by state, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from daemon.engine.operations import Operations, SiteView
from daemon.web.ui.rendering import Renderer
from states import State

PER_PAGE: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What of the sites is wanted. `state` is empty for all, or `trouble` for those that need somebody."""

    words: str = ""
    state: str = ""
    page: int = 1

    def admits(self, site: SiteView) -> bool:
        """Whether a site is wanted."""
        return self._in_state(site) and self._named(site)

    def address(self, *, page: int) -> str:
        """The address of another page of the same."""
        given = {"q": self.words, "state": self.state, "page": page if page > 1 else ""}
        query = urlencode({name: value for name, value in given.items() if value})
        return f"/?{query}" if query else "/"

    def _in_state(self, site: SiteView) -> bool:
        if self.state == "trouble":
            return bool(site.problems) or site.state is State.FAILED
        return not self.state or site.state.value == self.state

    def _named(self, site: SiteView) -> bool:
        names = f"{site.id} {site.display_name} {site.company} {site.region} {site.site_code}".casefold()
        return all(word in names for word in self.words.casefold().split())


class OverviewPage:
    """Shows the table."""

    def __init__(self, operations: Operations, renderer: Renderer) -> None:
        self._operations = operations
        self._renderer = renderer

    async def show(self, request: web.Request) -> web.Response:
        """All sites, or those that `?q=` and `?state=` want, from `?page=` on."""
        wanted = _filter(request)
        every = self._operations.sites()
        found = [site for site in every if wanted.admits(site)]
        pages = max(1, -(-len(found) // PER_PAGE))
        page = min(wanted.page, pages)
        shown = found[(page - 1) * PER_PAGE : page * PER_PAGE]
        return self._renderer.page(
            request,
            "overview.html",
            {
                "sites": shown,
                "found": len(found),
                "every": len(every),
                "counts": {state.value: sum(site.state is state for site in every) for state in State},
                "trouble": sum(bool(site.problems) or site.state is State.FAILED for site in every),
                "filter": wanted,
                "page": page,
                "pages": pages,
            },
        )


def _filter(request: web.Request) -> Filter:
    """From the query; what makes no sense is as if it were not there, since people edit addresses."""
    state, page = request.query.get("state", ""), request.query.get("page", "1")
    known = {"trouble", *(one.value for one in State)}
    return Filter(
        words=request.query.get("q", "")[:200].strip(),
        state=state if state in known else "",
        page=min(int(page), 10**6) if page.isascii() and page.isdigit() and len(page) < 9 and int(page) else 1,
    )
