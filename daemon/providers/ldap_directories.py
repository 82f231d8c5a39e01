"""Makes the adapter for an Active Directory, and keeps what adapters share. Built once, beside `HttpClients`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final
from weakref import WeakSet

from daemon.ports import Clock, DirectoryAccess
from daemon.providers.domain_controllers import DomainControllers
from daemon.providers.ldap_connection import USUAL, LdapLimits
from daemon.providers.ldap_connector import Connector, Surroundings
from daemon.providers.ldap_directory import LdapDirectory, Open, shareable
from daemon.providers.ldap_session import ENDPOINT, LdapSession, Observe
from daemon.providers.refused_sign_ins import RefusedSignIns
from daemon.providers.trust import TrustStore
from daemon.threads import Threads

ENDPOINTS: Final = (ENDPOINT,)
"""Every call that is made, by the name that it is counted under."""

_KEPT: Final = 256
_TICKETS: Final = 8
"""Kerberos sign-ins at a time. A silent key distribution centre keeps one for half a minute."""

_Key = tuple[DirectoryAccess, str]


class LdapDirectories:
    """Equal accesses share one connection. `nameservers` are asked instead of this system's own.

    `observe(endpoint, code, seconds)` is told of every sign-in and search; `code` is 0, or a fault's.
    """

    def __init__(
        self,
        observe: Observe,
        *,
        clock: Clock,
        trust: TrustStore,
        refused: RefusedSignIns,
        limits: LdapLimits = USUAL,
        nameservers: Sequence[str] = (),
    ) -> None:
        self._observe = observe
        self._limits = limits
        self._monotonic = clock.monotonic
        self._around = Surroundings(
            trust=trust,
            refused=refused,
            controllers=DomainControllers(clock.monotonic, nameservers=nameservers),
            limits=limits,
            threads=Threads(_TICKETS),
            monotonic=clock.monotonic,
        )
        self._sessions: OrderedDict[_Key, LdapSession] = OrderedDict()
        # Also those that made room: whoever has such an adapter still uses it, and an open connection keeps it alive.
        self._living: WeakSet[LdapSession] = WeakSet()
        self._closed = False

    def directory(self, access: DirectoryAccess, *, ca_file: str = "") -> LdapDirectory:
        """The adapter for `access`; `ca_file` is trusted beside this system's roots. Cheap."""
        connector = Connector(access, ca_file=ca_file, surroundings=self._around)
        return LdapDirectory(
            access,
            session=self._session((shareable(access), ca_file)),
            open_one=connector.open,
            session_over=self._session_over,
            monotonic=self._monotonic,
        )

    async def close(self) -> None:
        """Say good-bye everywhere; later lookups end in a fault. Safe to repeat."""
        self._closed = True
        for session in list(self._living):
            await session.close()

    def _session(self, key: _Key) -> LdapSession:
        session = self._sessions.get(key)
        if session is None:
            access, ca_file = key
            connector = Connector(access, ca_file=ca_file, surroundings=self._around)
            session = self._sessions[key] = self._session_over(connector.open)
            self._living.add(session)
            if self._closed:
                session.refuse()
        self._sessions.move_to_end(key)
        while len(self._sessions) > _KEPT:
            # Its connection, if it has one, closes itself when it has been idle for a while.
            self._sessions.popitem(last=False)
        return session

    def _session_over(self, open_one: Open) -> LdapSession:
        return LdapSession(open_one, limits=self._limits, monotonic=self._monotonic, observe=self._observe)
