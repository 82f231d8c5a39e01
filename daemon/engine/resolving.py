"""Where addresses and groups resolve: lookups in a site's directory, remembered for a bounded time.

Called by the front door for the API, and by `daemon.examination` for a configuration alone.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from daemon.config.model import SiteSettings
from daemon.config.prerequisites import MICROSOFT_365, cloud_for, directory_lacks
from daemon.engine.microsoft import MicrosoftSide, directory_access
from daemon.engine.operations import Lookup, RequestRefused, Unfolding
from daemon.engine.remembering import Memory
from daemon.engine.signin import Resolve, route_for
from daemon.engine.unfolding import Asked, Recalled, in_one_piece
from daemon.ports import Clock, Directory, DirectoryAccess, Found, Resolution, Route

_NO_GROUP: Final = "it is a {kind}, which has no members: only a group has"


class Resolver:
    """Looks up; answers that a site's settings no longer fit are not given again."""

    def __init__(self, side: MicrosoftSide, *, resolve: Resolve, clock: Clock) -> None:
        self._side = side
        self._resolve = resolve
        self._clock = clock
        self._memory = Memory(clock)
        # Secrets are compared by a digest that says nothing outside of this process, and never kept themselves.
        self._key = secrets.token_bytes(32)

    async def lookup(self, settings: SiteSettings, lookup: Lookup) -> Resolution:
        """The answer in one piece. Raises `RequestRefused`, `ProviderFault`."""
        return await in_one_piece(await self.unfold(settings, lookup))

    async def unfold(self, settings: SiteSettings, lookup: Lookup) -> Unfolding:
        """The answer as it arrives, from memory or from the directory. Raises `RequestRefused`, `ProviderFault`."""
        lacking = directory_lacks(settings)
        if lacking:
            raise RequestRefused(
                "directory-not-configured",
                f"site {settings.id} has no directory to look this up in: {lacking} is not set",
            )
        access = await directory_access(settings, self._resolve)
        route = await route_for(settings.connection, self._resolve)
        question = (settings.id, lookup.wanted.casefold(), lookup.kind, lookup.members)
        basis = (settings.account, settings.directory, settings.connection, self._digest(access, route))
        longest = settings.directory.cache_for
        if not lookup.fresh and (known := self._memory.get(question, basis=basis, longest=longest)):
            return Recalled(known)
        keep = partial(self._memory.keep, question, basis=basis)
        return await self._asked(settings, lookup, self._side.directories.directory(access, route), keep=keep)

    def _digest(self, access: DirectoryAccess, route: Route) -> bytes:
        """Of the secrets that an answer is got with: settings name only where those lie."""
        own = access.registration.client_secret if access.registration is not None else access.password
        texts = ("" if each is None else each.reveal() for each in (own, route.proxy_password))
        return hmac.digest(self._key, b"".join(hashlib.sha256(text.encode()).digest() for text in texts), "sha256")

    async def _asked(
        self, settings: SiteSettings, lookup: Lookup, directory: Directory, *, keep: Callable[[Resolution], None]
    ) -> Unfolding:
        asked_at, began = self._clock.now(), self._clock.monotonic()
        found = await directory.find(lookup.wanted, kind=lookup.kind)
        resolution = Resolution(
            wanted=lookup.wanted,
            objects=found.objects,
            near=found.near,
            reasons=(*found.reasons, *_why_none(found, lookup)),
            source=found.objects[0].source if found.objects else _source(settings),
            asked_at=asked_at,
            seconds=round(self._clock.monotonic() - began, 4),
        )
        return Asked(
            resolution,
            directory.members(found.objects[0]) if lookup.members and _is_one_group(found) else None,
            most=settings.directory.members_limit,
            seconds=lambda: self._clock.monotonic() - began,
            keep=keep,
        )


def _is_one_group(found: Found) -> bool:
    return len(found.objects) == 1 and found.objects[0].kind == "group"


def _why_none(found: Found, lookup: Lookup) -> tuple[str, ...]:
    """Why no members are listed, although they were asked for; what is ambiguous is said to be so anyway."""
    if not lookup.members or len(found.objects) != 1 or _is_one_group(found):
        return ()
    return (_NO_GROUP.format(kind=found.objects[0].kind),)


def _source(settings: SiteSettings) -> str:
    if settings.account.directory_type == MICROSOFT_365:
        cloud = cloud_for(settings.account)
        return f"graph:{urlsplit(cloud.graph).hostname}" if cloud is not None else "graph"
    return f"ldap:{settings.directory.server or settings.directory.base_dn}"
