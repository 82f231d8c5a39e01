"""Calls to Microsoft Graph: a token with each, pages followed to their end, waits that Graph asks for, batches.

Used by `graph_mailbox.py` and `graph_directory.py`. What the answers mean is judged by `graph_answer.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import quote, urlsplit

from daemon.ports import Clock, ProviderFault, Registration
from daemon.providers import graph_answer
from daemon.providers.answer import unsigned
from daemon.providers.graph_answer import BUSY, About, Reply
from daemon.providers.http import HttpClient, Terms
from daemon.providers.identity import Identity
from daemon.providers.patience import Patience
from daemon.providers.quoting import quoted
from daemon.providers.tokens import Token
from states import Fault

ENDPOINT: Final = "graph"
"""The name that its calls are counted under."""

VERSION: Final = "/v1.0"
LARGEST_PAGE: Final = 8 * 2**20
"""Bytes. 999 users with twenty addresses each are about one million; decoding more than this would hold the loop up."""

_SAFE_IN_QUERY: Final = "$,/:()"
_LONGEST_WAIT: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One question. `path` is what follows the version, its parts quoted; `eventual`: it needs the index store.

    `background` lets Graph throttle it before others.
    """

    path: str
    about: About
    query: Mapping[str, str] = field(default_factory=dict)
    eventual: bool = False
    background: bool = False

    @property
    def url(self) -> str:
        """Path and query, as they travel. An advanced query counts, whether anybody wants the number or not."""
        query = {**self.query, "$count": "true"} if self.eventual else self.query
        pairs = (f"{name}={quote(value, safe=_SAFE_IN_QUERY)}" for name, value in query.items())
        return f"{self.path}?{'&'.join(pairs)}" if query else self.path

    @property
    def headers(self) -> dict[str, str]:
        """What Graph has to be told beside the URL."""
        eventual = {"ConsistencyLevel": "eventual"} if self.eventual else {}
        return {**eventual, **({"x-ms-throttle-priority": "Low"} if self.background else {})}


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    url: str
    headers: Mapping[str, str]
    json: object = None


