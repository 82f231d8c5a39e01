"""HTTPS to the service: one session layer for every adapter, which hands out answers or classified faults.

Built once by `app.py`; adapters get an `HttpClient` for their route. aiohttp's exceptions end here: they
carry the proxy's password in their repr, so nothing of them, not even as a context, leaves this module.
"""

from __future__ import annotations

import json as jsonlib
import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from daemon import __version__
from daemon.ports import Clock, ProviderFault, Route
from daemon.providers import failure
from daemon.providers.answer import Answer, retry_after
from daemon.providers.failure import Target, target_of
from daemon.providers.mishaps import classified, redirected, too_large
from daemon.providers.reach import reach, untrusted
from daemon.providers.trust import TrustStore
from daemon.providers.tunnel import proxy_authorization
from states import Fault

Observe = Callable[[str, str, float], None]
USER_AGENT: Final = f"sitebind/{__version__}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds for connecting and for a whole call; the largest answer in bytes; routes kept connected."""

    connect: float = 10.0
    total: float = 30.0
    largest: int = 2**20
    routes: int = 32


@dataclass(slots=True)
class _Kept:
    session: aiohttp.ClientSession
    users: int = 0


class HttpClients:
    """The connections of all routes. `observe(endpoint, code, seconds)` is told of every call.

    `code` is the HTTP status, or a fault's code when there was no usable answer. The routes used least
    recently lose their connections when there are too many; what is in flight is finished first.
    """

    def __init__(self, observe: Observe, *, clock: Clock, limits: Limits = Limits()) -> None:
        self.observe = observe
        self.clock = clock
        self.limits = limits
        self.trust = TrustStore(clock.monotonic)
        self._kept: OrderedDict[Route, _Kept] = OrderedDict()
        self._closed = False

    def client(self, route: Route) -> HttpClient:
        """Give a client for a route. Cheap: equal routes share connections."""
        return HttpClient(self, route)

    @asynccontextmanager
    async def session(self, route: Route) -> AsyncIterator[aiohttp.ClientSession]:
        """Lend the session of a route."""
        kept = self._take(route)
        kept.users += 1
        try:
            await self._evict()
            yield kept.session
        finally:
            kept.users -= 1
            if not kept.users and self._kept.get(route) is not kept:
                await kept.session.close()

    async def close(self) -> None:
        """Cut every connection; later calls end in a fault. Safe to repeat."""
        self._closed = True
        while self._kept:
            await self._kept.popitem()[1].session.close()

    def _take(self, route: Route) -> _Kept:
        if self._closed:
            raise ProviderFault(Fault.CONNECTION_LOST, "sitebind is stopping, so the call was not made")
        kept = self._kept.get(route)
        if kept is None:
            kept = self._kept[route] = _Kept(_new_session())
        self._kept.move_to_end(route)
        return kept

    async def _evict(self) -> None:
        while len(self._kept) > self.limits.routes:
            _, oldest = self._kept.popitem(last=False)
            if not oldest.users:
                await oldest.session.close()


