"""What callers of the API and the page send: read by aiohttp's own parser, as it comes off the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser
from aiohttp.http_exceptions import HttpProcessingError

from daemon.engine.clock import SystemClock
from daemon.web import audit_query, auth, backups, config, events, requests, resolving, tokens, vault
from daemon.web.errors import HttpProblem, problem_response, understood
from daemon.web.origin import HostCheck, check_origin
from daemon.web.scrape import turns
from daemon.web.sessions import Sessions, cookie_of
from daemon.web.ui import forms, signing_in
from metrics import Exposition, Instruments, new_registry
from tests.torture.fuzz.target import Target

_LOOP = asyncio.new_event_loop()
_HEADERS = (b"Last-Event-ID", b"Cookie", b"Host", b"Origin", b"Accept", b"If-Match", b"If-None-Match", b"Authorization")
_SESSIONS = Sessions(SystemClock())
_COOKIE = _SESSIONS.begin("digest")
_REGISTRY = new_registry()
_EXPOSITION = Exposition(_REGISTRY, Instruments(_REGISTRY, version="0"))
_REFUSED = (HttpProblem, web.HTTPException)


class _Wire(BaseProtocol):
    """A connection without a socket."""

    ssl_context = None
    peername = ("127.0.0.1", 1)
    sockname = ("127.0.0.1", 0)


def requested(raw: bytes) -> web.Request | None:
    """The request in bytes off the wire; None for what aiohttp itself refuses."""
    wire = _Wire(_LOOP)
    parser = HttpRequestParser(
        wire, _LOOP, 2**16, max_line_size=16384, max_headers=64, payload_exception=web.RequestPayloadError
    )
    try:
        messages, _, _ = parser.feed_data(raw)
    except HttpProcessingError:
        return None
    if not messages:
        return None
    message, payload = messages[0]
    return web.Request(message, payload, wire, None, None, _LOOP, client_max_size=64 * 1024)  # type: ignore[arg-type]


def _all(request: web.Request, *reads: Callable[[web.Request], Any]) -> None:
    """Each may refuse, and the next reads all the same; a refusal must be one that can be told."""
    for read in reads:
        try:
            read(request)
        except _REFUSED as refusal:
            _told(refusal)


def _told(refusal: Exception) -> None:
    """It can be written into an answer, whatever it quotes."""
    problem_response(understood(refusal, "id"), "id")


def _query(data: bytes) -> None:
    request = requested(b"GET /api/v1/x?" + data + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    if request is None:
        return
    _all(
        request,
        lambda asked: audit_query.audit_filter(asked, limit=1),
        resolving.lookup_of,
        events._resumed_at,
        events._kinds,
        lambda asked: requests.page_size(asked, default=1, most=9),
        lambda asked: requests.seconds(asked, "wait", most=300),
        lambda asked: signing_in._own_path(asked.query.get("next", "")),
        lambda asked: b"".join(_EXPOSITION.answer("", asked.query.getall("name[]", ()))[1]),
    )


def _headers(data: bytes) -> None:
    """A line for each header that we read ourselves."""
    lines = zip(_HEADERS, data.split(b"\n"), strict=False)
    request = requested(
        b"GET / HTTP/1.1\r\n" + b"".join(b"%s: %s\r\n" % (name, line) for name, line in lines) + b"\r\n"
    )
    if request is None:
        return
    hosts = HostCheck(listener="127.0.0.1")
    _all(
        request,
        events._resumed_at,
        lambda asked: _SESSIONS.digest_of(cookie_of(asked) or "", active=True),
        lambda asked: _SESSIONS.is_form_token(cookie_of(asked) or "", asked.headers.get("Origin", "")),
        lambda asked: check_origin(asked, hosts.check(asked, ("localhost",))),
        lambda asked: list(turns(_EXPOSITION.answer(asked.headers.get("Accept", ""))[1])),
        config._seen,
        lambda asked: config._has(asked, '"x"'),
        lambda asked: auth._bearer(asked.headers.get("Authorization")),
    )


def _sent(data: bytes, kind: bytes) -> web.Request | None:
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (kind, len(data))
    return requested(head + data)


def _done(reading: Awaitable[Any]) -> None:
    try:
        _LOOP.run_until_complete(reading)  # type: ignore[arg-type]
    except _REFUSED as refusal:
        _told(refusal)


def _body(data: bytes) -> None:
    """JSON for every call that takes some."""
    fields = ("options", "was", "new_key", "file", "records", "last", "head", "name", "scopes", "expires_in")
    for read in (requests.rebind_order, requests.unbind_order, requests.doctor_order):
        request = _sent(data, b"application/json")
        if request is not None:
            _done(read(request))
    request = _sent(data, b"application/json")
    if request is not None:
        _done(_orders(request, fields))


async def _orders(request: web.Request, fields: tuple[str, ...]) -> None:
    body = await requests.json_object(request, fields=fields)
    for read in (
        lambda: config.config_edit(body, etag='"x"'),
        lambda: vault._source(body.get("new_key")),
        lambda: backups._backup(body),
        lambda: tokens._order(body),
    ):
        try:
            read()
        except HttpProblem:
            continue


def _form(data: bytes) -> None:
    request = _sent(data, b"application/x-www-form-urlencoded")
    if request is not None:
        _done(forms._read(request))


TARGETS = (
    Target(
        name="query",
        what="queries: SSE, audit, look-ups, waits",
        meets=_query,
        seeds=(
            b"after=12&only=audit&only=site&site=default",
            b"since=2026-03-04T12:00:00Z&until=2026-03-04T12:00:00%2B01:00&actor=http:*&event=bind_failed&order=desc",
            b"address=m%C3%BCller@example.com&members=yes&fresh=0&limit=9&wait=1.5&next=/sites&name[]=up",
        ),
    ),
    Target(
        name="headers",
        what="headers: Last-Event-ID, Cookie, Host, Origin, Accept, ETags, Authorization",
        meets=_headers,
        seeds=(
            b'12\n%s=%s\nlocalhost:1\nhttp://localhost\ntext/plain\n"x"\nW/"x"\nBearer abc'
            % (b"sitebind-0", _COOKIE.encode()),
            b"\n\n[::1]\n\napplication/openmetrics-text;version=1.0.0;escaping=underscores;q=0.5,*/*;q=0.1",
        ),
    ),
    Target(
        name="body",
        what="JSON bodies of every call",
        meets=_body,
        seeds=(
            b'{"email":"a@b.c","password":"x","authentication_type":"cloud","reason":"r"}',
            b'{"options":{"binding":{"password":{"secret":"x"},"email":null}},"was":{"site":{"id":"a"}}}',
            b'{"new_key":"file:/x","file":"/b","records":1,"last":1,"head":"00","name":"n","scopes":["read"],"expires_in":9}',
        ),
    ),
    Target(name="form", what="forms of the page", meets=_form, seeds=(b"form_token=00&token=a&x=%C3%BC", b"a=1;b=%ff")),
)
