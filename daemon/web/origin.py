"""Which names we answer to, and which pages may make a browser call us.

A page on the Internet can point its own name at 127.0.0.1 (DNS rebinding) or post to us across origins; the
loopback address protects from neither. Called by `daemon.web.gate` for every request.
"""

from __future__ import annotations

import re

from aiohttp import web

from daemon.web.errors import HttpProblem
from daemon.web.peer import peer_of

_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:/@\[\]]+)(?::\d{1,5})?", re.IGNORECASE)
_REMEMBERED = 256


class HostCheck:
    """Knows the allowed names; remembers the Host headers that passed, since clients repeat them."""

    def __init__(self, *, listener: str) -> None:
        self._listener = listener
        self._allowed: tuple[str, ...] = ()
        self._names: frozenset[str] = frozenset()
        self._passed: set[str] = set()

    def check(self, request: web.Request, allowed: tuple[str, ...]) -> str:
        """The Host header, when it and the request line name us. Raises `HttpProblem` otherwise."""
        if allowed is not self._allowed:
            self._learn(allowed)
        host = request.headers.get("Host")
        if host is None:
            raise HttpProblem(400, "host-missing", "The request has no Host header.")
        # `request.host` is another one when the request line holds a whole URL.
        for named in (host, request.host) if request.host != host else (host,):
            if named not in self._passed:
                self._admit(named, request)
        return host

    def _learn(self, allowed: tuple[str, ...]) -> None:
        self._allowed = allowed
        self._names = frozenset(_bracketed(name) for name in (*allowed, self._listener))
        self._passed.clear()

    def _admit(self, authority: str, request: web.Request) -> None:
        found = _AUTHORITY.fullmatch(authority)
        name = found[1].lower().removesuffix(".") if found else ""
        if name not in self._names and name not in _own_names(request):
            raise HttpProblem(
                421,
                "host-not-allowed",
                f"This daemon does not answer to the name {authority!r}.",
                remedy="Call it by a name in [daemon] allowed_hosts, or add this one there.",
            )
        # An own address depends on the connection; only what is allowed everywhere is remembered.
        if name in self._names and len(self._passed) < _REMEMBERED:
            self._passed.add(authority)


def _bracketed(name: str) -> str:
    name = name.lower().removesuffix(".")
    return f"[{name}]" if name.count(":") > 1 and not name.startswith("[") else name


def _own_names(request: web.Request) -> tuple[str, ...]:
    """The address of ours that this connection reached; the Unix socket has none, and no page can get there."""
    transport = request.transport
    own = transport.get_extra_info("sockname") if transport is not None else None
    if isinstance(own, tuple):
        return (_bracketed(own[0]),)
    return ("localhost",) if transport is not None and peer_of(transport) is not None else ()


def check_origin(request: web.Request, host: str, *, opens_page: bool = False) -> None:
    """Refuse what a page of another origin asks for. Only browsers send these headers.

    A link to one of our pages may stand anywhere: `opens_page` lets a person follow it.
    """
    headers = request.headers
    origin = headers.get("Origin")
    if origin is not None and not _is_own(origin, host):
        raise _cross_origin(f"The page {origin!r} is not ours.")
    if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin") and not (opens_page and _follows(request)):
        raise _cross_origin("A browser sent this on behalf of another site.")


def _follows(request: web.Request) -> bool:
    """Whether a person follows a link to a whole page, as the browser says: no script and no frame asks so."""
    headers = request.headers
    to_page = headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") == "document"
    return request.method in ("GET", "HEAD") and to_page


def _is_own(origin: str, host: str) -> bool:
    # The scheme is not compared with ours: a proxy in front of us may speak TLS for us.
    scheme, separator, authority = origin.partition("://")
    return bool(separator) and scheme in ("http", "https") and authority.lower() == host.lower()


def _cross_origin(detail: str) -> HttpProblem:
    return HttpProblem(403, "cross-origin", f"{detail} Requests across origins are refused.")
