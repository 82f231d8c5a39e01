"""One object of an Active Directory by address, name, distinguished name or id; and why there is none.

Called by `ldap_directory.py`. `ldap_near.py` looks for what was perhaps meant.
"""

from __future__ import annotations

import uuid
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import sansldap

from daemon.ports import DirectoryAccess, DirectoryObject, Found, ObjectKind, ProviderFault
from daemon.providers.ldap_connection import EVERYTHING, Ask, Filter
from daemon.providers.ldap_members import has_addressed_member, members_of, strangers_in
from daemon.providers.ldap_near import near_misses
from daemon.providers.ldap_objects import ATTRIBUTES, OF_KIND, all_of, any_of, equal, is_below, object_of
from daemon.providers.ldap_root import Root, base_in
from daemon.providers.ldap_session import LdapSession
from daemon.providers.quoting import quoted
from states import Fault

_AMBIGUOUS: Final = 50
"""More objects of one name are not told of."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where is searched."""

    root: Root
    base: str

    @property
    def source(self) -> str:
        """What objects are said to come from."""
        return f"ldap:{self.root.host}"


class Finder:
    """Lookups for one access."""

    def __init__(self, session: LdapSession, access: DirectoryAccess) -> None:
        self._session = session
        self._access = access

    async def find(self, wanted: str, *, kind: ObjectKind | None) -> Found:
        """The objects, or what comes near and the reasons. Raises `ProviderFault`."""
        wanted = _plain(wanted)
        root = await self._session.root()
        place = _Place(root, base_in(root, self._access.base_dn, server=root.host))
        outside = self._outside_domains(wanted)
        objects = [] if outside or not wanted else await self._objects(wanted, kind, place)
        if objects:
            return Found(objects=tuple(objects), reasons=await self._of_found(objects))
        return await self._nothing(wanted, kind, place=place, outside=outside)

    async def _objects(self, wanted: str, kind: ObjectKind | None, place: _Place) -> list[DirectoryObject]:
        """By the first way of naming that finds something."""
        if "=" in wanted and is_below(wanted, place.root.domain_dn):
            return await self._by_dn(wanted, kind, place)
        for named in _ways(wanted):
            ask = Ask(
                base=place.base,
                wanted=all_of(named, OF_KIND[kind]),
                attributes=ATTRIBUTES,
                most=_AMBIGUOUS,
            )
            entries = await self._session.search(ask)
            found = [item for entry in entries if (item := object_of(entry, source=place.source)) is not None]
            if found:
                return found
        return []

    async def _by_dn(self, dn: str, kind: ObjectKind | None, place: _Place) -> list[DirectoryObject]:
        if not is_below(dn, place.base):
            return []
        try:
            ask = Ask(base=dn, scope="base", wanted=EVERYTHING, attributes=ATTRIBUTES)
            entries = await self._session.search(ask)
        except ProviderFault as fault:
            if fault.fault is not Fault.DIRECTORY_BASE_UNKNOWN:
                raise
            return []
        found = (object_of(entry, source=place.source) for entry in entries)
        return [item for item in found if item is not None and kind in {None, item.kind}]

    async def _of_found(self, objects: list[DirectoryObject]) -> tuple[str, ...]:
        """Why what was found may still not receive anything."""
        if len(objects) > 1:
            return (f"{len(objects)} objects have this name: ask for one by its address or id",)
        [item] = objects
        if item.kind == "group":
            return await self._of_group(item)
        if item.enabled is False:
            return ("its account is disabled",)
        return ()

    async def _of_group(self, group: DirectoryObject) -> tuple[str, ...]:
        without = () if group.mail_enabled else ("it has no address, so it is not a group that mail can be sent to",)
        nothing, strangers = await self._nobody_in(group), await strangers_in(self._session, group.handle)
        here = " in this domain" if strangers else ""
        seen = (f"it resolves to nothing: {nothing}{here}",) if nothing else ()
        return (*without, *seen, *_missing(strangers))

    async def _nobody_in(self, group: DirectoryObject) -> str:
        """Why the group has no member in this domain that receives mail; empty if it has one."""
        if await has_addressed_member(self._session, group.handle):
            return ""
        met = 0
        async with aclosing(members_of(self._session, group.handle)) as members:
            async for member in members:
                met += 1
                if member.mail_enabled:
                    return ""
        return f"none of its {met} members has an address" if met else "it has no members"

    def _outside_domains(self, wanted: str) -> str:
        """Why the address is not looked up here; empty if it is, or if it is no address."""
        _, at, domain = wanted.rpartition("@")
        ours = {one.strip().lower() for one in self._access.domains}
        if not at or not ours or domain.lower() in ours:
            return ""
        return f"{quoted(domain)} is none of the [directory] domains ({', '.join(sorted(ours))})"

    async def _nothing(self, wanted: str, kind: ObjectKind | None, *, place: _Place, outside: str) -> Found:
        if outside:
            return Found(objects=(), reasons=(outside,))
        if not wanted:
            return Found(objects=(), reasons=("nothing was asked for",))
        others = await self._objects(wanted, None, place) if kind is not None else []
        if others:
            return Found(objects=(), near=tuple(others[:5]), reasons=(f"it is a {others[0].kind}, not a {kind}",))
        elsewhere = await self._elsewhere(wanted, place)
        near = await near_misses(self._session, wanted, base=place.base, source=place.source)
        return Found(
            objects=(),
            near=(*elsewhere, *near)[:5],
            reasons=(*_outside_base(elsewhere, place), *_unaddressed(wanted, near), _where(wanted, place)),
        )

    async def _elsewhere(self, wanted: str, place: _Place) -> list[DirectoryObject]:
        """The same, in the whole domain."""
        whole = _Place(place.root, place.root.domain_dn)
        return [] if is_below(whole.base, place.base) else await self._objects(wanted, None, whole)


