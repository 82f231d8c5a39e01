"""Turns a template and what it shows into an answer, with the headers that hold a browser to it.

Called by every page. Templates escape whatever they are given; no page holds a script or a style of its own, so the
policy forbids both. Nothing of it is loaded before somebody looks at a page: many a daemon is never looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

import daemon
from daemon.ports import Clock, Scope
from daemon.web.auth import PRINCIPAL
from daemon.web.sessions import Sessions, cookie_of, set_cookie
from daemon.web.ui.assets import Assets
from daemon.web.ui.notes import Notes

if TYPE_CHECKING:
    import jinja2

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    # Pico draws the arrows and ticks of its inputs from data: addresses in its own style sheet.
    "img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With no-referrer a browser would send forms with "Origin: null", which nobody could tell from a forgery.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}

SHAPES: Final = {"unconfigured": "○", "configured": "◇", "binding": "◔", "bound": "✔", "failed": "✖"}
"""A state is told by a word and a shape beside its colour."""


class Renderer:
    """Renders for one listener."""

    def __init__(self, sessions: Sessions, clock: Clock) -> None:
        self.notes = Notes(clock)
        self._sessions = sessions
        self._clock = clock

    async def ready(self) -> None:
        """Compile the templates once a process, in a thread: the first page would hold up the loop."""
        if not _compiled.cache_info().currsize:
            await asyncio.to_thread(_compiled)

    def page(
        self, request: web.Request, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200
    ) -> web.Response:
        """The template as an answer. A visitor without a cookie gets one: it ties the page's forms to them."""
        value = cookie_of(request)
        cookie = value or self._sessions.visitor()
        text = _environment().get_template(template).render({**self._common(request, cookie), **(context or {})})
        response = web.Response(text=text, content_type="text/html", charset="utf-8", status=status, headers=HEADERS)
        if value is None:
            set_cookie(response, request, cookie)
        return response

    def actor(self, request: web.Request) -> str:
        """Who looks at the page."""
        principal = request.get(PRINCIPAL)
        return principal.actor if principal is not None else ""

    def _common(self, request: web.Request, cookie: str) -> dict[str, Any]:
        principal = request.get(PRINCIPAL)
        scopes = principal.scopes if principal is not None else frozenset()
        return {
            "actor": self.actor(request),
            "may_operate": Scope.OPERATE in scopes,
            "may_administer": Scope.ADMIN in scopes,
            "signed_in": principal is not None and principal.by_token,
            "form_token": self._sessions.form_token(cookie),
            "here": request.path,
            "address": request.path_qs,
            "now": self._clock.now(),
            "note": self.notes.take(request.query.get("note", "")),
        }


@cache
def _environment() -> jinja2.Environment:
    """The same for every listener: the templates do not change while the process runs."""
    import jinja2  # noqa: PLC0415 - 2 MiB, and a tenth of a start

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("daemon.web.ui"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(moment=moment, iso=iso, span=span, ago=ago, plural=plural)
    environment.globals.update(asset=assets().url, version=daemon.__version__, shapes=SHAPES)
    return environment


@cache
def _compiled() -> jinja2.Environment:
    environment = _environment()
    for name in environment.list_templates():
        environment.get_template(name)
    return environment


@cache
def assets() -> Assets:
    """The page's own files, read once."""
    return Assets()


def see_other(address: str) -> web.Response:
    """Go there by GET: sending a form again by mistake does nothing twice."""
    return web.Response(status=303, headers={"Location": address, "Cache-Control": "no-store"})


def iso(at: datetime) -> str:
    """A moment for programs."""
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def moment(at: datetime) -> str:
    """A moment for people: `2026-03-04 12:00:07 UTC`."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def span(length: timedelta) -> str:
    """A length of time in its two largest units: `3 d 4 h`, `12 s`, `0.4 s`. Never negative."""
    if timedelta() <= length < timedelta(seconds=10):
        return f"{length.total_seconds():.1f} s"
    left = max(0, round(length.total_seconds()))
    parts: list[str] = []
    for unit, seconds in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, seconds)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def ago(passed: timedelta) -> str:
    """How long ago; what has just passed, or what a clock that was set back makes one to come, is a moment ago."""
    return "a moment" if passed < timedelta(seconds=10) else span(passed)


def plural(count: int, one: str, many: str = "") -> str:
    """`1 site`, `2 sites`."""
    return f"{count} {one if count == 1 else many or one + 's'}"