@dataclass(frozen=True, slots=True)
class _Request:
    """One call, ready to be sent."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
    request_id: str


class HttpClient:
    """Calls over one route."""

    def __init__(self, clients: HttpClients, route: Route) -> None:
        self._clients = clients
        self._route = route

    async def call(
        self,
        method: str,
        url: str,
        *,
        endpoint: str,
        headers: Mapping[str, str],
        request_id: str = "",
        json: object = None,
        form: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request over HTTPS and give whatever was answered, except redirects.

        `endpoint` is a metric's label: from a closed set. `request_id` is named in every fault. Raises
        `ProviderFault`; its traceback leads to no request, header or secret.
        """
        clock = self._clients.clock
        started = clock.monotonic()
        headers, body = _encoded(headers, json=json, form=form)
        outcome = await self._outcome(_Request(method, url, headers, body, request_id))
        code = outcome.fault.code if isinstance(outcome, ProviderFault) else str(outcome.status)
        self._clients.observe(endpoint, code, clock.monotonic() - started)
        if isinstance(outcome, ProviderFault):
            raise failure.with_request_id(outcome, request_id)
        return outcome

    async def reach(self, url: str) -> str:
        """Prove name, TCP, proxy and TLS one by one, without a request; a sentence says what was reached."""
        target = self._target(_parsed(url))
        context = await self._clients.trust.context(self._route.ca_file)
        return await reach(target, self._route, context=context, seconds=self._clients.limits.connect)

    async def _outcome(self, request: _Request) -> Answer | ProviderFault:
        """Give the fault as a value, so that it is raised where no exception of aiohttp is its context."""
        target = Target(host="", port=0)
        try:
            url = _parsed(request.url)
            target = self._target(url)
            context = await self._clients.trust.context(self._route.ca_file)
            return await self._exchanged(request, url, target=target, context=context)
        except ProviderFault as fault:
            return fault
        except aiohttp.ClientConnectorCertificateError as error:
            reason = getattr(error.certificate_error, "verify_message", "") or "certificate not accepted"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            limits = self._clients.limits
            return classified(error, target, connect=limits.connect, total=limits.total)
        return await untrusted(target, self._route, reason=reason, seconds=self._clients.limits.connect)

    async def _exchanged(self, request: _Request, url: URL, *, target: Target, context: ssl.SSLContext) -> Answer:
        proxy = _proxy_options(self._route) if target.proxy else {}
        limits = self._clients.limits
        async with (
            self._clients.session(self._route) as session,
            session.request(
                request.method,
                url,
                headers=request.headers,
                data=request.body,
                ssl=context,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=limits.total, sock_connect=limits.connect),
                **proxy,
            ) as response,
        ):
            return await self._read(request, response)

    async def _read(self, request: _Request, response: aiohttp.ClientResponse) -> Answer:
        if 300 <= response.status < 400:
            raise redirected(response)
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > self._clients.limits.largest:
                response.close()
                raise too_large(response.url, self._clients.limits.largest)
        wait = retry_after(response.status, response.headers, now=self._clients.clock.now())
        return Answer(
            status=response.status,
            headers=response.headers,
            body=bytes(body),
            json=_decoded(body),
            request_id=response.headers.get("x-request-id", "") or request.request_id,
            retry_after=wait,
        )

    def _target(self, url: URL) -> Target:
        return target_of(self._route, url.host or "", url.port or 443)


def _parsed(url: str) -> URL:
    """Read an address. Only HTTPS is spoken: every call carries a secret."""
    try:
        parsed = URL(url, encoded=True)
        usable = parsed.scheme == "https" and bool(parsed.host) and parsed.port is not None
    except ValueError:
        usable = False
    if not usable:
        raise ProviderFault(
            Fault.REQUEST_REFUSED, "[binding] service_url must read like https://host or https://host:port"
        )
    return parsed


def _new_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        # The threaded resolver asks the system, so /etc/hosts and nsswitch.conf hold here as elsewhere.
        connector=aiohttp.TCPConnector(resolver=aiohttp.ThreadedResolver(), keepalive_timeout=10.0),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "identity"},
        trust_env=False,
    )


def _encoded(
    headers: Mapping[str, str], *, json: object, form: Mapping[str, str] | None
) -> tuple[dict[str, str], bytes | None]:
    if form is not None:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return {**headers, **kind}, urlencode(form).encode()
    if json is not None:
        return {**headers, "Content-Type": "application/json"}, jsonlib.dumps(json).encode()
    return dict(headers), None


def _proxy_options(route: Route) -> dict[str, Any]:
    authorization = proxy_authorization(route)
    return {
        "proxy": URL.build(scheme="http", host=route.proxy_host, port=route.proxy_port),
        "proxy_headers": {"Proxy-Authorization": authorization} if authorization else None,
    }


def _decoded(body: bytearray) -> Any:
    """Decode JSON; None for anything else, and for JSON so deep that it was made to hurt."""
    try:
        return jsonlib.loads(body)
    except (ValueError, RecursionError):
        return None
