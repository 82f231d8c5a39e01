"""The second listener, for /metrics and health alone, with the exporters' `web-config.yml`.

Built by `daemon.web.server`.

Without users in that file its rules are those of the first listener. With users, a scrape needs a user's password,
or a token with the scope metrics; a client certificate that is required counts as well.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from aiohttp import web

from daemon.ports import Scope
from daemon.web.auth import PRINCIPAL, Door
from daemon.web.errors import HttpProblem
from daemon.web.passwords import Passwords
from daemon.web.scrape import ScrapeHandler
from daemon.web.web_config import WebConfig, WebConfigFile

_METRICS: Final = frozenset({Scope.METRICS})


class MetricsDoor(Door):
    """Lets a caller through to `MetricsGuard` where the file names users, and in where it wants a certificate."""

    file: WebConfigFile | None = None

    def open_to_anyone(self, request: web.Request) -> frozenset[Scope]:
        config = current(self.file)
        if config.users or config.wants_certificate:
            return _METRICS
        return super().open_to_anyone(request) & _METRICS


class MetricsGuard:
    """Asks for a user's password before the metrics."""

    def __init__(self, scrape: ScrapeHandler, file: WebConfigFile | None) -> None:
        self._scrape = scrape
        self._file = file
        self._passwords = Passwords()

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """The metrics. Raises `HttpProblem` 401 for a password that is missing or wrong."""
        users = current(self._file).users
        if users and not request[PRINCIPAL].by_token:
            user, password = _basic(request.headers.get("Authorization"))
            if not await self._passwords.fits(user, password, users):
                raise _password_wanted()
        return await self._scrape.metrics(request)


def current(file: WebConfigFile | None) -> WebConfig:
    """What the file says now; nothing where there is none."""
    return WebConfig() if file is None else file.current()


def _basic(header: str | None) -> tuple[str, str]:
    """Name and password of an Authorization header. Raises `HttpProblem` 401 where there is none."""
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic":
        raise _password_wanted()
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        raise _password_wanted() from None
    user, _, password = text.partition(":")
    return user, password


def _password_wanted() -> HttpProblem:
    return HttpProblem(
        401,
        "password-required",
        "The metrics need a user and password of basic_auth_users in [daemon] metrics_web_config, or a token with the "
        "scope metrics.",
        headers={"WWW-Authenticate": 'Basic realm="sitebind metrics"'},
    )
