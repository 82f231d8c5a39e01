"""The doctor's dealings with keys: the held ones, and those of a real login, which are ended again at once.

A real login is sealed like a bind's, so that a crash in the middle leaves an orphan that the next start revokes.
"""

from __future__ import annotations

from collections.abc import Callable

from daemon.config.model import SiteSettings
from daemon.engine.doctor import SIGNED_OUT
from daemon.engine.fingerprints import Fingerprints
from daemon.engine.issuing import Issuing, SignIn
from daemon.engine.unstored import Unstored
from daemon.ports import (
    Authorization,
    Inbox,
    JournalUnavailable,
    Keys,
    ProviderFault,
    Vault,
    VaultLocked,
)
from states import Fault
from states.events import OrphanFound


class Proving:
    """Made for all sites. `new_id` makes a name that no other keys ever had."""

    def __init__(
        self,
        *,
        vault: Vault,
        unstored: Unstored,
        fingerprints: Fingerprints,
        inbox: Inbox,
        new_id: Callable[[], str],
    ) -> None:
        self._vault = vault
        self._unstored = unstored
        self._fingerprints = fingerprints
        self._inbox = inbox
        self._new_id = new_id

    async def held(self, bind_id: str) -> Keys:
        """The held keys. Raises `ProviderFault` when the vault does not open or does not hold them."""
        try:
            keys = await self._vault.get(bind_id)
        except VaultLocked as error:
            raise ProviderFault(Fault.KEYS_NOT_STORED, str(error)) from None
        if keys is None:
            detail = f"the vault holds no keys for {bind_id}: the database was replaced or restored"
            raise ProviderFault(Fault.KEYS_REFUSED, detail)
        return keys

    async def fingerprint(self, settings: SiteSettings) -> str:
        """The digest of the configured sign-in as it is now, to compare with a refused one. Raises `ProviderFault`."""
        try:
            terms, _ = await self._fingerprints.take(settings)
        except VaultLocked as error:
            raise ProviderFault(Fault.KEYS_NOT_STORED, str(error)) from None
        return terms.credentials or ""

    async def login(self, sign_in: SignIn, *, site: str) -> tuple[Authorization | ProviderFault, str]:
        """Sign in, read what the user may do, and sign out; what became of the keys stands beside it, in words.

        Raises `ProviderFault` for a sign-in that issued no keys.
        """
        bind_id, sealed = f"{site}-doctor-{self._new_id()}", list[str]()
        issuing = Issuing(
            vault=self._vault,
            unstored=self._unstored,
            bind_id=bind_id,
            site=site,
            sealed=lambda: sealed.append(bind_id),
        )
        found: Authorization | ProviderFault
        try:
            keys = await issuing.keys(sign_in)
            try:
                found = await sign_in.cloud.authorize(keys)
            except ProviderFault as fault:
                found = fault
            said = await self._end(sign_in, keys, bind_id=bind_id)
            sealed.clear()
        finally:
            for left in sealed:
                # "Revoke pending" until the service confirms, as after a bind that failed.
                self._inbox.post(site, OrphanFound(bind_id=left))
        return found, said

    async def _end(self, sign_in: SignIn, keys: Keys, *, bind_id: str) -> str:
        """Revoke and wipe; what fails is left to the site's caretaker."""
        site = bind_id.rpartition("-doctor-")[0]
        try:
            await sign_in.cloud.revoke(keys)
            await self._vault.wipe(bind_id)
        except ProviderFault as fault:
            self._inbox.post(site, OrphanFound(bind_id=bind_id))
            return f"signing out failed and is tried again until the service confirms: {fault.detail}"
        except JournalUnavailable as error:
            self._inbox.post(site, OrphanFound(bind_id=bind_id))
            return f"{SIGNED_OUT}; they are wiped here as soon as possible: {error}"
        return SIGNED_OUT
