"""What a new vault key changes in the database, as statements for one transaction. Called by the vault."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from daemon.ports import VaultLocked
from daemon.store import vault_key
from daemon.store.sealing import Row, reseal, seal_text
from daemon.store.vault_opening import KEY_ID, PRINTS, SALT
from daemon.store.writer import Statement

_META = "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)"
_RECORD = "UPDATE vault SET version = ?, key_id = ?, nonce = ?, sealed = ? WHERE bind_id = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The statements; `left` are bind ids whose records did not open before, and stay as they are."""

    statements: tuple[Statement, ...]
    records: int
    left: tuple[str, ...]
    old: str
    new: str

    @property
    def detail(self) -> dict[str, Any]:
        """For the audit record: names of keys, which say nothing about them."""
        said: dict[str, Any] = {"records": self.records, "old_key": self.old, "new_key": self.new}
        return said | ({"not_opened": list(self.left)} if self.left else {})


def plan(connection: sqlite3.Connection, *, old: bytes, new: bytes, prints: bytes, salt: bytes | None) -> Plan:
    """Read and seal anew; writes nothing. `salt` belongs to a new passphrase."""
    rows = connection.execute("SELECT bind_id, site, version, key_id, nonce, sealed FROM vault ORDER BY bind_id")
    records, left = [], []
    for bind_id, *row in rows.fetchall():
        found: Row = tuple(row)
        try:
            _, *fresh = reseal(bind_id, found, old=old, new=new)
        except VaultLocked:
            # Nobody could open it before either; `left` tells it, and a rebind replaces it.
            left.append(bind_id)
        else:
            records.append((_RECORD, (*fresh, bind_id)))
    meta = [(_META, (KEY_ID, vault_key.key_id(new))), (_META, (PRINTS, seal_text(new, PRINTS, prints)))]
    meta += [] if salt is None else [(_META, (SALT, salt.hex()))]
    return Plan(
        statements=(*records, *meta),
        records=len(records),
        left=tuple(left),
        old=vault_key.key_id(old),
        new=vault_key.key_id(new),
    )
