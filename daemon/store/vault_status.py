"""How the vault stands, from the files alone: works beside a running daemon and changes nothing.

Called by `sitebind vault status`. It blocks, so it does not belong on a loop.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from daemon.ports import Secret, VaultLocked
from daemon.store import vault_key
from daemon.store.connection import uri
from daemon.store.trouble import unavailable
from daemon.store.vault_opening import Traces, traces


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultStatus:
    """`key_id` sealed the database, `found` is the id of the key that was found; `problem` is empty when it fits.

    `sealed` counts records by site, `other_key` those that another key sealed.
    """

    key_id: str | None
    found: str | None
    source: str
    problem: str
    sealed: Mapping[str, int]
    other_key: int
    last_rekey: str | None


def status_of(database: Path, *, key: Secret | None, source: str, locked: str) -> VaultStatus:
    """Look at a database and the key for it: `key` is the configured one, else the key file is read.

    Raises `daemon.ports.JournalUnavailable` when the database cannot be read.
    """
    try:
        with closing(sqlite3.connect(uri(database, "ro"), uri=True, isolation_level=None)) as connection:
            found = traces(connection)
            rows = connection.execute("SELECT site, count(*) FROM vault GROUP BY site ORDER BY site").fetchall()
            others = connection.execute("SELECT count(*) FROM vault WHERE key_id IS NOT ?", (found.key_id,))
            other = others.fetchone()[0]
            last = connection.execute("SELECT max(at) FROM audit WHERE event = 'vault_rekeyed'").fetchone()[0]
    except sqlite3.Error as error:
        raise unavailable(error, database) from error
    held, problem = _held(database, key, found, locked=locked)
    return VaultStatus(
        key_id=found.key_id,
        found=held,
        source=source or f"key file {vault_key.beside(database)}",
        problem=problem,
        sealed=dict(rows),
        other_key=other,
        last_rekey=last,
    )


def _held(database: Path, key: Secret | None, found: Traces, *, locked: str) -> tuple[str | None, str]:
    if locked:
        return None, locked
    try:
        held = _ids(database, key, found)
    except (VaultLocked, FileNotFoundError) as error:
        return None, str(error)
    if found.key_id in {None, *held}:
        return found.key_id or held[0], ""
    return held[0], f"the key that is found ({held[0]}) is not the one that sealed the database ({found.key_id})"


def _ids(database: Path, key: Secret | None, found: Traces) -> list[str]:
    """The ids of the keys that are there; a key file may have its successor beside it."""
    if key is None:
        file = vault_key.beside(database)
        files = [file, *filter(Path.exists, [vault_key.coming(file)])]
        return [vault_key.key_id(vault_key.from_file(one)) for one in files]
    text = key.reveal()
    made = vault_key.from_text(text)
    if made is None and found.salt is not None:
        made = vault_key.from_passphrase(text, found.salt)
    if made is None:
        raise VaultLocked("the configured key is a passphrase, and the database does not know its salt yet")
    return [vault_key.key_id(made)]
