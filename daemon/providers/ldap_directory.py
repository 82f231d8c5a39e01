"""Active Directory over LDAP; implements `daemon.ports.Directory`. Made by `ldap_directories.py`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace

from daemon.ports import DirectoryAccess, DirectoryObject, Examination, Found, ObjectKind, ProviderFault, Sighting
from daemon.providers.layers import Finding, walked
from daemon.providers.ldap_connection import EVERYTHING, Ask
from daemon.providers.ldap_connector import BASE, LOOKUP, Opened
from daemon.providers.ldap_find import Finder
from daemon.providers.ldap_members import members_of
from daemon.providers.ldap_root import base_in
from daemon.providers.ldap_session import LdapSession
from daemon.providers.quoting import quoted
from states import Fault

Open = Callable[[], Awaitable[Opened]]


class LdapDirectory:
    """Lookups go over the shared `session`; an examination opens a connection of its own.

    `session_over` makes a session that takes its connections from what it is given.
    """

    def __init__(
        self,
        access: DirectoryAccess,
        *,
        session: LdapSession,
        open_one: Open,
        session_over: Callable[[Open], LdapSession],
        monotonic: Callable[[], float],
    ) -> None:
        self._access = access
        self._session = session
        self._open = open_one
        self._session_over = session_over
        self._monotonic = monotonic

    async def examine(self) -> Examination:
        """What is told is true now: nothing of it comes from a connection that was made before."""
        opened = await self._open()
        if opened.connection is None:
            return Examination(layers=opened.layers)

        async def that_one() -> Opened:
            return opened

        visit = _Visit(self._access, self._session_over(that_one))
        try:
            steps = ((BASE, visit.base), (LOOKUP, visit.lookup))
            layers = await walked(steps, monotonic=self._monotonic)
        finally:
            await opened.connection.close()
        return Examination(layers=(*opened.layers, *layers), sightings=tuple(visit.sightings))

    async def find(self, wanted: str, *, kind: ObjectKind | None = None) -> Found:
        """An address outside `access.domains` is answered without asking for it."""
        async with self._session.places:
            return await Finder(self._session, self._access).find(wanted, kind=kind)

    async def members(self, group: DirectoryObject) -> AsyncGenerator[DirectoryObject]:
        """Members are given while later pages are still on their way."""
        if group.kind != "group":
            raise ProviderFault(Fault.REQUEST_REFUSED, f'"{quoted(group.display_name)}" is no group: it has no members')
        async with aclosing(members_of(self._session, group.handle)) as found:
            async for member in found:
                yield member


class _Visit:
    """The layers behind the sign-in."""

    def __init__(self, access: DirectoryAccess, session: LdapSession) -> None:
        self._access = access
        self._session = session
        self.sightings: list[Sighting] = []

    async def base(self) -> Finding:
        """The server is an Active Directory, and the base lies in it."""
        root = await self._session.root()
        base = base_in(root, self._access.base_dn, server=root.host or "the server")
        await self._session.search(Ask(base=base, scope="base", wanted=EVERYTHING, attributes=("1.1",)))
        seen = f"the domain controller {quoted(root.host)} answers for {root.domain}"
        self.sightings.append(Sighting(whereabouts="on-premises", seen=seen))
        why = "exists" if self._access.base_dn else "is the server's whole domain, since base_dn is empty"
        return Finding(detail=f'Active Directory {root.domain}; "{quoted(base)}" {why}')

    async def lookup(self) -> Finding:
        """The address that was to be looked up is found."""
        wanted = self._access.lookup
        if not wanted:
            return Finding(detail="no address was given to look up", status="skipped")
        found = await Finder(self._session, self._access).find(wanted, kind=None)
        if not found.objects:
            meant = ", ".join(item.primary_address or item.display_name for item in found.near)
            near = f"; near to it: {quoted(meant)}" if meant else ""
            detail = f"{quoted(wanted)} is not found: {'; '.join(found.reasons)}{near}"
            raise ProviderFault(Fault.DIRECTORY_OBJECT_MISSING, detail)
        item = found.objects[0]
        said = "".join(f"; {reason}" for reason in found.reasons)
        return Finding(detail=f'{quoted(wanted)} is the {item.kind} "{quoted(item.display_name)}"{said}')


def shareable(access: DirectoryAccess) -> DirectoryAccess:
    """What two accesses have in common that may share a session."""
    return replace(access, lookup="", domains=(), registration=None)
