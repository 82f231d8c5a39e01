"""A service in memory, in the place of the real providers: it issues keys, fails as it is told, and counts its calls.

Implements `daemon.ports.Clouds`. Whoever signs in with one e-mail address is one site.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from daemon.ports import (
    Authorization,
    Clock,
    Cloud,
    Clouds,
    Credentials,
    Greeting,
    Keys,
    Layer,
    Place,
    ProviderFault,
    Route,
    Secret,
)
from states import Fault

PASSWORD = "right"
REFUSED = "wrong"
PLACE = Place(base_url="https://region.invalid", region="eu")


@dataclass(frozen=True, slots=True)
class Call:
    """One call that reached the service; `task` is the name of the engine's task that made it."""

    name: str
    email: str
    at: float
    task: str
    identity: str = ""


@dataclass
class Service:
    """`down` is the fault of every call, `deaf_to_answers` loses the answers to revocations, `slow` is in seconds.

    `valid` holds the identity of every key that would be accepted now, with its expiry; `ended_here` those that
    the service ended by itself.
    """

    clock: Clock
    down: Fault | None = None
    refuses_role: bool = False
    loses_revocations: bool = False
    slow: float = 0.0
    lifetime: timedelta | None = None
    valid: dict[str, datetime | None] = field(default_factory=dict)
    ended_here: set[str] = field(default_factory=set)
    calls: list[Call] = field(default_factory=list)
    signing_in: int = 0
    most_signing_in: int = 0
    watch: Callable[[Call], None] = lambda call: None
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def connection(self) -> Connection:
        """What one process has of the service."""
        return Connection(self)

    def accepts(self, identity: str) -> bool:
        expires_at = self.valid.get(identity, self.clock.now())
        return identity in self.valid and (expires_at is None or expires_at > self.clock.now())

    def end_all(self) -> None:
        """An administrator of the service ends every key."""
        self.ended_here |= set(self.valid)
        self.valid.clear()

    def called(self, call: Call) -> None:
        self.calls.append(call)
        self.watch(call)

    def issue(self, credentials: Credentials, refresh: Keys | None) -> Keys:
        identity = f"key-{next(self._numbers)}"
        if refresh is not None and refresh.identity in self.valid:
            identity = refresh.identity
        expires_at = None if self.lifetime is None else self.clock.now() + self.lifetime
        self.valid[identity] = expires_at
        return Keys(
            method=credentials.method,
            base_url=PLACE.base_url,
            region=PLACE.region,
            email=credentials.email,
            identity=identity,
            expires_at=expires_at,
            values={"access_key": Secret(f"secret of {identity}")},
        )


class Connection:
    """Implements `Clouds` for one process; `cut` is what a kill does to it: nothing more arrives, either way."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._inner: Clouds | None = None
        self._cut = asyncio.Event()

    def around(self, inner: Clouds) -> Clouds:
        self._inner = inner
        return self

    def cut(self) -> None:
        self._cut.set()

    def cloud(self, method: str, route: Route, *, service_url: str, trusted_suffixes: tuple[str, ...]) -> Cloud:
        return _Cloud(self)

    async def close(self) -> None:
        assert self._inner is not None
        await self._inner.close()

    async def pass_through(self) -> None:
        """The way there and back, with everything that is wrong with it. What comes after it has effect at once."""
        service = self.service
        if service.slow and not self._cut.is_set():
            waits = [asyncio.ensure_future(service.clock.sleep(service.slow)), asyncio.ensure_future(self._cut.wait())]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
        if self._cut.is_set():
            raise ProviderFault(Fault.CONNECTION_LOST, "the process is gone")
        if service.down is not None:
            raise ProviderFault(service.down, "the service has a bad day")

    def called(self, name: str, email: str = "", *, identity: str = "") -> None:
        if not self._cut.is_set():
            task = asyncio.current_task()
            now = self.service.clock.monotonic()
            self.service.called(Call(name, email, now, task.get_name() if task else "", identity))


class _Cloud:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._service = connection.service

    async def connect(self) -> str:
        self._connection.called("connect")
        await self._connection.pass_through()
        return "reached the service in memory"

    async def examine(self, base_url: str = "") -> tuple[Layer, ...]:
        raise AssertionError("the doctor does not go to the service in memory")

    async def greet(self) -> Greeting:
        raise AssertionError("the doctor does not go to the service in memory")

    async def discover(self, credentials: Credentials) -> Place:
        self._connection.called("discover", credentials.email)
        await self._connection.pass_through()
        return PLACE

    async def authenticate(self, place: Place, credentials: Credentials, *, refresh: Keys | None) -> Keys:
        service, who = self._service, credentials.email
        self._connection.called("authenticate", who, identity=refresh.identity if refresh else "")
        service.signing_in += 1
        service.most_signing_in = max(service.most_signing_in, service.signing_in)
        try:
            await self._connection.pass_through()
        finally:
            service.signing_in -= 1
        if credentials.password is None or credentials.password.reveal() != PASSWORD:
            raise ProviderFault(Fault.CREDENTIALS_REFUSED, "the password is wrong")
        keys = service.issue(credentials, refresh)
        self._connection.called("issued", who, identity=keys.identity)
        return keys

    async def authorize(self, keys: Keys) -> Authorization:
        self._connection.called("authorize", keys.email)
        await self._connection.pass_through()
        if self._service.refuses_role:
            raise ProviderFault(Fault.PERMISSION_MISSING, "the role was taken away")
        return Authorization(account_code="C0", company="Example", region="eu", role="Synchronization")

    async def verify(self, keys: Keys) -> datetime | None:
        self._connection.called("verify", keys.email)
        await self._connection.pass_through()
        if keys.identity not in self._service.valid:
            raise ProviderFault(Fault.KEYS_REFUSED, "these keys were ended")
        if not self._service.accepts(keys.identity):
            raise ProviderFault(Fault.BINDING_EXPIRED, "these keys are expired")
        return self._service.valid[keys.identity]

    async def revoke(self, keys: Keys) -> None:
        self._connection.called("revoke", keys.email, identity=keys.identity)
        await self._connection.pass_through()
        self._service.valid.pop(keys.identity, None)
        if self._service.loses_revocations:
            raise ProviderFault(Fault.CONNECTION_LOST, "the answer was lost")