def _plain(wanted: str) -> str:
    text = wanted.encode("utf-8", "replace").decode().strip()
    return text[5:] if text.lower().startswith("smtp:") else text


def _ways(wanted: str) -> list[Filter]:
    """The filters that may find it, in the order in which they are tried."""
    address = any_of(
        equal("mail", wanted),
        equal("proxyAddresses", f"smtp:{wanted}"),
        equal("userPrincipalName", wanted),
    )
    account = equal("sAMAccountName", wanted.rpartition("\\")[2])
    name = any_of(equal("cn", wanted), equal("displayName", wanted))
    first = [address] if "@" in wanted else _by_id(wanted)
    return [*first, account, name]


def _by_id(wanted: str) -> list[Filter]:
    try:
        return [sansldap.FilterEquality("objectGUID", uuid.UUID(wanted).bytes_le)]
    except ValueError:
        return []


def _missing(strangers: int) -> tuple[str, ...]:
    """What a list of members leaves out."""
    counted = "of its members, counting those of groups inside it,"
    match strangers:
        case 0:
            return ()
        case 1:
            return (f"1 {counted} lies in another domain, which is not looked at: it is missing here",)
        case _:
            return (f"{strangers} {counted} lie in other domains, which are not looked at: they are missing here",)


def _outside_base(elsewhere: list[DirectoryObject], place: _Place) -> tuple[str, ...]:
    return tuple(
        f'"{quoted(item.display_name)}" exists, but outside [directory] base_dn "{quoted(place.base)}": it is '
        f'"{quoted(item.handle)}"'
        for item in elsewhere[:1]
    )


def _unaddressed(wanted: str, near: tuple[DirectoryObject, ...]) -> tuple[str, ...]:
    """A security group is often meant by the address that it does not have."""
    meant = _letters(wanted.partition("@")[0])
    return tuple(
        f'the group "{quoted(item.display_name)}" exists, but has no address: give it one (mail-enable it), or ask for '
        "it by its name"
        for item in near
        if "@" in wanted and item.kind == "group" and not item.mail_enabled and _letters(item.display_name) == meant
    )


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def _where(wanted: str, place: _Place) -> str:
    by = "mail, proxyAddresses or userPrincipalName" if "@" in wanted else "name, account name or id"
    return f'no user, group or contact below "{quoted(place.base)}" has it as {by}; other domains are not looked at'
