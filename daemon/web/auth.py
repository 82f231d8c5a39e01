"""Who may call what.

Health: anyone. Reading, metrics and operating: anyone on a loopback listener and over the Unix socket, unless
`require_token = yes`; else who shows a token with that scope. Administering: a token with the scope admin, or over
the socket root, the daemon's own user and the members of `socket_admin_group`. A token that is sent must be right,
and counts alone, whatever was asked for: a typo in it must not go unnoticed. A browser shows the cookie of a session
instead, which stands for its token; it counts where nothing is changed, and on the page, whose forms carry a token
of their own against forgery. Called by `daemon.web.gate` and, for
one-time credentials, by `daemon.web.control`.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from daemon.engine.access import Access
from daemon.engine.operations import Caller, Operations
from daemon.engine.tokens import digest_of
from daemon.ports import Clock, Scope
from daemon.web.errors import HttpProblem
from daemon.web.peer import Admins, is_loopback, origin_key, peer_of, within_this_host
from daemon.web.sessions import Sessions, cookie_of

__all__ = ["PRINCIPAL", "REQUEST_ID", "Door", "Principal", "Scope", "caller", "is_loopback", "stranger"]

_REMEMBERED: Final = 256
_EVERYTHING: Final = frozenset(Scope)
_NOTHING: Final[frozenset[Scope]] = frozenset()
ON_THIS_MACHINE: Final = frozenset({Scope.READ, Scope.METRICS, Scope.OPERATE})
_SAFE: Final = frozenset({"GET", "HEAD"})
_HOW: Final = "Send it as: Authorization: Bearer TOKEN"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: the actor of the audit trail, what they may do, and who they count as for limits.

    `local` is a caller on this machine.
    """

    actor: str
    scopes: frozenset[Scope]
    key: str
    local: bool = False

    @property
    def by_token(self) -> bool:
        """Whether a token says who they are, also one that a session stands for."""
        return self.key.startswith("token:")


PRINCIPAL: Final = web.RequestKey("principal", Principal)
REQUEST_ID: Final = web.RequestKey("request_id", str)


def caller(request: web.Request) -> Caller:
    """Who asks, as the engine wants to know it."""
    return Caller(actor=request[PRINCIPAL].actor, request_id=request[REQUEST_ID])


def stranger(request: web.Request) -> Principal:
    """Who is behind a connection before anything is believed."""
    peer = peer_of(request.transport)
    if peer is not None:
        return Principal(f"unix:uid={peer.uid}", _NOTHING, f"uid:{peer.uid}", local=True)
    ip = request.remote or "unknown"
    return Principal(f"http:{ip}", _NOTHING, origin_key(ip), local=is_loopback(ip))


def _implied(scopes: frozenset[Scope]) -> frozenset[Scope]:
    if Scope.ADMIN in scopes:
        return _EVERYTHING
    return scopes | {Scope.READ} if Scope.OPERATE in scopes else scopes


