"""Signed-in browsers: a cookie stands for a token, and is worth no more and lives no longer than it.

A session holds the token's digest and nothing else: what it may do is looked up at each request, so that a token
which is revoked, or has expired, ends the sessions it began. They live in memory: a restart signs everybody out.
Used by `daemon.web.auth` and the page.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from daemon.ports import Clock

IDLE_SECONDS: Final = 3600.0
"""A session ends when no page was opened and no form sent for so long; what a page fetches by itself does not count."""
LONGEST_SECONDS: Final = 8 * 3600.0
"""And after so long in any case: a working day."""

_MOST: Final = 1000
_BYTES: Final = 32
_TEXT: Final = 43
"""Characters of so many bytes in URL-safe base64."""


@dataclass(slots=True)
class _Session:
    digest: str
    began: float
    used: float


class Sessions:
    """The sessions of one listener, and the tokens that its forms carry against forgery."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[str, _Session] = {}
        self._key = secrets.token_bytes(_BYTES)

    def begin(self, digest: str) -> str:
        """A new session for the token with this digest; the value of its cookie, known to nobody before."""
        value, now = secrets.token_urlsafe(_BYTES), self._clock.monotonic()
        for old in [name for name, session in self._open.items() if self._is_over(session)]:
            del self._open[old]
        while len(self._open) >= _MOST:
            del self._open[min(self._open, key=lambda name: self._open[name].used)]
        self._open[self._name(value)] = _Session(digest, began=now, used=now)
        return value

    def digest_of(self, value: str, *, active: bool) -> str | None:
        """The digest of the token behind a cookie; None when it stands for nobody. `active`: a person did this."""
        session = self._open.get(self._name(value))
        if session is None:
            return None
        if self._is_over(session):
            self.end(value)
            return None
        if active:
            session.used = self._clock.monotonic()
        return session.digest

    def end(self, value: str) -> None:
        """Sign out. Safe to repeat."""
        self._open.pop(self._name(value), None)

    def visitor(self) -> str:
        """A cookie for somebody who has not signed in: it only ties their forms to them."""
        return secrets.token_urlsafe(_BYTES)

    def form_token(self, value: str) -> str:
        """What a form must carry that is sent with this cookie."""
        return hmac.digest(self._key, f"form {value}".encode(), "sha256").hex()

    def is_form_token(self, value: str, given: str) -> bool:
        """Whether the form came from a page that we made for this cookie."""
        return hmac.compare_digest(self.form_token(value).encode(), given.encode("utf-8", "replace"))

    def _name(self, value: str) -> str:
        """Kept under a keyed digest, so that no look at memory shows a cookie that could be sent."""
        return hmac.digest(self._key, value.encode("utf-8", "replace"), "sha256").hex()

    def _is_over(self, session: _Session) -> bool:
        now = self._clock.monotonic()
        return now - session.used > IDLE_SECONDS or now - session.began > LONGEST_SECONDS


def cookie_name(request: web.Request) -> str:
    """The cookie's name: browsers keep cookies by host and not by port, and two daemons may share a host."""
    transport = request.transport
    own = transport.get_extra_info("sockname") if transport is not None else None
    port = own[1] if isinstance(own, tuple) else 0
    return f"__Host-sitebind-{port}" if request.secure else f"sitebind-{port}"


def cookie_of(request: web.Request) -> str | None:
    """The cookie's value, when it can be one of ours."""
    value = request.cookies.get(cookie_name(request))
    return value if value is not None and len(value) == _TEXT and value.isascii() else None


def set_cookie(response: web.StreamResponse, request: web.Request, value: str) -> None:
    """HttpOnly, for this origin alone, and gone with the browser."""
    response.set_cookie(
        cookie_name(request), value, path="/", httponly=True, samesite="Strict", secure=request.secure, max_age=None
    )
