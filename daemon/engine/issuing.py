"""A sign-in that issues keys, and the vault that takes them, in one go that nothing tears apart.

Used by the bind procedure and by the doctor: keys that the service issued must be known, or nobody could revoke
them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from daemon.engine.unstored import Unstored
from daemon.ports import (
    Cloud,
    Credentials,
    JournalUnavailable,
    Keys,
    Place,
    ProviderFault,
    Vault,
    VaultLocked,
)
from states import Fault

_log = logging.getLogger("sitebind.issuing")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Who signs in where. With `refresh` those keys are extended instead of creating more."""

    cloud: Cloud
    place: Place
    credentials: Credentials
    refresh: Keys | None = None


class Issuing:
    """One sign-in whose keys are kept under `bind_id`; `sealed` is called once there are keys to end."""

    def __init__(
        self, *, vault: Vault, unstored: Unstored, bind_id: str, site: str, sealed: Callable[[], None]
    ) -> None:
        self._vault = vault
        self._unstored = unstored
        self._bind_id = bind_id
        self._site = site
        self._sealed = sealed

    async def keys(self, sign_in: SignIn) -> Keys:
        """Sign in and seal. Raises `ProviderFault`. Whoever cancels waits for the answer of the service."""
        work = asyncio.create_task(self._signed_in_and_sealed(sign_in), name=f"sign-in {self._bind_id}")
        cancelled = False
        while not work.done():
            try:
                await asyncio.wait({work})
            except asyncio.CancelledError:  # once by a change, and perhaps again by a stop
                cancelled = True
        if not cancelled:
            return work.result()
        if not work.cancelled() and (error := work.exception()) is not None:
            _log.info("bind %s was cancelled during the sign-in: %s", self._bind_id, error)
        raise asyncio.CancelledError

    async def _signed_in_and_sealed(self, sign_in: SignIn) -> Keys:
        keys = await sign_in.cloud.authenticate(sign_in.place, sign_in.credentials, refresh=sign_in.refresh)
        try:
            await self._vault.put(self._bind_id, site=self._site, keys=keys)
        except (VaultLocked, JournalUnavailable) as error:
            undone = await self._undo(sign_in, keys)
            if self._bind_id in self._unstored:
                self._sealed()
            detail = f"the keys could not be stored ({undone}): {error}"
            raise ProviderFault(Fault.KEYS_NOT_STORED, detail) from None
        self._sealed()
        return keys

    async def _undo(self, sign_in: SignIn, keys: Keys) -> str:
        if sign_in.refresh is not None and sign_in.refresh.identity == keys.identity:
            return "extended keys stay as they were"
        return await self._unstored.end(self._bind_id, sign_in.cloud, keys)


async def undo(cloud: Cloud, keys: Keys) -> str:
    """End keys that could not be stored; what became of them, for the report."""
    try:
        await cloud.revoke(keys)
    except ProviderFault as fault:
        return f"and could not be revoked: {fault.detail}; end them in the Mimecast console"
    return "they were revoked"