class Door:
    """Decides for one listener and, with it, for the Unix socket."""

    def __init__(
        self,
        operations: Operations,
        access: Access,
        *,
        clock: Clock,
        loopback: bool,
        admins: Admins | None = None,
        sessions: Sessions | None = None,
    ) -> None:
        self._operations = operations
        self._access = access
        self._clock = clock
        self._loopback = loopback
        self._admins = admins or Admins()
        self._sessions = sessions
        self._anonymous: dict[tuple[str, frozenset[Scope]], Principal] = {}

    def admit(self, request: web.Request, scope: Scope | None, *, on_page: bool = False) -> Principal:
        """Who calls. Raises `HttpProblem`: 401 for a token that is missing or wrong, 403 for one that may not.

        None is for anyone. Whoever is refused for want of a scope is known all the same: `request[PRINCIPAL]`.
        """
        # Health is for anyone: a wrong token must not make a probe fail.
        principal = self._without_token(request) if scope is Scope.HEALTH else self._known(request, on_page=on_page)
        request[PRINCIPAL] = principal
        if scope is None or scope is Scope.HEALTH or scope in principal.scopes:
            return principal
        raise _scope_missing(principal, scope) if principal.by_token else self._token_wanted(scope)

    def _known(self, request: web.Request, *, on_page: bool) -> Principal:
        presented = _bearer(request.headers.get("Authorization"))
        if presented is not None:
            return self.with_token(presented, request)
        return self._signed_in(request, on_page=on_page) or self._without_token(request)

    def _signed_in(self, request: web.Request, *, on_page: bool) -> Principal | None:
        """Who a session's cookie stands for; a session whose token is gone stands for nobody."""
        if self._sessions is None or not (on_page or request.method in _SAFE):
            return None
        value = cookie_of(request)
        if value is None:
            return None
        by_itself = "HX-Request" in request.headers or not on_page
        digest = self._sessions.digest_of(value, active=not by_itself)
        if digest is None:
            return None
        try:
            return self._with_digest(digest, request)
        except HttpProblem:
            self._sessions.end(value)
            return None

    def admit_one_time_credentials(self, request: web.Request) -> None:
        """Secrets, one-time or to be kept, need the scope admin and travel over the socket, loopback or TLS only."""
        principal = request[PRINCIPAL]
        if Scope.ADMIN not in principal.scopes:
            raise self._token_wanted(Scope.ADMIN) if principal.local else _scope_missing(principal, Scope.ADMIN)
        if not (request.secure or within_this_host(request)):
            raise HttpProblem(
                403,
                "insecure-transport",
                "Passwords and other secrets are taken over the Unix socket, loopback or TLS only; these came over the "
                "open network. Treat them as seen by others.",
                remedy="Ask on the server itself, through an SSH tunnel to it, or set [daemon] tls_certificate.",
            )

    def open_to_anyone(self, request: web.Request) -> frozenset[Scope]:
        """What a caller over TCP may do without a token."""
        if self._loopback and not self._operations.settings.require_token:
            return ON_THIS_MACHINE
        return _NOTHING

    def _without_token(self, request: web.Request) -> Principal:
        peer = peer_of(request.transport)
        if peer is not None:
            actor, key = f"unix:uid={peer.uid}", f"uid:{peer.uid}"
            if self._admins.include(peer):
                return Principal(actor, _EVERYTHING, key, local=True)
            free = _NOTHING if self._operations.settings.require_token else ON_THIS_MACHINE
            return Principal(actor, free, key, local=True)
        ip, scopes = request.remote or "unknown", self.open_to_anyone(request)
        found = self._anonymous.get((ip, scopes))
        if found is None:
            found = Principal(f"http:{ip}", scopes, origin_key(ip), local=is_loopback(ip))
            if len(self._anonymous) < _REMEMBERED:
                self._anonymous[ip, scopes] = found
        return found

    def with_token(self, presented: str, request: web.Request) -> Principal:
        """Whom a token stands for. Raises `HttpProblem`: 401 for one that is unknown or has expired."""
        return self._with_digest(digest_of(presented), request)

    def _with_digest(self, digest: str, request: web.Request) -> Principal:
        at = stranger(request)
        where = at.actor.partition(":")[2]
        configured = self._operations.api_token()
        expected = digest_of(configured.reveal()) if configured is not None else ""
        # Compared even when there is none, so that the time does not tell whether one is configured.
        if hmac.compare_digest(digest, expected) and configured is not None:
            return Principal(f"token:api_token@{where}", _EVERYTHING, "token:api_token", local=at.local)
        token = self._access.tokens.find(digest)
        if token is None:
            raise _wrong("token-wrong", "The token that was sent is none that this daemon knows.")
        if not token.is_valid(self._clock.now()):
            raise _wrong("token-expired", f"The token {token.name} ({token.id}) has expired. Make a new one.")
        self._access.used(token)
        actor = f"token:{token.name}({token.id})@{where}"
        return Principal(actor, _implied(token.scopes), f"token:{token.id}", local=at.local)

    def _token_wanted(self, scope: Scope) -> HttpProblem:
        make = f"sitebind token create NAME --scope {scope.value}"
        if self._operations.api_token() is None and not len(self._access.tokens):
            return HttpProblem(
                403,
                "token-not-configured",
                "This needs a token, and there is none.",
                remedy=f"Make one on the server with: {make}. Or set [daemon] api_token and reload. {_HOW}",
            )
        return HttpProblem(
            401,
            "token-required",
            f"This needs a token with the scope {scope.value}, or the one of [daemon] api_token. {_HOW}",
            headers={"WWW-Authenticate": 'Bearer realm="sitebind"'},
        )


def _wrong(code: str, detail: str) -> HttpProblem:
    headers = {"WWW-Authenticate": 'Bearer realm="sitebind", error="invalid_token"'}
    return HttpProblem(401, code, detail, headers=headers)


def _scope_missing(principal: Principal, scope: Scope) -> HttpProblem:
    held = ", ".join(sorted(one.value for one in principal.scopes)) or "nothing"
    return HttpProblem(
        403,
        "scope-missing",
        f"This needs the scope {scope.value}; {principal.actor} has {held}.",
        remedy=f"Use a token that has it, or make one on the server: sitebind token create NAME --scope {scope.value}",
    )


def _bearer(header: str | None) -> str | None:
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
