"""Who may call what.

Health: anyone. Reading, metrics and operating: anyone on a loopback listener unless `require_token = yes`; else
with the token. Administering: with the token, always. A token that is sent must be right, whatever was asked
for: a typo in it must not go unnoticed. Called by `daemon.web.gate` and, for one-time credentials, by
`daemon.web.control`.
"""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from aiohttp import web

from daemon.engine.operations import Caller, Operations
from daemon.web.errors import HttpProblem


class Scope(Enum):
    """What a route is for."""

    HEALTH = "health"
    READ = "read"
    METRICS = "metrics"
    OPERATE = "operate"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: the actor of the audit trail, and whether the token was shown."""

    actor: str
    with_token: bool


PRINCIPAL: Final = web.RequestKey("principal", Principal)
REQUEST_ID: Final = web.RequestKey("request_id", str)


def caller(request: web.Request) -> Caller:
    """Who asks, as the engine wants to know it."""
    return Caller(actor=request[PRINCIPAL].actor, request_id=request[REQUEST_ID])


def is_loopback(host: str) -> bool:
    """Whether an address, or the name `localhost`, is reachable from this host only."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return host.lower().removesuffix(".") == "localhost"


class Door:
    """Decides for one listener."""

    def __init__(self, operations: Operations, *, loopback: bool) -> None:
        self._operations = operations
        self._loopback = loopback

    def admit(self, request: web.Request, scope: Scope) -> Principal:
        """Who calls. Raises `HttpProblem` 401 when the token is missing or wrong."""
        ip = request.remote or "unknown"
        if scope is Scope.HEALTH:
            return Principal(f"http:{ip}", with_token=False)
        presented = _bearer(request.headers.get("Authorization"))
        if presented is not None:
            self._compare(presented)
            return Principal(f"token:api_token@{ip}", with_token=True)
        if scope is Scope.ADMIN or self._operations.settings.require_token or not self._loopback:
            raise self._token_wanted()
        return Principal(f"http:{ip}", with_token=False)

    def admit_one_time_credentials(self, request: web.Request) -> None:
        """One-time credentials need the token, and travel only inside this host or inside TLS."""
        if not request[PRINCIPAL].with_token:
            raise self._token_wanted()
        if not (request.secure or _within_this_host(request)):
            raise HttpProblem(
                403,
                "insecure-transport",
                "One-time credentials are taken over loopback or TLS only; these came over the open network. "
                "Treat the password as seen by others.",
                remedy="Ask on the server itself, or through an SSH tunnel to the loopback listener.",
            )

    def _compare(self, presented: bytes) -> None:
        token = self._operations.api_token()
        expected = token.reveal().encode() if token is not None else b""
        # Compared even when there is none, so that the time does not tell whether one is configured.
        same = hmac.compare_digest(presented, expected)
        if not (same and expected):
            raise HttpProblem(
                401,
                "token-wrong",
                "The token that was sent is not the one in [daemon] api_token.",
                headers={"WWW-Authenticate": 'Bearer realm="sitebind", error="invalid_token"'},
            )

    def _token_wanted(self) -> HttpProblem:
        if self._operations.api_token() is None:
            return HttpProblem(
                403,
                "token-not-configured",
                "This needs a token, and none is configured.",
                remedy="Set [daemon] api_token, reload, and send it as: Authorization: Bearer TOKEN",
            )
        return HttpProblem(
            401,
            "token-required",
            "This needs the token of [daemon] api_token. Send it as: Authorization: Bearer TOKEN",
            headers={"WWW-Authenticate": 'Bearer realm="sitebind"'},
        )


def _bearer(header: str | None) -> bytes | None:
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    return token.strip().encode("utf-8", "surrogateescape") if scheme.lower() == "bearer" else None


def _within_this_host(request: web.Request) -> bool:
    transport = request.transport
    if transport is None:
        return False
    ends: tuple[Any, Any] = (transport.get_extra_info("peername"), transport.get_extra_info("sockname"))
    return all(isinstance(end, tuple) and is_loopback(end[0]) for end in ends)
