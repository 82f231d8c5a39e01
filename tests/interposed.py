"""What tests put between the engine and the real providers: a call that raises, or whose answer is held back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from daemon.ports import Authorization, Cloud, Clouds, Credentials, Keys, Place, Route


@dataclass(slots=True)
class Hold:
    """The real answer has come (`reached`) and is kept back until `go`."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)


class Interposed:
    """Implements `daemon.ports.Clouds`. `calls` counts by name; `raises` and `holds` are by name too."""

    def __init__(self) -> None:
        self.inner: Clouds | None = None
        self.raises: dict[str, Exception] = {}
        self.holds: dict[str, Hold] = {}
        self.calls: list[str] = []

    def around(self, inner: Clouds) -> Clouds:
        self.inner = inner
        return self

    def hold(self, name: str) -> Hold:
        self.holds[name] = Hold()
        return self.holds[name]

    def cloud(self, method: str, route: Route, *, service_url: str, trusted_suffixes: tuple[str, ...]) -> Cloud:
        assert self.inner is not None
        made = self.inner.cloud(method, route, service_url=service_url, trusted_suffixes=trusted_suffixes)
        return _Interposed(self, made)

    async def close(self) -> None:
        assert self.inner is not None
        await self.inner.close()

    async def call(self, name: str, real: Callable[[], Awaitable[Any]]) -> Any:
        self.calls.append(name)
        if name in self.raises:
            raise self.raises[name]
        answer = await real()
        if (hold := self.holds.pop(name, None)) is not None:
            hold.reached.set()
            await hold.go.wait()
        return answer


class _Interposed:
    def __init__(self, between: Interposed, real: Cloud) -> None:
        self._between = between
        self._real = real

    async def connect(self) -> str:
        found: str = await self._between.call("connect", self._real.connect)
        return found

    async def discover(self, credentials: Credentials) -> Place:
        found: Place = await self._between.call("discover", lambda: self._real.discover(credentials))
        return found

    async def authenticate(self, place: Place, credentials: Credentials, *, refresh: Keys | None) -> Keys:
        found: Keys = await self._between.call(
            "authenticate", lambda: self._real.authenticate(place, credentials, refresh=refresh)
        )
        return found

    async def authorize(self, keys: Keys) -> Authorization:
        found: Authorization = await self._between.call("authorize", lambda: self._real.authorize(keys))
        return found

    async def verify(self, keys: Keys) -> datetime | None:
        found: datetime | None = await self._between.call("verify", lambda: self._real.verify(keys))
        return found

    async def revoke(self, keys: Keys) -> None:
        await self._between.call("revoke", lambda: self._real.revoke(keys))
