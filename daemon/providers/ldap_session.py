"""One connection for everything that is asked of a directory: opened when needed, shared, closed when idle.

Made by `ldap_directories.py`, one for each access; used by `ldap_find.py` and `ldap_members.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from daemon.ports import ProviderFault
from daemon.providers.ldap_connection import Ask, LdapConnection, LdapLimits, Page
from daemon.providers.ldap_connector import Opened, anew
from daemon.providers.ldap_entry import Entry
from daemon.providers.ldap_root import Root, root_of
from states import Fault

Observe = Callable[[str, str, float], None]
ENDPOINT: Final = "ldap"
"""The name that searches are counted under."""

_STOPPING: Final = "sitebind is stopping, so the directory was not asked"
_GONE: Final = frozenset({Fault.CONNECTION_LOST, Fault.DIRECTORY_BUSY})


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed-in connection and what its server said of itself."""

    connection: LdapConnection
    root: Root


class LdapSession:
    """Searches over one pipelined connection. After a connection was lost between two calls, one new one is made.

    `places` is for what asks for many things at a time, to hold on to while it does.
    """

    def __init__(
        self,
        open_one: Callable[[], Awaitable[Opened]],
        *,
        limits: LdapLimits,
        monotonic: Callable[[], float],
        observe: Observe,
    ) -> None:
        self._open = open_one
        # A domain controller works on no more at a time, and a burst of callers must not fill one turn of the loop.
        self.places = asyncio.Semaphore(limits.at_once)
        self._limits = limits
        self._monotonic = monotonic
        self._observe = observe
        self._signed: Signed | None = None
        self._opening = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None
        self._parting: asyncio.Task[None] | None = None
        self._closed = False
        self._tries = 0
        self._failed: ProviderFault | None = None

    async def root(self) -> Root:
        """What the server says of itself. Raises `ProviderFault`."""
        async with self._used() as (signed, _):
            return signed.root

    async def search(self, ask: Ask) -> list[Entry]:
        """Everything that a small search finds. Raises `ProviderFault`."""
        return [entry async for page in self.pages(ask) for entry in page]

    async def pages(self, ask: Ask) -> AsyncGenerator[list[Entry]]:
        """The pages of a search as they arrive. Raises `ProviderFault`, also in the middle.

        All pages come over one connection, which the server's place in the search belongs to.
        """
        async with self._first(ask) as (connection, first):
            page, given = first, len(first.entries)
            try:
                yield page.entries
                while page.cookie:
                    page = await self._next(connection, ask, page=page, given=given)
                    given += len(page.entries)
                    yield page.entries
            finally:
                if page.cookie:
                    # The server keeps its place in a search that was given up until the connection ends.
                    connection.retire()

    async def close(self) -> None:
        """Say good-bye; what is in flight ends in a fault, and so do later calls. Safe to repeat."""
        self.refuse()
        self._still()
        signed, self._signed = self._signed, None
        if signed is not None:
            await signed.connection.close()
        if self._parting is not None:
            await asyncio.wait([self._parting])

    def refuse(self) -> None:
        """Begin nothing new."""
        self._closed = True

    @asynccontextmanager
    async def _first(self, ask: Ask) -> AsyncIterator[tuple[LdapConnection, Page]]:
        """The first page, over a new connection where a kept one turns out to be gone."""
        for last in (False, True):
            async with self._used() as (signed, fresh):
                page = await self._tried(signed.connection, ask, may_fail=not (last or fresh))
                if page is not None:
                    yield signed.connection, page
                    return

    async def _tried(self, connection: LdapConnection, ask: Ask, *, may_fail: bool) -> Page | None:
        """None when the connection is gone and that `may_fail`."""
        try:
            return await self._counted(connection, ask)
        except ProviderFault as fault:
            if not may_fail or fault.fault not in _GONE or connection.usable:
                raise
        return None

    async def _next(self, connection: LdapConnection, ask: Ask, *, page: Page, given: int) -> Page:
        try:
            return await self._counted(connection, ask, cookie=page.cookie)
        except ProviderFault as found:
            fault = found
        detail = f"{fault.detail}, after {given} entries had come: ask again from the beginning"
        raise ProviderFault(fault.fault, detail) if fault.fault in _GONE else fault

    async def _counted(self, connection: LdapConnection, ask: Ask, *, cookie: bytes = b"") -> Page:
        began, code = self._monotonic(), "cancelled"
        try:
            page = await connection.page(ask, cookie=cookie)
            code = "0"
            return page
        except ProviderFault as fault:
            code = fault.fault.code
            raise
        finally:
            if code != "cancelled":
                self._observe(ENDPOINT, code, self._monotonic() - began)

    @asynccontextmanager
    async def _used(self) -> AsyncIterator[tuple[Signed, bool]]:
        """Hold the connection, and whether it was made for this; it cannot become idle meanwhile."""
        self._still()
        signed, fresh = await self._ready()
        try:
            with signed.connection.held():
                yield signed, fresh
        finally:
            self._rest()

    async def _ready(self) -> tuple[Signed, bool]:
        tries = self._tries
        async with self._opening:
            if self._closed:
                raise ProviderFault(Fault.CONNECTION_LOST, _STOPPING)
            if self._signed is not None and self._signed.connection.usable:
                return self._signed, False
            if self._failed is not None and self._tries != tries:
                # Whoever waited while the server was tried in vain need not wait for that again.
                raise anew(self._failed)
            self._signed, self._failed, self._tries = None, None, self._tries + 1
            self._signed = await self._opened()
            return self._signed, True

    async def _opened(self) -> Signed:
        try:
            return await self._signed_in()
        except ProviderFault as fault:
            self._failed = anew(fault)
            raise

    async def _signed_in(self) -> Signed:
        began = self._monotonic()
        opened = await self._open()
        ended = opened.layers[-1].fault
        self._observe(ENDPOINT, ended.fault.code if ended is not None else "0", self._monotonic() - began)
        connection = opened.connected()
        kept = False
        try:
            root = await root_of(connection)
            kept = not self._closed
        finally:
            if not kept:
                connection.abort()
        if not kept:
            raise ProviderFault(Fault.CONNECTION_LOST, _STOPPING)
        return Signed(connection, root)

    def _still(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _rest(self) -> None:
        """Close the connection when nobody has used it for a while."""
        if self._signed is not None and self._signed.connection.idle and not self._closed:
            self._still()
            self._idle = asyncio.get_running_loop().call_later(self._limits.idle, self._idled)

    def _idled(self) -> None:
        signed, self._signed = self._signed, None
        if signed is not None:
            self._parting = asyncio.create_task(signed.connection.close(), name="ldap good-bye")
