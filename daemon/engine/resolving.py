"""Where addresses and groups resolve: lookups in a site's directory, remembered for a bounded time.

Called by the front door for the API, and by `daemon.examination` for a configuration alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from daemon.config.model import ConnectionSettings, SiteSettings
from daemon.config.prerequisites import MICROSOFT_365, cloud_for, directory_lacks
from daemon.engine.microsoft import MicrosoftSide
from daemon.engine.operations import Lookup, RequestRefused
from daemon.engine.signin import Resolve, route_for
from daemon.ports import Clock, Directory, DirectoryObject, Found, Resolution

MOST_REMEMBERED: Final = 1_000
MOST_MEMBERS_REMEMBERED: Final = 100_000
"""Over all remembered answers: some tens of megabytes."""

_NO_MEMBERS: Final = (
    "the group exists, but nobody is in it, neither directly nor through groups inside it (or whoever looks up may "
    "not see them)"
)
_NO_USE: Final = "the group has members, but each of them is disabled, without a licence, or without a mail address"

_Key = tuple[str, str, str | None, bool]


@dataclass(frozen=True, slots=True)
class _Remembered:
    """An answer, and the settings that it was asked with: another directory makes it worthless."""

    resolution: Resolution
    settings: tuple[object, ...]
    at: float


class Resolver:
    """Looks up; answers that a site's settings no longer fit are not given again."""

    def __init__(self, side: MicrosoftSide, *, resolve: Resolve, clock: Clock) -> None:
        self._side = side
        self._resolve = resolve
        self._clock = clock
        self._known: OrderedDict[_Key, _Remembered] = OrderedDict()

    async def lookup(self, settings: SiteSettings, lookup: Lookup) -> Resolution:
        """Answer from memory or from the directory. Raises `RequestRefused`, `ProviderFault`."""
        lacking = directory_lacks(settings)
        if lacking:
            raise RequestRefused(
                "directory-not-configured",
                f"site {settings.id} has no directory to look this up in: {lacking} is not set",
            )
        key = (settings.id, lookup.wanted.casefold(), lookup.kind, lookup.members)
        remembered = None if lookup.fresh else self._remembered(key, settings)
        if remembered is not None:
            return remembered
        resolution = await self._asked(settings, lookup)
        self._remember(key, settings, resolution)
        return resolution

    def _remembered(self, key: _Key, settings: SiteSettings) -> Resolution | None:
        found = self._known.get(key)
        if found is None:
            return None
        age = self._clock.monotonic() - found.at
        if age >= settings.directory.cache_for or found.settings != _inputs(settings):
            del self._known[key]
            return None
        self._known.move_to_end(key)
        return replace(found.resolution, age_seconds=round(age, 3))

    def _remember(self, key: _Key, settings: SiteSettings, resolution: Resolution) -> None:
        self._known.pop(key, None)
        self._known[key] = _Remembered(resolution, _inputs(settings), self._clock.monotonic())
        while len(self._known) > 1 and self._is_too_much():
            self._known.popitem(last=False)

    def _is_too_much(self) -> bool:
        members = sum(len(known.resolution.members or ()) for known in self._known.values())
        return len(self._known) > MOST_REMEMBERED or members > MOST_MEMBERS_REMEMBERED

    async def _asked(self, settings: SiteSettings, lookup: Lookup) -> Resolution:
        asked_at, began = self._clock.now(), self._clock.monotonic()
        connection: ConnectionSettings = settings.connection
        directory = await self._side.directory(settings, await route_for(connection, self._resolve))
        found = await directory.find(lookup.wanted, kind=lookup.kind)
        members, truncated = await _members(directory, found, lookup, most=settings.directory.members_limit)
        return Resolution(
            wanted=lookup.wanted,
            objects=found.objects,
            members=members,
            truncated=truncated,
            near=found.near,
            reasons=(*found.reasons, *_why_nothing(members)),
            source=found.objects[0].source if found.objects else _source(settings),
            asked_at=asked_at,
            seconds=round(self._clock.monotonic() - began, 4),
        )


async def _members(
    directory: Directory, found: Found, lookup: Lookup, *, most: int
) -> tuple[tuple[DirectoryObject, ...] | None, bool]:
    """The members of the one group that was found, and whether there are more than `most`."""
    if not lookup.members or len(found.objects) != 1 or found.objects[0].kind != "group":
        return None, False
    members: list[DirectoryObject] = []
    async for member in directory.members(found.objects[0]):
        if len(members) == most:
            return tuple(members), True
        members.append(member)
    return tuple(members), False


def _why_nothing(members: Sequence[DirectoryObject] | None) -> tuple[str, ...]:
    """Why a group that exists may still resolve to nothing that can be worked with."""
    if members is None or any(_can_be_worked_with(member) for member in members):
        return ()
    return (_NO_MEMBERS,) if not members else (_NO_USE,)


def _can_be_worked_with(member: DirectoryObject) -> bool:
    return member.enabled is not False and member.licensed is not False and member.mail_enabled


def _inputs(settings: SiteSettings) -> tuple[object, ...]:
    return settings.account, settings.directory, settings.connection


def _source(settings: SiteSettings) -> str:
    if settings.account.directory_type == MICROSOFT_365:
        cloud = cloud_for(settings.account)
        return f"graph:{urlsplit(cloud.graph).hostname}" if cloud is not None else "graph"
    return f"ldap:{settings.directory.server or settings.directory.base_dn}"
