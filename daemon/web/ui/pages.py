"""All pages of one listener: their addresses, who may open them, and how a problem looks on them.

Built by `daemon.web.server`; loaded only with a listener, since templates take time to import.
"""

from __future__ import annotations

import asyncio
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
from daemon.web.ui.audit_page import AuditPage
from daemon.web.ui.bind_page import BindPage
from daemon.web.ui.doctor_runs import DoctorRuns
from daemon.web.ui.forms import check_form
from daemon.web.ui.frame import SiteFrame
from daemon.web.ui.overview import OverviewPage
from daemon.web.ui.rendering import Renderer, assets, see_other
from daemon.web.ui.settings_page import SettingsPage
from daemon.web.ui.signing_in import SIGN_IN, SigningIn
from daemon.web.ui.site_pages import SitePages
from daemon.web.waits import Waits

Route = tuple[str, str, Handler, Scope | None]

_PROGRAMS: Final = ("/api/", "/-/", "/metrics", "/rebind", "/openapi.json", "/livez", "/readyz", "/healthz")


class Pages:
    """Implements `daemon.web.gate.Page`."""

    def __init__(
        self,
        operations: Operations,
        *,
        access: Access,
        sessions: Sessions,
        clock: Clock,
        door: Door,
        waits: Waits,
    ) -> None:
        self._sessions = sessions
        self._renderer = Renderer(sessions, clock)
        self._signing_in = SigningIn(self._renderer, door=door, sessions=sessions, access=access)
        self._overview = OverviewPage(operations, self._renderer)
        self._runs = DoctorRuns(operations, clock)
        frame = SiteFrame(operations, self._renderer)
        self._settings = SettingsPage(frame, access, door)
        self._site = SitePages(frame, self._settings, self._runs, waits)
        self._bind = BindPage(frame, self._settings, door=door)
        self._audit = AuditPage(frame, clock)
        self._routes: tuple[Route, ...] = tuple(
            (method, path, self._with_templates(handler), scope) for method, path, handler, scope in self._all()
        )
        self._handlers = frozenset(handler for _, _, handler, _ in self._routes)

    @property
    def routes(self) -> tuple[Route, ...]:
        """Method, path, handler and scope of every page; a scope of None is for anyone."""
        return (*self._routes, ("GET", "/static/{digest}/{name}", self._static, Scope.HEALTH))

    async def _static(self, request: web.Request) -> web.StreamResponse:
        return await (await asyncio.to_thread(assets)).serve(request)

    def attach(self, application: web.Application) -> None:
        """Give the application what the pages need."""

        async def close(_application: web.Application) -> None:
            await self._runs.close()

        application.on_cleanup.append(close)

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
            # A page that follows by itself asks for a part of it, and would put a whole form for signing in there.
            by_itself = "HX-Request" in request.headers
            if request.method in ("GET", "HEAD") and not by_itself:
                return see_other(f"{SIGN_IN}?next={quote(request.path_qs, safe='')}")
            return self._signing_in.wanted(request, problem)
        response = self._renderer.page(request, "problem.html", {"problem": problem}, status=problem.status)
        response.headers.update(problem.headers)
        return response

    def _with_templates(self, handler: Handler) -> Handler:
        async def with_templates(request: web.Request) -> web.StreamResponse:
            await self._renderer.ready()
            return await handler(request)

        return with_templates

    def _all(self) -> Iterator[Route]:
        yield "GET", "/", self._overview.show, Scope.READ
        yield "GET", SIGN_IN, self._signing_in.show, None
        yield "POST", SIGN_IN, self._signing_in.sign_in, None
        yield "POST", "/sign-out", self._signing_in.sign_out, None
        yield from self._of_site()

    def _of_site(self) -> Iterator[Route]:
        site, bind, settings = self._site, self._bind, self._settings
        yield "GET", "/sites/{site}", site.to_bind, Scope.READ
        yield "GET", "/sites/{site}/accounts", settings.showing("accounts"), Scope.READ
        yield "POST", "/sites/{site}/accounts", settings.applying("accounts"), Scope.ADMIN
        yield "GET", "/sites/{site}/connection", site.connection, Scope.READ
        yield "POST", "/sites/{site}/connection", settings.applying("connection"), Scope.ADMIN
        yield "POST", "/sites/{site}/doctor", site.doctor, Scope.OPERATE
        yield "GET", "/sites/{site}/site", settings.showing("site"), Scope.READ
        yield "POST", "/sites/{site}/site", settings.applying("site"), Scope.ADMIN
        yield "GET", "/sites/{site}/bind", bind.show, Scope.READ
        yield "POST", "/sites/{site}/bind", bind.bind, Scope.OPERATE
        # Who had to sign in first comes back to where a form was sent to.
        yield "GET", "/sites/{site}/bind/settings", site.to_bind, Scope.READ
        yield "POST", "/sites/{site}/bind/settings", settings.applying("bind"), Scope.ADMIN
        yield "GET", "/sites/{site}/doctor", site.to_connection, Scope.READ
        yield "GET", "/sites/{site}/unbind", bind.confirm_unbind, Scope.READ
        yield "POST", "/sites/{site}/unbind", bind.unbind, Scope.ADMIN
        yield "GET", "/sites/{site}/audit", self._audit.show, Scope.READ
        yield "GET", "/sites/{site}/directory", site.directory, Scope.READ
        yield "POST", "/sites/{site}/directory", settings.applying("directory"), Scope.ADMIN
