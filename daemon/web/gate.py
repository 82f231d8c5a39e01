"""What every request passes: request id, Host, Origin, token, rate, handler, errors, audit of refusals, metrics, log.

One middleware and not six: each costs a coroutine a request, and this is the path of `POST /rebind`.
"""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from aiohttp import web

from daemon.engine.access import Access
from daemon.engine.operations import Caller, Operations
from daemon.ports import Clock, Observer
from daemon.web.auth import PRINCIPAL, REQUEST_ID, Door, Scope, caller, stranger
from daemon.web.crowd import Crowd
from daemon.web.errors import HttpProblem, problem_response, understood
from daemon.web.limits import RateLimit
from daemon.web.origin import HostCheck, check_origin

_log = logging.getLogger("sitebind.web")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

UNMATCHED = "unmatched"
"""The route of requests that none fits: the raw path is a stranger's text and no label."""

REFUSED = frozenset({401, 403, 421, 429})
"""Answers that stand in the audit trail: somebody was not let in."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_chance = random.Random()  # noqa: S311 - see `request_id_of`
_SANE_ID = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}")


def request_id_of(request: web.Request) -> str:
    """The caller's X-Request-ID when it is fit for a log line, else a new one."""
    given = request.headers.get("X-Request-ID")
    if given is not None and _SANE_ID.fullmatch(given):
        return given
    # It tells requests apart and protects nothing: no call to the kernel for each.
    return f"{_chance.getrandbits(64):016x}"


class Page(Protocol):
    """What people see in a browser, as far as the gate has to do with it."""

    def owns(self, request: web.Request) -> bool:
        """Whether a person looks at the answer: then a problem is a page, and no document for programs."""

    async def check_form(self, request: web.Request) -> None:
        """Refuse a form that none of our pages made for this browser. Raises `HttpProblem`."""

    def problem(self, request: web.Request, problem: HttpProblem) -> web.StreamResponse:
        """A problem as a page, with what to do next."""


class Gate:
    """The middleware. `scopes` says what each handler is for, None is for anyone; what is in no list is for readers."""

    def __init__(
        self,
        operations: Operations,
        observer: Observer,
        *,
        access: Access,
        clock: Clock,
        door: Door,
        hosts: HostCheck,
        limits: RateLimit,
        crowd: Crowd,
        page: Page | None = None,
    ) -> None:
        self._operations = operations
        self._observer = observer
        self._access = access
        self._clock = clock
        self._door = door
        self._hosts = hosts
        self._limits = limits
        self._crowd = crowd
        self._page = page
        self.scopes: Mapping[Handler, Scope | None] = {}

    @web.middleware
    async def pass_through(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer one request; whatever is raised inside becomes a problem document."""
        started = self._clock.monotonic()
        request_id = request[REQUEST_ID] = request_id_of(request)
        page = self._page if self._page is not None and self._page.owns(request) else None
        response: web.StreamResponse
        with self._crowd.place_of(request.transport):
            try:
                scope = self._admit(request, on_page=page is not None)
                if page is not None and request.method == "POST":
                    await page.check_form(request)
                if scope is Scope.ADMIN:
                    await self._access.administers(caller(request), what=_what(request))
                response = await handler(request)
            except Exception as error:  # noqa: BLE001 - this is the edge; nothing is swallowed, all is answered
                response = self._answer_to(error, request, page)
        if not response.prepared:
            dress(response, request_id)
        self._tell(request, response.status, self._clock.monotonic() - started)
        return response

    def _answer_to(self, error: Exception, request: web.Request, page: Page | None) -> web.StreamResponse:
        request_id = request[REQUEST_ID]
        problem = understood(error, request_id)
        if isinstance(error, HttpProblem) and error.status in REFUSED:
            self._note_refusal(request, error)
        return problem_response(problem, request_id) if page is None else page.problem(request, problem)

    def _admit(self, request: web.Request, *, on_page: bool) -> Scope | None:
        settings = self._operations.settings
        scope = self.scopes.get(request.match_info.handler, Scope.READ)
        try:
            host = self._hosts.check(request, settings.allowed_hosts)
            check_origin(request, host, opens_page=on_page)
            principal = self._door.admit(request, scope, on_page=on_page)
        except HttpProblem:
            # Whoever guesses is slowed down by where they call from: they are nobody yet.
            if scope is not Scope.HEALTH:
                self._limits.charge(stranger(request), settings)
            raise
        if scope is not Scope.HEALTH:
            self._limits.charge(principal, settings)
        return scope

    def _note_refusal(self, request: web.Request, problem: HttpProblem) -> None:
        principal = request.get(PRINCIPAL) or stranger(request)
        by = Caller(actor=principal.actor, request_id=request[REQUEST_ID])
        self._access.refused(by, key=principal.key, code=problem.code, status=problem.status, what=_what(request))

    def _tell(self, request: web.Request, status: int, seconds: float) -> None:
        route = _route(request)
        self._observer.http_request(method=request.method, route=route, status=status, seconds=seconds)
        # A refused call is worth a line, since it stands in no other place; the rest is for whoever debugs.
        level = logging.DEBUG if status < 400 or status == 503 else logging.INFO
        if _log.isEnabledFor(level):
            _log.log(
                level,
                "%s %s: %d after %.4f s (from %s)",
                request.method,
                route,
                status,
                seconds,
                request.remote,
                extra={"request_id": request[REQUEST_ID]},
            )


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return UNMATCHED if resource is None else resource.canonical


def _what(request: web.Request) -> str:
    """The call in words for the audit trail; a stranger's own words do not get there."""
    method = request.method if request.method in _METHODS else "other"
    return f"{method} {_route(request)}"


def dress(response: web.StreamResponse, request_id: str) -> None:
    """Headers of every answer."""
    headers = response.headers
    headers["X-Request-ID"] = request_id
    headers["Server"] = "sitebind"
