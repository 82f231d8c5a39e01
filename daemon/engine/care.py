"""Looking after keys: verify, refresh, revoke, wipe, unbind. Every act ends in an event.

The acts of one site run one after another, so that a refresh and a verification never cross.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from daemon.config.model import SiteSettings
from daemon.engine.issuing import undo
from daemon.engine.signin import Resolve, credentials_for, route_for
from daemon.engine.tasks import Tasks
from daemon.engine.unstored import Unstored
from daemon.ports import (
    Clock,
    Cloud,
    Clouds,
    Inbox,
    JournalUnavailable,
    Keys,
    Place,
    ProviderFault,
    Route,
    Vault,
    VaultLocked,
)
from states import Event, Fault, Snapshot
from states.events import (
    BindingRefreshed,
    BindingVerified,
    KeysRevoked,
    RevocationFailed,
    UnbindFailed,
    UnbindFinished,
    VerificationMissed,
    VerificationRefused,
)

_log = logging.getLogger("sitebind.care")

_REFUSALS = frozenset(
    {
        Fault.KEYS_REFUSED,
        Fault.BINDING_EXPIRED,
        Fault.PERMISSION_MISSING,
        Fault.CREDENTIALS_REFUSED,
        Fault.ACCOUNT_LOCKED,
        Fault.TWO_STEP_REQUIRED,
        Fault.PASSWORD_EXPIRED,
        Fault.APPLICATION_REFUSED,
        Fault.CREDENTIALS_MISSING,
        Fault.AUTHENTICATION_TYPE_REFUSED,
        Fault.REQUEST_REFUSED,
    }
)
"""Answers that speak about the keys or the user; every other fault speaks about the way to the service."""

_WIPE_AGAIN = 30.0
_DEFECT = "a defect in sitebind; the log holds the traceback"

LEFT_BY_LOCAL_ONLY = "the keys are still valid at the service; end them in the Mimecast console"
LEFT_BY_APPLICATION = (
    "the application's client id and secret are still valid at the service; delete the application, or renew its "
    "secret, in the Mimecast console"
)
"""API 2.0 has no call that ends client credentials."""


@dataclass(frozen=True, slots=True)
class Unwiped:
    """Keys that could not be removed from the disk yet: why, and since when."""

    bind_id: str
    text: str
    since: datetime


class Caretaker:
    """One for all sites."""

    def __init__(
        self,
        *,
        inbox: Inbox,
        clouds: Clouds,
        vault: Vault,
        unstored: Unstored,
        resolve: Resolve,
        clock: Clock,
        tasks: Tasks,
        settings_of: Callable[[str], SiteSettings | None],
        snapshot_of: Callable[[str], Snapshot],
    ) -> None:
        self._inbox = inbox
        self._clouds = clouds
        self._vault = vault
        self._unstored = unstored
        self._resolve = resolve
        self._clock = clock
        self._tasks = tasks
        self._settings_of = settings_of
        self._snapshot_of = snapshot_of
        self._last: dict[str, asyncio.Task[None]] = {}
        self.unwiped: dict[str, Unwiped] = {}

    def verify(self, site: str, bind_id: str) -> None:
        """Ask the service about the held keys."""
        self._queue(site, f"verify {bind_id}", self._verify(site, bind_id), or_else=_missed(bind_id))

    def refresh(self, site: str, bind_id: str) -> None:
        """Extend the held keys with the configured sign-in."""
        self._queue(site, f"refresh {bind_id}", self._refresh(site, bind_id), or_else=_missed(bind_id))

    def revoke(self, site: str, bind_id: str) -> None:
        """End keys that are not in use."""
        failed = RevocationFailed(bind_id=bind_id, fault=Fault.UNEXPECTED, detail=_DEFECT)
        self._queue(site, f"revoke {bind_id}", self._revoke(site, bind_id), or_else=failed)

    def wipe(self, site: str, bind_id: str) -> None:
        """Remove keys from the vault. Nobody waits for it: nothing else of the site uses these keys."""
        self._tasks.start(self._wipe(site, bind_id), name=f"wipe {bind_id}")

    def unbind(self, site: str, bind_id: str, *, local_only: bool) -> None:
        """End the held keys at the service, or only here."""
        failed = UnbindFailed(bind_id=bind_id, fault=Fault.UNEXPECTED, detail=_DEFECT)
        work = self._unbind(site, bind_id, local_only=local_only)
        self._queue(site, f"unbind {bind_id}", work, or_else=failed)

    def _queue(self, site: str, name: str, work: Coroutine[Any, Any, None], *, or_else: Event) -> None:
        """Run `work` after what the site does already; a defect in it ends in the event `or_else`."""
        task = self._tasks.start(
            self._after(self._last.get(site), work), name=name, failed=lambda _: self._inbox.post(site, or_else)
        )
        self._last[site] = task
        task.add_done_callback(lambda done: self._forget(site, done))

    def _forget(self, site: str, done: asyncio.Task[None]) -> None:
        if self._last.get(site) is done:
            del self._last[site]

    async def _after(self, earlier: asyncio.Task[None] | None, work: Coroutine[Any, Any, None]) -> None:
        try:
            if earlier is not None and not earlier.done():
                await asyncio.wait({earlier})
        except asyncio.CancelledError:
            work.close()
            raise
        await work

    async def _verify(self, site: str, bind_id: str) -> None:
        try:
            keys = await self._keys(bind_id)
            expires_at = await (await self._cloud(site, keys)).verify(keys)
        except ProviderFault as fault:
            self._inbox.post(site, _unverified(bind_id, fault))
        else:
            self._inbox.post(site, BindingVerified(bind_id=bind_id, expires_at=expires_at))

    async def _refresh(self, site: str, bind_id: str) -> None:
        settings, snapshot = self._settings_of(site), self._snapshot_of(site)
        if settings is None or not snapshot.holds(bind_id) or not snapshot.has_usable_credentials:
            return
        try:
            event = await self._refreshed(settings, bind_id)
        except ProviderFault as fault:
            refused = snapshot.terms.credentials if snapshot.terms else None
            event = _unverified(bind_id, fault, credentials=refused)
        self._inbox.post(site, event)

    async def _refreshed(self, settings: SiteSettings, bind_id: str) -> Event:
        keys = await self._keys(bind_id)
        credentials = await credentials_for(settings, self._resolve, one_time=None)
        if (credentials.method, credentials.email) != (keys.method, keys.email):
            detail = "the configured sign-in is another one than the held keys were made with"
            raise ProviderFault(Fault.CREDENTIALS_MISSING, detail)
        cloud = await self._cloud(settings.id, keys)
        place = Place(base_url=keys.base_url, region=keys.region)
        fresh = await cloud.authenticate(place, credentials, refresh=keys)
        try:
            await self._vault.put(bind_id, site=settings.id, keys=fresh)
        except (VaultLocked, JournalUnavailable) as error:
            undone = "" if fresh.identity == keys.identity else f" ({await undo(cloud, fresh)})"
            detail = f"the refreshed keys could not be stored{undone}: {error}"
            raise ProviderFault(Fault.KEYS_NOT_STORED, detail) from None
        return BindingRefreshed(bind_id=bind_id, expires_at=fresh.expires_at)

    async def _revoke(self, site: str, bind_id: str) -> None:
        try:
            await self._end(site, bind_id)
        except ProviderFault as fault:
            event: Event = RevocationFailed(bind_id=bind_id, fault=fault.fault, detail=fault.detail)
        else:
            event = KeysRevoked(bind_id=bind_id)
        self._inbox.post(site, event)

    async def _end(self, site: str, bind_id: str) -> None:
        """Revoke at the service, unless the same keys are in use under another bind id."""
        await self._store_late(site, bind_id)
        keys = self._unstored.get(bind_id) or await self._stored(bind_id)
        if keys is None:
            _log.info("no keys of bind %s are stored: nothing is left to revoke", bind_id, extra={"site": site})
            return
        held = self._snapshot_of(site).binding
        if held is not None and held.bind_id != bind_id:
            in_use = await self._stored(held.bind_id)
            if in_use is not None and in_use.identity == keys.identity:
                return
        await (await self._cloud(site, keys)).revoke(keys)

    async def _store_late(self, site: str, bind_id: str) -> None:
        """Keys that only memory holds would be lost with the process, and nobody could revoke them."""
        keys = self._unstored.get(bind_id)
        if keys is None:
            return
        try:
            await self._vault.put(bind_id, site=site, keys=keys)
        except (VaultLocked, JournalUnavailable) as error:
            _log.warning("the keys of bind %s are in memory only: %s", bind_id, error, extra={"site": site})
        else:
            self._unstored.drop(bind_id)

    async def _wipe(self, site: str, bind_id: str) -> None:
        """Return when nothing of the keys is left in any file, however often that must be tried."""
        self._unstored.drop(bind_id)
        told = ""
        while True:
            try:
                await self._vault.wipe(bind_id)
            except JournalUnavailable as error:
                if str(error) != told:
                    _log.warning("the keys of bind %s are not wiped yet: %s", bind_id, error, extra={"site": site})
                told = str(error)
                since = self.unwiped[site].since if site in self.unwiped else self._clock.now()
                self.unwiped[site] = Unwiped(bind_id, str(error), since)
                await self._clock.sleep(_WIPE_AGAIN)
            else:
                self.unwiped.pop(site, None)
                return

    async def _unbind(self, site: str, bind_id: str, *, local_only: bool) -> None:
        """Revoke, wipe, and only then say so: who reads that it is finished finds no key in any file.

        Until then the snapshot says that an unbind is under way, and a restart begins it again: keys that are
        gone from the service or from the vault already are no hindrance.
        """
        try:
            left = LEFT_BY_LOCAL_ONLY if local_only else await self._end_held(site, bind_id)
        except ProviderFault as fault:
            self._inbox.post(site, UnbindFailed(bind_id=bind_id, fault=fault.fault, detail=fault.detail))
            return
        await self._wipe(site, bind_id)
        self._inbox.post(site, UnbindFinished(bind_id=bind_id, left_behind=left))

    async def _end_held(self, site: str, bind_id: str) -> str:
        """Revoke; what stays valid at the service all the same, in words."""
        held = self._snapshot_of(site).binding
        await self._end(site, bind_id)
        return LEFT_BY_APPLICATION if held is not None and held.method == "application" else ""

    async def _stored(self, bind_id: str) -> Keys | None:
        try:
            return await self._vault.get(bind_id)
        except (VaultLocked, JournalUnavailable) as error:
            raise ProviderFault(Fault.KEYS_NOT_STORED, str(error)) from None

    async def _keys(self, bind_id: str) -> Keys:
        keys = await self._stored(bind_id)
        if keys is None:
            detail = f"the vault holds no keys for {bind_id}: the database was replaced or restored"
            raise ProviderFault(Fault.KEYS_REFUSED, detail)
        return keys

    async def _cloud(self, site: str, keys: Keys) -> Cloud:
        settings = self._settings_of(site)
        route = await route_for(settings.connection, self._resolve) if settings else Route()
        suffixes = settings.binding.trusted_suffixes if settings else ()
        return self._clouds.cloud(keys.method, route, service_url=keys.base_url, trusted_suffixes=suffixes)


def _missed(bind_id: str) -> Event:
    return VerificationMissed(bind_id=bind_id, fault=Fault.UNEXPECTED, detail=_DEFECT)


def _unverified(bind_id: str, fault: ProviderFault, *, credentials: str | None = None) -> Event:
    if fault.fault in _REFUSALS:
        refused = credentials if fault.fault.refuses_credentials else None
        return VerificationRefused(bind_id=bind_id, fault=fault.fault, detail=fault.detail, credentials=refused)
    wait = None if fault.retry_after is None else max(0, round(fault.retry_after))
    return VerificationMissed(bind_id=bind_id, fault=fault.fault, detail=fault.detail, retry_after=wait)
