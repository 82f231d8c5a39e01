"""HTTPS to the service: one client for every adapter, which hands out answers or classified faults.

Built once by `app.py`; adapters get an `HttpClient` for their route. aiohttp's exceptions end here: they
carry the proxy's password in their repr, so nothing of them, not even as a context, leaves this module.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import aiohttp
from yarl import URL

from daemon.ports import Clock, Layer, ProviderFault, Route
from daemon.providers import failure
from daemon.providers.allowance import Allowances
from daemon.providers.answer import Answer, retry_after
from daemon.providers.body import decoded, encoded
from daemon.providers.failure import Target, target_of
from daemon.providers.mishaps import classified, redirected, sign_in_refused, too_large
from daemon.providers.proxy_refusals import ProxyRefusals
from daemon.providers.quoting import quoted
from daemon.providers.reach import untrusted, vouched_for, walk
from daemon.providers.sessions import Sessions
from daemon.providers.trail import Trail
from daemon.providers.trust import HTTP, TrustStore
from daemon.providers.tunnel import proxy_authorization
from states import Fault

Observe = Callable[[str, str, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds for connecting and for a whole call; the largest answer in bytes; routes kept connected."""

    connect: float = 10.0
    total: float = 30.0
    largest: int = 2**20
    routes: int = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is let pass in one call beyond the usual; each for whom its protocol wants it.

    `largest` is the largest answer in bytes (0: the usual). `redirects`: a redirect is given back as an answer, never
    followed. `cleartext`: http:// too, for what carries no secret. `alone`: over a session of its own with a single
    connection, for sign-ins that belong to the connection (NTLM, Negotiate); see `HttpClient.alone`.
    """

    largest: int = 0
    redirects: bool = False
    cleartext: bool = False
    alone: aiohttp.ClientSession | None = None


USUAL: Final = Terms()


class HttpClients:
    """What the calls of all routes share. `observe(endpoint, code, seconds)` is told of every call.

    `code` is the HTTP status, or a fault's code when there was no usable answer.
    """

    def __init__(self, observe: Observe, *, clock: Clock, limits: Limits = Limits()) -> None:
        self.observe = observe
        self.clock = clock
        self.limits = limits
        self.trust = TrustStore(clock.monotonic)
        self.allowances = Allowances(clock)
        self.refusals = ProxyRefusals(clock.monotonic)
        self.sessions = Sessions(routes=limits.routes)

    def client(self, route: Route) -> HttpClient:
        """Give a client for a route. Cheap: equal routes share connections."""
        return HttpClient(self, route)

    async def close(self) -> None:
        """Cut every connection; later calls end in a fault. Safe to repeat."""
        await self.sessions.close()


@dataclass(frozen=True, slots=True)
class _Request:
    """One call, ready to be sent."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
    request_id: str
    terms: Terms


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
        body: bytes | None = None,
        application: str = "",
        terms: Terms = USUAL,
    ) -> Answer:
        """Send one request over HTTPS and give whatever was answered, except redirects (see `terms`).

        `json` and `form` name their content type themselves; for `body` it stands in `headers`.

        Calls of one `application` share its rate budget: they wait while the service says it is spent.

        `endpoint` is a metric's label: from a closed set. `request_id` is named in every fault. Raises
        `ProviderFault`; its traceback leads to no request, header or secret.
        """
        clock, allowances = self._clients.clock, self._clients.allowances
        budget = (_origin(url), application, endpoint)
        await allowances.wait(budget)
        started = clock.monotonic()
        headers, content = encoded(headers, json=json, form=form)
        content = body if content is None else content
        outcome = await self._outcome(_Request(method, url, headers, content, request_id, terms))
        code = outcome.fault.code if isinstance(outcome, ProviderFault) else str(outcome.status)
        self._clients.observe(endpoint, code, clock.monotonic() - started)
        if isinstance(outcome, ProviderFault):
            raise failure.with_request_id(outcome, request_id)
        allowances.note(budget, status=outcome.status, headers=outcome.headers)
        return outcome

    def alone(self) -> AbstractAsyncContextManager[aiohttp.ClientSession]:
        """A session for `Terms.alone`."""
        return self._clients.sessions.alone()

    async def reach(self, url: str) -> str:
        """Prove name, TCP, proxy and TLS one by one, without a request; a sentence says what was reached."""
        layers = await self._walked(url)
        if layers and (fault := layers[-1].fault) is not None:
            raise fault
        return "; ".join(layer.detail for layer in layers)

    async def examine(self, url: str) -> tuple[Layer, ...]:
        """Walk the same way as `reach` and give every layer; the last holds the fault, if there is one."""
        layers = await self._walked(url)
        if not self._route.ca_file or layers[-1].fault is not None:
            return layers
        target, clients = self._target(_parsed(url)), self._clients
        said = await vouched_for(target, self._route, store=clients.trust, seconds=clients.limits.connect)
        return (*layers[:-1], replace(layers[-1], detail=f"{layers[-1].detail}; {said}"))

    async def _walked(self, url: str) -> tuple[Layer, ...]:
        clients, trail = self._clients, Trail(self._clients.clock.monotonic)
        target = self._target(_parsed(url))
        try:
            await walk(target, self._route, store=clients.trust, seconds=clients.limits.connect, trail=trail)
        except ProviderFault as fault:
            if not trail.layers or trail.layers[-1].fault is not fault:
                raise
        if target.proxy:
            clients.refusals.note(self._route, _how_it_ended(trail))
        return tuple(trail.layers)

    async def _outcome(self, request: _Request) -> Answer | ProviderFault:
        """Give the fault as a value, so that it is raised where no exception of aiohttp is its context."""
        target = Target(host="", port=0)
        try:
            url = _parsed(request.url, cleartext=request.terms.cleartext)
            target = self._target(url)
            if target.proxy:
                self._clients.refusals.check(self._route, proxy=target.proxy)
            context = await self._clients.trust.context(self._route.ca_file, protocols=HTTP)
            return await self._exchanged(request, url, target=target, context=context)
        except ProviderFault as fault:
            return fault
        except aiohttp.ClientConnectorCertificateError as error:
            reason = getattr(error.certificate_error, "verify_message", "") or "certificate not accepted"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            limits = self._clients.limits
            found = classified(error, target, connect=limits.connect, total=limits.total)
            self._clients.refusals.note(self._route, found.fault)
            return found
        return await untrusted(target, self._route, reason=reason, seconds=self._clients.limits.connect)

    async def _exchanged(self, request: _Request, url: URL, *, target: Target, context: ssl.SSLContext) -> Answer:
        proxy = _proxy_options(self._route) if target.proxy else {}
        # aiohttp sends them with CONNECT alone; a proxy is asked for plain HTTP by the request itself.
        to_proxy = proxy.get("proxy_headers") if url.scheme == "http" else None
        limits = self._clients.limits
        async with (
            self._session(request.terms) as session,
            session.request(
                request.method,
                url,
                headers={**request.headers, **(to_proxy or {})},
                data=request.body,
                ssl=context,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=limits.total, sock_connect=limits.connect),
                **proxy,
            ) as response,
        ):
            refused = sign_in_refused(response, target)
            if refused is not None:
                self._clients.refusals.note(self._route, refused.fault)
                raise refused
            return await self._read(request, response)

    @asynccontextmanager
    async def _session(self, terms: Terms) -> AsyncIterator[aiohttp.ClientSession]:
        if terms.alone is not None:
            yield terms.alone
            return
        async with self._clients.sessions.session(self._route) as session:
            yield session

    async def _read(self, request: _Request, response: aiohttp.ClientResponse) -> Answer:
        if 300 <= response.status < 400 and not request.terms.redirects:
            raise redirected(response)
        body, largest = bytearray(), request.terms.largest or self._clients.limits.largest
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > largest:
                response.close()
                raise too_large(response.url, largest)
        wait = retry_after(response.status, response.headers, now=self._clients.clock.now())
        return Answer(
            status=response.status,
            headers=response.headers,
            body=bytes(body),
            json=decoded(body),
            request_id=response.headers.get("x-request-id", "") or request.request_id,
            retry_after=wait,
        )

    def _target(self, url: URL) -> Target:
        return target_of(self._route, url.host or "", url.port or 443)


def _parsed(url: str, *, cleartext: bool = False) -> URL:
    """Read an address. Only HTTPS is spoken where a call carries a secret."""
    schemes = {"https", "http"} if cleartext else {"https"}
    try:
        parsed = URL(url, encoded=True)
        usable = parsed.scheme in schemes and bool(parsed.host) and parsed.port is not None
    except ValueError:
        usable = False
    if not usable:
        raise ProviderFault(
            Fault.REQUEST_REFUSED,
            f"{quoted(url)} is no address to call: it must read like https://host or https://host:port",
        )
    return parsed


def _how_it_ended(trail: Trail) -> Fault | None:
    ended = trail.layers[-1].fault
    return ended.fault if ended is not None else None


def _origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])


def _proxy_options(route: Route) -> dict[str, Any]:
    authorization = proxy_authorization(route)
    return {
        "proxy": URL.build(scheme="http", host=route.proxy_host, port=route.proxy_port),
        "proxy_headers": {"Proxy-Authorization": authorization} if authorization else None,
    }