class Graph:
    """Graph as one app registration sees it. `new_request_id` makes ids; `clock` is what is waited on.

    `patience` is how many seconds a call waits at the most, all waits together, for a Graph that is busy.
    """

    def __init__(
        self,
        client: HttpClient,
        registration: Registration,
        *,
        identity: Identity,
        clock: Clock,
        new_request_id: Callable[[], str],
        patience: float = 60.0,
    ) -> None:
        self._client = client
        self.registration = registration
        self._identity = identity
        self._clock = clock
        self._new_request_id = new_request_id
        self._patience = patience

    def with_patience(self, seconds: float) -> Graph:
        """Give the same, with another patience."""
        return Graph(
            self._client,
            self.registration,
            identity=self._identity,
            clock=self._clock,
            new_request_id=self._new_request_id,
            patience=seconds,
        )

    @property
    def address(self) -> str:
        """Graph's https address."""
        return self.registration.graph

    @property
    def host(self) -> str:
        """Graph's host, for what is said of objects."""
        return urlsplit(self.registration.graph).hostname or ""

    @property
    def scope(self) -> str:
        """What a token for Graph is asked for: whatever was consented to."""
        return f"{self.registration.graph}/.default"

    async def token(self) -> tuple[Token, bool]:
        """Give a token for Graph, and whether it was kept from before. Raises `ProviderFault`."""
        return await self._identity.token(self.scope)

    def forget(self, token: Token) -> None:
        """Give up a kept token."""
        self._identity.forget(self.scope, token)

    async def get(self, ask: Ask) -> Reply:
        """Ask, and give whatever was answered once it is not that Graph is busy. Raises `ProviderFault`."""
        request = _Request("GET", f"{self.address}{VERSION}{ask.url}", ask.headers)
        return await self._answered(request, ask.about, Patience(self._clock, self._patience))

    async def pages(self, ask: Ask) -> AsyncIterator[list[dict[str, Any]]]:
        """Ask for a list and give its pages, one by one as they arrive. Raises `ProviderFault`."""
        request: _Request | None = _Request("GET", f"{self.address}{VERSION}{ask.url}", ask.headers)
        seen: set[str] = set()
        while request is not None:
            # Each page is a call of its own: a long list may meet a busy Graph more than once.
            reply = await self._answered(request, ask.about, Patience(self._clock, self._patience))
            page = graph_answer.listed(reply, ask.about)
            request = self._next(reply, ask, seen=seen)
            yield page

    async def batch(self, asks: Sequence[Ask]) -> list[Reply]:
        """Ask several questions in one call, twenty at the most; the replies in their order.

        Those that met a busy Graph are asked again, the others are not. Raises `ProviderFault`.
        """
        if len(asks) == 1:
            return [await self.get(asks[0])]
        patience, replies = Patience(self._clock, self._patience), dict[int, Reply]()
        while open_ones := [number for number in range(len(asks)) if number not in replies]:
            given = await self._batched(asks, open_ones, patience)
            busy = {number: reply for number, reply in given.items() if reply.status in BUSY}
            waits = [reply.retry_after for reply in busy.values() if reply.retry_after is not None]
            if not busy or not await patience.wait(max(waits, default=None)):
                replies |= given
            replies |= {number: reply for number, reply in given.items() if number not in busy}
        return [replies[number] for number in range(len(asks))]

    async def _batched(self, asks: Sequence[Ask], numbers: Sequence[int], patience: Patience) -> dict[int, Reply]:
        requests = [
            {"id": str(number), "method": "GET", "url": asks[number].url, "headers": asks[number].headers}
            for number in numbers
        ]
        about = About(what=f"a batch that holds {asks[numbers[0]].about.what}")
        request = _Request("POST", f"{self.address}{VERSION}/$batch", {}, {"requests": requests})
        reply = await self._answered(request, about, patience)
        responses = graph_answer.document(reply, about).get("responses")
        inner = {} if not isinstance(responses, list) else dict(filter(None, map(_inner, responses)))
        if not set(numbers) <= inner.keys():
            raise graph_answer.malformed(reply, about, "lacks the answers that were expected")
        return {
            number: replace(inner[number], request_id=reply.request_id, secrets=reply.secrets) for number in numbers
        }

    def _next(self, reply: Reply, ask: Ask, *, seen: set[str]) -> _Request | None:
        """The next page's request, with its address as it was given; it must lead to Graph, and on."""
        link = reply.json.get("@odata.nextLink")
        if link is None:
            return None
        if not isinstance(link, str) or not link.startswith(f"{self.address}/"):
            where = quoted(urlsplit(link).netloc) if isinstance(link, str) else "nowhere"
            raise graph_answer.malformed(reply, ask.about, f'names "{where}" for its next page, which is not Graph')
        if link in seen:
            raise graph_answer.malformed(reply, ask.about, "names a page that was given already as its next one")
        seen.add(link)
        return _Request("GET", link, ask.headers)

    async def _answered(self, request: _Request, about: About, patience: Patience) -> Reply:
        """Send until Graph is not busy or patience ends."""
        while True:
            outcome = await self._tried(request)
            if isinstance(outcome, Reply) and outcome.status not in BUSY:
                return outcome
            if not await patience.wait(outcome.retry_after):
                break
        if isinstance(outcome, ProviderFault):
            raise outcome
        fault = graph_answer.refusal(outcome, about)
        raise ProviderFault(fault.fault, f"{fault.detail}; {patience}", retry_after=fault.retry_after or patience.next)

    async def _tried(self, request: _Request) -> Reply | ProviderFault:
        """Send once, and once more with a fresh token if a kept one is not taken any longer.

        A budget which is known to be spent is given back as the fault that it is; every other fault is raised.
        """
        try:
            token, kept = await self.token()
            reply = await self._sent(request, token)
            if reply.status == 401 and kept:
                self.forget(token)
                token, _ = await self.token()
                reply = await self._sent(request, token)
            return reply
        except ProviderFault as fault:
            if fault.fault is not Fault.THROTTLED:
                raise
            return fault

    async def _sent(self, request: _Request, token: Token) -> Reply:
        request_id, bearer = self._new_request_id(), token.value.reveal()
        answer = await self._client.call(
            request.method,
            request.url,
            endpoint=ENDPOINT,
            headers={
                **request.headers,
                "Authorization": f"Bearer {bearer}",
                "client-request-id": request_id,
            },
            request_id=request_id,
            json=request.json,
            application=self.registration.client_id,
            terms=Terms(largest=LARGEST_PAGE),
        )
        return graph_answer.reply_of(answer, secrets=(bearer, self.registration.client_secret.reveal()))


def _inner(response: object) -> tuple[int, Reply] | None:
    """Read one answer of a batch; None for what is none."""
    if not isinstance(response, dict):
        return None
    number, status, body = response.get("id"), response.get("status"), response.get("body")
    if not isinstance(number, str) or not number.isdecimal() or not isinstance(status, int):
        return None
    headers = response.get("headers")
    lower = {str(name).lower(): str(value) for name, value in headers.items()} if isinstance(headers, dict) else {}
    wait = unsigned(lower.get("retry-after", ""))
    return int(number), Reply(
        status=status,
        json=body,
        size=0 if body is None else 1,
        kind=lower.get("content-type", ""),
        retry_after=None if wait is None else min(wait, _LONGEST_WAIT),
    )


def segment(text: str) -> str:
    """One part of a path: an id or a user's name."""
    return quote(text, safe="@")


def literal(text: str) -> str:
    """Text as it stands in a filter."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
