"""`/sign-in` and `/sign-out`: a token is exchanged for a session."""

from __future__ import annotations

import logging
from typing import Final

from aiohttp import web

from daemon.engine.access import Access
from daemon.engine.tokens import digest_of
from daemon.ports import JournalUnavailable
from daemon.web.auth import REQUEST_ID, Door, Principal, Scope
from daemon.web.errors import HttpProblem
from daemon.web.peer import within_this_host
from daemon.web.sessions import Sessions, cookie_of, set_cookie
from daemon.web.ui.forms import fields_of
from daemon.web.ui.rendering import Renderer, see_other

_log = logging.getLogger("sitebind.web")

SIGN_IN: Final = "/sign-in"


class SigningIn:
    """The two ways through the door."""

    def __init__(self, renderer: Renderer, *, door: Door, sessions: Sessions, access: Access) -> None:
        self._renderer = renderer
        self._door = door
        self._sessions = sessions
        self._access = access

    async def show(self, request: web.Request) -> web.Response:
        """The form."""
        return self._form(request, next_=_own_path(request.query.get("next", "")))

    async def sign_in(self, request: web.Request) -> web.Response:
        """Exchange the token. Raises `HttpProblem`: 401 for an unknown or expired one, 403 without the scope read."""
        fields = fields_of(request)
        token = fields.get("token", "").strip()
        if not token:
            raise HttpProblem(422, "token-missing", "Type or paste a token.")
        principal = self._door.with_token(token, request)
        if Scope.READ not in principal.scopes:
            raise _opens_no_page(principal)
        await self._access.signed(principal.actor, request[REQUEST_ID], event="signed_in")
        old = cookie_of(request)
        if old is not None:
            self._sessions.end(old)
        response = see_other(_own_path(fields.get("next", "")) or "/")
        # A new cookie for each session: one that was planted before is worth nothing after.
        set_cookie(response, request, self._sessions.begin(digest_of(token)))
        return response

    async def sign_out(self, request: web.Request) -> web.Response:
        """End the session."""
        value = cookie_of(request)
        if value is not None and self._sessions.digest_of(value, active=False) is not None:
            # Ended first: who leaves must be out, whether or not that can be written down.
            self._sessions.end(value)
            await self._note_leaving(request)
        response = see_other("/")
        set_cookie(response, request, self._sessions.visitor())
        return response

    async def _note_leaving(self, request: web.Request) -> None:
        actor, request_id = self._renderer.actor(request), request[REQUEST_ID]
        try:
            await self._access.signed(actor, request_id, event="signed_out")
        except JournalUnavailable as error:
            _log.warning(
                "%s signed out, which could not be recorded: %s", actor, error, extra={"request_id": request_id}
            )

    def refused(self, request: web.Request, problem: HttpProblem) -> web.Response:
        """The form again, with what was wrong."""
        return self._form(request, next_=_own_path(_sent(request).get("next", "")), problem=problem)

    def wanted(self, request: web.Request, problem: HttpProblem) -> web.Response:
        """The form in place of an answer to a form that needs a token; what was sent is told to be undone."""
        return self._form(request, next_=_page_of(request), problem=problem, interrupted=True)

    def _form(
        self, request: web.Request, *, next_: str, problem: HttpProblem | None = None, interrupted: bool = False
    ) -> web.Response:
        in_clear = not (request.secure or within_this_host(request))
        context = {"next": next_, "problem": problem, "interrupted": interrupted, "in_clear": in_clear}
        return self._renderer.page(request, "sign_in.html", context, status=problem.status if problem else 200)


def _opens_no_page(principal: Principal) -> HttpProblem:
    held = ", ".join(sorted(scope.value for scope in principal.scopes)) or "nothing"
    return HttpProblem(
        403,
        "scope-missing",
        f"This token has the scope {held} alone, with which no page can be opened.",
        remedy="Make one on the server: sitebind token create NAME --scope admin (or read, or operate).",
    )


def _sent(request: web.Request) -> dict[str, str]:
    try:
        return fields_of(request)
    except KeyError:  # refused before it was read
        return {}


def _page_of(request: web.Request) -> str:
    """The page whose form was sent: a form's address is its page's, or lies below it."""
    return _own_path(request.path)


def _own_path(given: str) -> str:
    """A path on this server, or nothing: a link must not lead a signed-in person elsewhere."""
    good = given.startswith("/") and not given.startswith(("//", "/\\")) and given.isprintable() and "\\" not in given
    return given if good and not given.startswith(SIGN_IN) else ""
