"""Keys that the service issued and the vault could not take. Shared by the bind procedure and the caretaker.

They are revoked at once; where that fails too they stay in memory, and "revoke pending", until the service
confirms or the vault can take them after all.
"""

from __future__ import annotations

from daemon.ports import Cloud, Keys, ProviderFault


class Unstored:
    """By bind id. Memory only: nothing else could hold them."""

    def __init__(self) -> None:
        self._kept: dict[str, Keys] = {}

    def __contains__(self, bind_id: str) -> bool:
        return bind_id in self._kept

    async def end(self, bind_id: str, cloud: Cloud, keys: Keys) -> str:
        """Revoke them now, or keep them for the next try; what became of them, for the bind report."""
        try:
            await cloud.revoke(keys)
        except ProviderFault as fault:
            self._kept[bind_id] = keys
            return f"and could not be revoked yet, which is tried again until the service confirms: {fault.detail}"
        return "they were revoked"

    def get(self, bind_id: str) -> Keys | None:
        """What is kept."""
        return self._kept.get(bind_id)

    def drop(self, bind_id: str) -> None:
        """They are revoked, or the vault holds them now."""
        self._kept.pop(bind_id, None)
