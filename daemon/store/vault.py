"""The vault: a binding's keys, sealed with AES-256-GCM. Implements `daemon.ports.Vault` beside the journal.

A record's identity (bind id, site, key id, version) is associated data, so a sealed blob that was copied into
another row does not open. Every record names its key, so that keys can be exchanged one day.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from daemon.ports import JournalUnavailable, Keys, Secret, VaultLocked
from daemon.store import vault_key
from daemon.store.connection import transaction
from daemon.store.journal import SqliteJournal
from daemon.store.writer import checkpoint

_log = logging.getLogger("sitebind.store")

VERSION = 1
_KEY_ID = "vault_key_id"
_SALT = "vault_salt"
_IF_LOST = (
    "If it is lost for good, so are the keys that it sealed: stop sitebind, run sqlite3 {database} "
    "\"DELETE FROM vault; DELETE FROM meta WHERE name = 'vault_key_id'\", start it and rebind every site."
)


@dataclass(frozen=True, slots=True)
class _Traces:
    """What the database says about earlier use."""

    key_id: str | None
    salt: bytes | None
    sealed: int


class SealedVault:
    """Keys lie in the journal's database; `open` follows the journal's.

    `key` is the configured key: base64 of 32 bytes, or else a passphrase. `locked` says why a configured key
    could not be resolved. Without both, `key_file` (default: the database's name and `.key`) is used, and made
    if nothing was ever sealed.
    """

    def __init__(
        self,
        journal: SqliteJournal,
        *,
        key: Secret | None = None,
        key_file: Path | None = None,
        locked: str = "",
    ) -> None:
        self._journal = journal
        self._configured = key
        self._file = key_file or journal.path.with_name(f"{journal.path.name}.key")
        self._locked = locked
        self._key: bytes | None = None
        self._problem: str | None = "the vault is not open"

    async def open(self) -> None:
        """Find the key. Never fails for want of one: `problem` says it. May be called again to try again."""
        try:
            traces = await self._journal.read(_traces)
            key = await self._obtain(traces)
            if traces.key_id not in {None, vault_key.key_id(key)}:
                raise VaultLocked(
                    f"the vault's key does not fit: {self._where()} holds another key than the one "
                    f"({traces.key_id}) that sealed this database. Restore that one. {self._if_lost()}"
                )
            await self._remember_use(key)
        except (VaultLocked, JournalUnavailable) as error:
            self._key, self._problem = None, str(error)
        else:
            self._key, self._problem = key, None

    def problem(self) -> str | None:
        """Why the vault is locked, for the list of problems; None while all is well."""
        return self._problem

    async def put(self, bind_id: str, *, site: str, keys: Keys) -> None:
        key, document = self._unlocked(), _document(keys)

        def work(connection: sqlite3.Connection) -> None:
            used, nonce = vault_key.key_id(key), secrets.token_bytes(12)
            sealed = _cipher(key).encrypt(nonce, document, _identity(bind_id, site, used, VERSION))
            with transaction(connection):
                _record_use(connection, used)
                connection.execute(
                    "INSERT OR REPLACE INTO vault (bind_id, site, version, key_id, nonce, sealed) "
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    (bind_id, site, VERSION, used, nonce, sealed),
                )

        await self._journal.write(work)

    async def get(self, bind_id: str) -> Keys | None:
        key = self._unlocked()

        def work(connection: sqlite3.Connection) -> Keys | None:
            row = connection.execute(
                "SELECT site, version, key_id, nonce, sealed FROM vault WHERE bind_id = ?", (bind_id,)
            ).fetchone()
            return None if row is None else _opened(key, bind_id, row)

        return await self._journal.read(work)

    async def ids(self) -> dict[str, str]:
        rows = await self._journal.read(
            lambda db: db.execute("SELECT bind_id, site FROM vault ORDER BY bind_id").fetchall()
        )
        return dict(rows)

    async def wipe(self, bind_id: str) -> None:
        """See the port; needs no key. Raises `JournalUnavailable`, also when the log could not be emptied."""

        def work(connection: sqlite3.Connection) -> bool:
            # secure_delete overwrites the row; emptying the log removes the pages that still hold it.
            with transaction(connection):
                connection.execute("DELETE FROM vault WHERE bind_id = ?", (bind_id,))
            return checkpoint(connection)

        if not await self._journal.write(work):
            raise JournalUnavailable(
                f"the keys are removed, but another program reads {self._journal.path} and keeps their sealed "
                "bytes in its write-ahead log. End that program (a backup, an open sqlite3 shell) and try again."
            )

    def fingerprint(self, parts: Sequence[str]) -> str:
        encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
        # Each part says its length first: ("ab", "c") and ("a", "bc") must differ.
        message = b"".join(b"%d:%b" % (len(part), part) for part in encoded)
        return hmac.digest(vault_key.derived(self._unlocked(), "fingerprint"), message, "sha256").hex()

    def _unlocked(self) -> bytes:
        if self._key is None:
            raise VaultLocked(self._problem)
        return self._key

    def _if_lost(self) -> str:
        return _IF_LOST.format(database=self._journal.path)

    def _where(self) -> str:
        return str(self._file) if self._configured is None else "[daemon] vault_key"

    async def _obtain(self, traces: _Traces) -> bytes:
        if self._locked:
            raise VaultLocked(self._locked)
        if self._configured is None:
            return await asyncio.to_thread(_from_file, self._file, traces, if_lost=self._if_lost())
        text = self._configured.reveal()
        key = vault_key.from_text(text)
        if key is not None:
            return key
        salt = traces.salt
        if salt is None:
            salt = await self._journal.write(_new_salt)
        return await asyncio.to_thread(vault_key.from_passphrase, text, salt)

    async def _remember_use(self, key: bytes) -> None:
        """From now on a missing key is a loss, even if nothing is sealed: fingerprints depend on it."""

        def work(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                _record_use(connection, vault_key.key_id(key))

        try:
            await self._journal.write(work)
        except JournalUnavailable as error:
            _log.warning("the use of the vault's key is recorded with the next keys: %s", error)


def _from_file(path: Path, traces: _Traces, *, if_lost: str) -> bytes:
    try:
        return vault_key.from_file(path)
    except FileNotFoundError as error:
        if traces.key_id is not None or traces.sealed:
            raise VaultLocked(
                f"the vault's key file {path} is missing, and {traces.sealed} sealed records need it. Restore it "
                f"from a backup, or name the key in [daemon] vault_key; then restart. {if_lost}"
            ) from error
        return vault_key.make(path)


def _traces(connection: sqlite3.Connection) -> _Traces:
    meta = dict(connection.execute("SELECT name, value FROM meta").fetchall())
    (sealed,) = connection.execute("SELECT count(*) FROM vault").fetchone()
    salt = meta.get(_SALT)
    return _Traces(meta.get(_KEY_ID), None if salt is None else bytes.fromhex(salt), sealed)


def _new_salt(connection: sqlite3.Connection) -> bytes:
    salt = secrets.token_bytes(16)
    with transaction(connection):
        connection.execute("INSERT INTO meta (name, value) VALUES (?, ?)", (_SALT, salt.hex()))
    return salt


def _record_use(connection: sqlite3.Connection, used: str) -> None:
    connection.execute("INSERT OR IGNORE INTO meta (name, value) VALUES (?, ?)", (_KEY_ID, used))


def _identity(bind_id: str, site: str, used: str, version: int) -> bytes:
    # Only the first can hold a bar, so no two identities look the same.
    return f"{bind_id}|{site}|{used}|{version}".encode()


def _cipher(key: bytes) -> Any:
    # Loading it takes longer than everything else at start; this runs on the database's thread, when needed.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    return AESGCM(vault_key.derived(key, "seal"))


def _opened(key: bytes, bind_id: str, row: tuple[str, int, str, bytes, bytes]) -> Keys:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see _cipher

    site, version, used, nonce, sealed = row
    if used != vault_key.key_id(key):
        raise VaultLocked(f"the keys of bind {bind_id} were sealed with another key ({used}): restore it, or rebind")
    if version != VERSION:
        raise VaultLocked(f"the keys of bind {bind_id} were sealed by a newer sitebind: install that, or rebind")
    try:
        return _keys(_cipher(key).decrypt(nonce, sealed, _identity(bind_id, site, used, version)))
    except InvalidTag as error:
        raise VaultLocked(
            f"the sealed keys of bind {bind_id} were changed or moved from another record: find out who wrote "
            "into the database, run `sitebind audit verify`, then rebind"
        ) from error


def _document(keys: Keys) -> bytes:
    """The keys as JSON with their secrets: exists only on its way into the seal."""
    return json.dumps(
        {
            "method": keys.method,
            "base_url": keys.base_url,
            "region": keys.region,
            "email": keys.email,
            "identity": keys.identity,
            "expires_at": None if keys.expires_at is None else keys.expires_at.isoformat(),
            "values": {name: value.reveal() for name, value in keys.values.items()},
        }
    ).encode()


def _keys(document: bytes) -> Keys:
    found = json.loads(document)
    expires_at, values = found.pop("expires_at"), found.pop("values")
    return Keys(
        **found,
        expires_at=None if expires_at is None else datetime.fromisoformat(expires_at),
        values={name: Secret(value) for name, value in values.items()},
    )
