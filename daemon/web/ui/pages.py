"""All pages of one listener: their addresses, who may open them, and how a problem looks on them.

Built by `daemon.web.server`; loaded only with a listener, since templates take time to import.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

from aiohttp import web

from daemon.engine.access import Access
from daemon.engine.operations import Operations
from daemon.ports import Clock, Scope
from daemon.web.auth import Door
from daemon.web.errors import HttpProblem
from daemon.web.gate import Handler
from daemon.web.sessions import Sessions
from daemon.web.ui.forms import check_form
from daemon.web.ui.overview import OverviewPage
from daemon.web.ui.rendering import Renderer, see_other
from daemon.web.ui.signing_in import SIGN_IN, SigningIn

Route = tuple[str, str, Handler, Scope | None]

_PROGRAMS: Final = ("/api/", "/-/", "/metrics", "/rebind", "/openapi.json", "/livez", "/readyz", "/healthz")


class Pages:
    """Implements `daemon.web.gate.Page`."""

    def __init__(self, operations: Operations, *, access: Access, sessions: Sessions, clock: Clock, door: Door) -> None:
        self._sessions = sessions
        self._renderer = Renderer(operations, sessions=sessions, clock=clock)
        self._signing_in = SigningIn(self._renderer, door=door, sessions=sessions, access=access)
        self._overview = OverviewPage(operations, self._renderer)
        self._routes: tuple[Route, ...] = tuple(self._all())
        self._handlers = frozenset(handler for _, _, handler, _ in self._routes)

    @property
    def routes(self) -> tuple[Route, ...]:
        """Method, path, handler and scope of every page; a scope of None is for anyone."""
        return (*self._routes, ("GET", "/static/{digest}/{name}", self._renderer.assets.serve, Scope.HEALTH))

    def attach(self, application: web.Application) -> None:
        """Give the application what the pages need."""
        self._renderer.attach(application)

    def owns(self, request: web.Request) -> bool:
        """Whether a person looks at the answer: a page of ours, or an address that a browser made up."""
        if request.match_info.handler in self._handlers:
            return True
        unknown = request.match_info.route.resource is None
        return unknown and "text/html" in request.headers.get("Accept", "") and not request.path.startswith(_PROGRAMS)

    async def check_form(self, request: web.Request) -> None:
        """Refuse a form that none of our pages made for this browser."""
        await check_form(request, self._sessions)

    def problem(self, request: web.Request, problem: HttpProblem) -> web.Response:
        """A problem as a page; who only lacks a token is asked for it."""
        if request.path == SIGN_IN:
            return self._signing_in.refused(request, problem)
        if problem.code in ("token-required", "token-not-configured"):
            if request.method in ("GET", "HEAD"):
                return see_other(f"{SIGN_IN}?next={quote(request.path_qs, safe='')}")
            return self._signing_in.wanted(request, problem)
        response = self._renderer.page(request, "problem.html", {"problem": problem}, status=problem.status)
        response.headers.update(problem.headers)
        return response

    def _all(self) -> Iterator[Route]:
        yield "GET", "/", self._overview.show, Scope.READ
        yield "GET", SIGN_IN, self._signing_in.show, None
        yield "POST", SIGN_IN, self._signing_in.sign_in, None
        yield "POST", "/sign-out", self._signing_in.sign_out, None
