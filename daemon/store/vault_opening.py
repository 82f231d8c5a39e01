"""Finding the vault's key and that it fits, and what the database remembers of it. Called by the vault.

Fingerprints have a key of their own, which lies in the database, sealed with the vault's: so they stay as they
are when the vault's key changes, and a new key does not look like a changed configuration.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path

from daemon.config.model import DaemonSettings
from daemon.config.secrets import SecretUnreadable, resolve
from daemon.ports import Secret, VaultLocked
from daemon.store import vault_key
from daemon.store.connection import transaction
from daemon.store.journal import SqliteJournal
from daemon.store.sealing import open_text, seal_text

_log = logging.getLogger("sitebind.store")

KEY_ID = "vault_key_id"
SALT = "vault_salt"
PRINTS = "fingerprint_key"
_IF_LOST = (
    "If it is lost for good, so are the keys that it sealed: stop sitebind, run sqlite3 {database} "
    "\"DELETE FROM vault; DELETE FROM meta WHERE name IN ('vault_key_id', 'fingerprint_key')\", start it and rebind "
    "every site."
)


@dataclass(frozen=True, slots=True)
class Opening:
    """Where the key comes from: `configured` and `locked` as for the vault, else the `file`."""

    database: Path
    configured: Secret | None
    file: Path
    locked: str

    def now_with(self, key: Secret | None) -> Opening:
        """After a rekey to this configured key, or to the key file."""
        return replace(self, configured=key, locked="")

    @property
    def where(self) -> str:
        """For people."""
        return str(self.file) if self.configured is None else "[daemon] vault_key"

    @property
    def if_lost(self) -> str:
        """What to do when the key cannot be found any more."""
        return _IF_LOST.format(database=self.database)


@dataclass(frozen=True, slots=True)
class Traces:
    """What the database says about earlier use."""

    key_id: str | None
    salt: bytes | None
    prints: str | None
    sealed: int
    untouched: bool


async def configured_key(settings: DaemonSettings) -> tuple[Secret | None, str]:
    """The configured key and why it could not be had; a vault that stays locked is a problem, not an end."""
    if settings.vault_key is None:
        return None, ""
    try:
        return await resolve(settings.vault_key), ""
    except SecretUnreadable as error:
        return None, str(error)


def traces(connection: sqlite3.Connection) -> Traces:
    """Read them."""
    meta = dict(connection.execute("SELECT name, value FROM meta").fetchall())
    (sealed,) = connection.execute("SELECT count(*) FROM vault").fetchone()
    used = connection.execute("SELECT 1 FROM audit LIMIT 1").fetchone()
    salt = meta.get(SALT)
    return Traces(
        key_id=meta.get(KEY_ID),
        salt=None if salt is None else bytes.fromhex(salt),
        prints=meta.get(PRINTS),
        sealed=sealed,
        untouched=used is None,
    )


async def fitting_key(opening: Opening, found: Traces, journal: SqliteJournal) -> bytes:
    """The key, which fits the database. Raises `VaultLocked` and `daemon.ports.JournalUnavailable`."""
    if opening.locked:
        raise VaultLocked(opening.locked)
    if opening.configured is None:
        return await asyncio.to_thread(from_file, opening, found)
    text = opening.configured.reveal()
    key = vault_key.from_text(text)
    if key is not None:
        return fits(opening, found, key)
    salt = found.salt if found.salt is not None else await journal.write(_new_salt)
    return fits(opening, found, await asyncio.to_thread(vault_key.from_passphrase, text, salt))


def from_file(opening: Opening, found: Traces) -> bytes:
    """The key in its file, or in the one beside it when a rekey was killed before its last act."""
    path, coming = opening.file, vault_key.coming(opening.file)
    key = _read(path)
    if key is not None and found.key_id in {None, vault_key.key_id(key)}:
        if found.key_id is not None:
            _forgotten(coming)
        return key
    other = _read(coming)
    if other is not None and vault_key.key_id(other) == found.key_id:
        _taken_over(path, coming)
        return other
    if key is not None:
        return fits(opening, found, key)
    if found.key_id is not None or found.sealed:
        raise VaultLocked(
            f"the vault's key file {path} is missing, and {found.sealed} sealed records need it. Restore it "
            f"from a backup, or name the key in [daemon] vault_key; then restart. {opening.if_lost}"
        )
    return vault_key.make(path)


def _read(path: Path) -> bytes | None:
    try:
        return vault_key.from_file(path)
    except FileNotFoundError:
        return None


def fits(opening: Opening, found: Traces, key: bytes) -> bytes:
    """The key again. Raises `VaultLocked` when the database was sealed with another one."""
    if found.key_id in {None, vault_key.key_id(key)}:
        return key
    raise VaultLocked(
        f"the vault's key does not fit: {opening.where} holds another key than the one ({found.key_id}) that sealed "
        f"this database. Restore that one; after a rekey it is the new one. {opening.if_lost}"
    )


def prints_of(key: bytes, found: Traces) -> tuple[bytes, bool]:
    """The fingerprints' key and whether it is made just now. Raises `VaultLocked`.

    Databases of the first versions have none: there it follows from the vault's key, as their fingerprints did.
    """
    if found.prints is not None:
        return open_text(key, PRINTS, found.prints), False
    if found.untouched and found.key_id is None:
        return secrets.token_bytes(vault_key.SIZE), True
    return vault_key.derived(key, vault_key.PRINTS), False


def record_use(connection: sqlite3.Connection, key: bytes, prints: bytes) -> None:
    """Note the key's id and the sealed key of the fingerprints, unless they are; inside a transaction."""
    put = "INSERT OR IGNORE INTO meta (name, value) VALUES (?, ?)"
    connection.execute(put, (KEY_ID, vault_key.key_id(key)))
    if connection.execute("SELECT 1 FROM meta WHERE name = ?", (PRINTS,)).fetchone() is None:
        connection.execute(put, (PRINTS, seal_text(key, PRINTS, prints)))


def key_of(secret: Secret) -> tuple[bytes, bytes | None]:
    """A configured key that is new, with the salt to store when it is a passphrase. Slow for a passphrase."""
    text = secret.reveal()
    key = vault_key.from_text(text)
    if key is not None:
        return key, None
    salt = secrets.token_bytes(16)
    return vault_key.from_passphrase(text, salt), salt


def _taken_over(path: Path, coming: Path) -> None:
    try:
        vault_key.take_over(path)
    except OSError as error:
        _log.warning("the vault's new key stays in %s: it cannot be moved to %s: %s", coming, path, error)
    else:
        _log.info("a rekey of the vault was interrupted after its records were sealed: finished it")


def _forgotten(coming: Path) -> None:
    try:
        if not coming.exists():
            return
        vault_key.forget(coming)
    except OSError as error:
        _log.warning("%s opens nothing and cannot be removed: %s", coming, error)
    else:
        _log.info("a rekey of the vault was interrupted before its records were sealed: the old key is in force")


def _new_salt(connection: sqlite3.Connection) -> bytes:
    salt = secrets.token_bytes(16)
    with transaction(connection):
        connection.execute("INSERT INTO meta (name, value) VALUES (?, ?)", (SALT, salt.hex()))
    return salt
