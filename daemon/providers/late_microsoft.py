"""The Microsoft side, whose adapters are imported when the first of them is needed: they are a fifth of a start.

Implements `daemon.ports.Mailboxes` and `Directories` in front of `microsoft.py`. The import happens in a thread, so
that the event loop goes on meanwhile. Built by `daemon.app`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from daemon.ports import (
    Clock,
    Directory,
    DirectoryAccess,
    DirectoryObject,
    Examination,
    Found,
    Mailbox,
    MailboxAccess,
    ObjectKind,
    Route,
)
from daemon.providers.http import HttpClients

if TYPE_CHECKING:
    from daemon.providers.microsoft import MicrosoftProviders

ENDPOINTS: Final = ("autodiscover", "ews", "identity", "graph", "ldap")
"""Every call that these adapters make, by the name that they count it under."""


class LateMicrosoft:
    """Makes adapters that load themselves at their first use."""

    def __init__(self, clients: HttpClients, *, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock
        self._loading = asyncio.Lock()
        self._loaded: MicrosoftProviders | None = None

    def mailbox(self, access: MailboxAccess, route: Route) -> Mailbox:
        """The adapter for `access.platform`."""
        return _Mailbox(self._providers, access, route)

    def directory(self, access: DirectoryAccess, route: Route) -> Directory:
        """The adapter for `access.platform`."""
        return _Directory(self._providers, access, route)

    async def close(self) -> None:
        """Close every connection to a directory. Safe to repeat."""
        if self._loaded is not None:
            await self._loaded.close()

    async def _providers(self) -> MicrosoftProviders:
        async with self._loading:
            if self._loaded is None:
                made = await asyncio.to_thread(_imported)
                self._loaded = made(self._clients, clock=self._clock)
            return self._loaded


_Load = Callable[[], Awaitable["MicrosoftProviders"]]


@dataclass(frozen=True, slots=True)
class _Mailbox:
    load: _Load
    access: MailboxAccess
    route: Route

    async def examine(self) -> Examination:
        return await (await self.load()).mailbox(self.access, self.route).examine()


@dataclass(frozen=True, slots=True)
class _Directory:
    load: _Load
    access: DirectoryAccess
    route: Route

    async def examine(self) -> Examination:
        return await (await self._now()).examine()

    async def find(self, wanted: str, *, kind: ObjectKind | None = None) -> Found:
        return await (await self._now()).find(wanted, kind=kind)

    async def members(self, group: DirectoryObject) -> AsyncIterator[DirectoryObject]:
        async for member in (await self._now()).members(group):
            yield member

    async def _now(self) -> Directory:
        return (await self.load()).directory(self.access, self.route)


def _imported() -> type[MicrosoftProviders]:
    from daemon.providers.microsoft import MicrosoftProviders  # noqa: PLC0415 - what this module is for

    return MicrosoftProviders
