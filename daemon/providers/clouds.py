"""Makes the adapter for a sign-in method; implements `daemon.ports.Clouds`. Built once by `app.py`."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from daemon.ports import Clock, Cloud, Route
from daemon.providers.http import HttpClients
from daemon.providers.mimecast_v1 import MimecastV1
from daemon.providers.mimecast_v2 import MimecastV2
from daemon.providers.tokens import Tokens


def _guid() -> str:
    return str(uuid.uuid4())


ENDPOINTS = ("discover", "login", "logout", "account", "profile", "token")
"""Every call that the providers make, by the name that they count it under."""


class MimecastClouds:
    """`cloud` and `domain` speak API 1.0, `application` speaks API 2.0. Closes `clients` with itself."""

    def __init__(self, clients: HttpClients, *, clock: Clock, new_request_id: Callable[[], str] = _guid) -> None:
        self._clients = clients
        self._clock = clock
        self._new_request_id = new_request_id
        self._tokens = Tokens(clock.monotonic)

    def cloud(self, method: str, route: Route, *, service_url: str, trusted_suffixes: tuple[str, ...]) -> Cloud:
        client = self._clients.client(route)
        match method:
            case "cloud" | "domain":
                return MimecastV1(
                    client,
                    service_url=service_url,
                    trusted_suffixes=trusted_suffixes,
                    now=self._clock.now,
                    new_request_id=self._new_request_id,
                )
            case "application":
                return MimecastV2(
                    client,
                    service_url=service_url,
                    tokens=self._tokens,
                    new_request_id=self._new_request_id,
                )
            case _:
                raise ValueError(f"no sign-in method is called {method!r}")

    async def close(self) -> None:
        await self._clients.close()
