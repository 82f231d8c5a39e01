"""The connections of all routes, kept while they are used: what `daemon.providers.http` calls over.

With `race.py` the only place of the daemon that opens a connection outwards.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aiohttp

from daemon import __version__
from daemon.ports import ProviderFault, Route
from states import Fault

USER_AGENT: Final = f"sitebind/{__version__}"
_STOPPING: Final = "sitebind is stopping, so the call was not made"


@dataclass(slots=True)
class _Kept:
    session: aiohttp.ClientSession
    users: int = 0


class Sessions:
    """A session for every route, `routes` of them at the most.

    The routes used least recently lose their connections when there are too many; what is in flight is finished first.
    """

    def __init__(self, *, routes: int) -> None:
        self._routes = routes
        self._kept: OrderedDict[Route, _Kept] = OrderedDict()
        self._closed = False

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

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[aiohttp.ClientSession]:
        """Lend a session that holds one connection at the most, closed at the end: see `Terms.alone`."""
        if self._closed:
            raise ProviderFault(Fault.CONNECTION_LOST, _STOPPING)
        session = _new_session(connections=1)
        try:
            yield session
        finally:
            await session.close()

    async def close(self) -> None:
        """Cut every connection; what is asked for later ends in a fault. Safe to repeat."""
        self._closed = True
        while self._kept:
            await self._kept.popitem()[1].session.close()

    def _take(self, route: Route) -> _Kept:
        if self._closed:
            raise ProviderFault(Fault.CONNECTION_LOST, _STOPPING)
        kept = self._kept.get(route)
        if kept is None:
            kept = self._kept[route] = _Kept(_new_session())
        self._kept.move_to_end(route)
        return kept

    async def _evict(self) -> None:
        while len(self._kept) > self._routes:
            _, oldest = self._kept.popitem(last=False)
            if not oldest.users:
                await oldest.session.close()


def _new_session(*, connections: int = 100) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        # The threaded resolver asks the system, so /etc/hosts and nsswitch.conf hold here as elsewhere.
        connector=aiohttp.TCPConnector(resolver=aiohttp.ThreadedResolver(), keepalive_timeout=10.0, limit=connections),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "identity"},
        trust_env=False,
    )
