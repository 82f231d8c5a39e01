"""Microsoft's cloud on one host: the identity platform, Graph, and Exchange Online. Built and served by `server.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from daemon.sandbox.access_tokens import AccessTokens
from daemon.sandbox.call import Answer, Call
from daemon.sandbox.cloud import Route
from daemon.sandbox.graph_batch import PLAYED, Batch
from daemon.sandbox.graph_delta import DeltaCalls
from daemon.sandbox.graph_directory import DirectoryCalls
from daemon.sandbox.graph_failures import GraphRefusal, bad_request, refuse
from daemon.sandbox.graph_mail import MailCalls
from daemon.sandbox.graph_pages import Pages
from daemon.sandbox.graph_resources import Resource, of_directory, of_mail
from daemon.sandbox.identity import Identity
from daemon.sandbox.outlook import Outlook
from daemon.sandbox.script import Endpoint, Script
from daemon.sandbox.tenant import Tenant

_VERSION: Final = "v1.0"


class Graph:
    """The host: `find` gives what answers on a path."""

    def __init__(
        self, *, tenant: Tenant, script: Script, url: Callable[[], str], exchange_url: Callable[[], str]
    ) -> None:
        tokens = AccessTokens()
        self._url = url
        self._tokens = tokens
        self._identity = Identity(tenant=tenant, script=script, tokens=tokens, url=url)
        self._outlook = Outlook(tenant=tenant, script=script, tokens=tokens, url=url, exchange_url=exchange_url)
        pages = Pages(url=url)
        batch = Batch(script=script, find=self.find)
        self._resources = (
            Resource(pattern=("$batch",), handle=batch.answer, roles=frozenset(), method="POST", plays=PLAYED),
            *of_directory(
                DirectoryCalls(tenant=tenant, pages=pages, url=url), DeltaCalls(tenant=tenant, pages=pages, url=url)
            ),
            *of_mail(MailCalls(tenant=tenant, script=script, url=url)),
        )

    def find(self, method: str, path: str) -> Route | None:
        """Find what answers."""
        parts = path.removeprefix("/").split("/")
        if parts[0] != _VERSION:
            return self._outlook.find(path) or self._identity.find(parts)
        for resource in self._resources:
            taken = resource.match(parts[1:])
            if taken is not None:
                return self._route(resource, taken)
        return self._route(Resource(pattern=(), handle=_unknown, roles=frozenset(), method=method), ())

    def _route(self, resource: Resource, taken: Sequence[str]) -> Route:
        return Route(
            endpoint=Endpoint.GRAPH,
            handle=partial(self._answer, resource, taken),
            method=resource.method,
            plays=resource.plays,
        )

    def _answer(self, resource: Resource, taken: Sequence[str], call: Call) -> Answer:
        """Check token and roles, and give refusals Graph's shape."""
        try:
            self._authorise(call, resource)
            answer = resource.handle(*taken, call)
        except GraphRefusal as refusal:
            answer = refusal.answer(call.marks)
        return replace(answer, headers={**answer.headers, "x-ms-resource-unit": str(resource.cost(call))})

    def _authorise(self, call: Call, resource: Resource) -> None:
        bearer = self._tokens.bearer(call, audience=self._url())
        if bearer is None:
            refuse(
                401,
                "InvalidAuthenticationToken",
                message="Access token validation failure, or the token is empty.",
                headers={"WWW-Authenticate": f'Bearer realm="", authorization_uri="{self._url()}"'},
            )
        if not resource.roles or resource.roles & bearer.roles:
            return
        if resource.in_mailboxes:
            refuse(403, "ErrorAccessDenied", message="Access is denied. Check credentials and try again.")
        refuse(403, "Authorization_RequestDenied", message="Insufficient privileges to complete the operation.")


def _unknown(call: Call) -> Answer:
    """Refuse a path that Graph does not know; unlike other services it takes it for a bad request."""
    last = call.path.rpartition("/")[2]
    bad_request(f"Resource not found for the segment '{last[:60]}'.")
