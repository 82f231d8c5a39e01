"""Another key for the vault of the running daemon. Used by the front door."""

from __future__ import annotations

from daemon.config.model import SecretSource
from daemon.config.secrets import SecretUnreadable
from daemon.engine.operations import Caller, RequestRefused
from daemon.engine.signin import Resolve
from daemon.ports import Clock, Rekeyed, Vault, VaultLocked

KEY_IS_CONFIGURED = (
    "the vault's key comes from [daemon] vault_key, where sitebind cannot write. Put a new key somewhere, for example "
    "in a file of mode 0400, and name it"
)


async def rekey(
    vault: Vault, *, caller: Caller, source: SecretSource | None, resolve: Resolve, clock: Clock
) -> Rekeyed:
    """Seal every record anew. Raises `RequestRefused` with what to do, and `daemon.ports.JournalUnavailable`."""
    if source is None and vault.key_is_configured:
        raise RequestRefused("vault-key-configured", KEY_IS_CONFIGURED)
    try:
        to = None if source is None else await resolve(source)
        return await vault.rekey(
            actor=caller.actor,
            request_id=caller.request_id,
            at=clock.now(),
            to=to,
            source="" if source is None else str(source),
        )
    except (SecretUnreadable, VaultLocked) as error:
        raise RequestRefused("vault-locked", str(error)) from None
