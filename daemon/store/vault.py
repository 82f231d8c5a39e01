"""The vault: a binding's keys, sealed. Implements `daemon.ports.Vault` beside the journal.

How it is sealed stands in `daemon.store.sealing`, where the key comes from in `daemon.store.vault_opening`.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from daemon.config.model import DaemonSettings
from daemon.ports import JournalEntry, JournalUnavailable, Keys, Rekeyed, Secret, VaultLocked
from daemon.store import vault_key
from daemon.store.connection import fold, transaction
from daemon.store.journal import SqliteJournal
from daemon.store.rekeying import Plan, plan
from daemon.store.sealing import Row, open_keys, seal_keys
from daemon.store.vault_opening import Opening, configured_key, fitting_key, key_of, prints_of, record_use, traces

_log = logging.getLogger("sitebind.store")

_PUT = "INSERT OR REPLACE INTO vault (bind_id, site, version, key_id, nonce, sealed) VALUES (?, ?, ?, ?, ?, ?)"


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
        self._opening = Opening(
            database=journal.path,
            configured=key,
            file=key_file or vault_key.beside(journal.path),
            locked=locked,
        )
        self._key: bytes | None = None
        self._prints: bytes | None = None
        self._problem: str | None = "the vault is not open"
        # Nothing is sealed or opened while every record gets another key.
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Find the key. Never fails for want of one: `problem` says it. May be called again to try again."""
        async with self._turn:
            try:
                found = await self._journal.read(traces)
                key = await fitting_key(self._opening, found, self._journal)
                prints, new = prints_of(key, found)
                if not await self._remember_use(key, prints) and new:
                    # Not stored yet: what follows from the key is the same at the next start too.
                    prints = vault_key.derived(key, vault_key.PRINTS)
            except (VaultLocked, JournalUnavailable) as error:
                self._key, self._prints, self._problem = None, None, str(error)
            else:
                self._key, self._prints, self._problem = key, prints, None

    def problem(self) -> str | None:
        """Why the vault is locked, for the list of problems; None while all is well."""
        return self._problem

    @property
    def key_is_configured(self) -> bool:
        """Whether the key comes from `[daemon] vault_key`, where only a person can put another one."""
        return self._opening.configured is not None or bool(self._opening.locked)

    async def put(self, bind_id: str, *, site: str, keys: Keys) -> None:
        async with self._turn:
            key, prints = self._unlocked()

            def work(connection: sqlite3.Connection) -> None:
                row = seal_keys(key, bind_id, site=site, keys=keys)
                with transaction(connection):
                    record_use(connection, key, prints)
                    connection.execute(_PUT, (bind_id, *row))

            await self._journal.write(work)

    async def get(self, bind_id: str) -> Keys | None:
        async with self._turn:
            key, _ = self._unlocked()

            def work(connection: sqlite3.Connection) -> Keys | None:
                row: Row | None = connection.execute(
                    "SELECT site, version, key_id, nonce, sealed FROM vault WHERE bind_id = ?", (bind_id,)
                ).fetchone()
                return None if row is None else open_keys(key, bind_id, row)

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
            return fold(connection)

        if not await self._journal.write(work):
            raise JournalUnavailable(f"the keys are removed, but {self._held_up()}")

    def fingerprint(self, parts: Sequence[str]) -> str:
        _, prints = self._unlocked()
        encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
        # Each part says its length first: ("ab", "c") and ("a", "bc") must differ.
        message = b"".join(b"%d:%b" % (len(part), part) for part in encoded)
        return hmac.digest(prints, message, "sha256").hex()

    async def rekey(
        self, *, actor: str, at: datetime, to: Secret | None = None, source: str = "", request_id: str | None = None
    ) -> Rekeyed:
        """Seal every record with another key: `to`, of which `source` tells where it lies, or a new key file.

        The new key is durable before the transaction that changes every record, and takes the old one's place
        after it: at any moment one of the two opens everything, and `open` finds out which. Raises `VaultLocked`
        and `JournalUnavailable`; then the old key is in force.
        """
        async with self._turn:
            key, prints = self._unlocked()
            new, salt = await self._new_key(key, to)
            work = await self._journal.read(lambda db: plan(db, old=key, new=new, prints=prints, salt=salt))
            entry = JournalEntry(
                at=at,
                site="",
                actor=actor,
                event="vault_rekeyed",
                before="",
                after="",
                request_id=request_id,
                detail={**work.detail, "source": source or "key file"},
            )
            await self._journal.append_with(entry, *work.statements)
            self._key, self._opening = new, self._opening.now_with(to)
            return await self._finish(work, from_file=to is None)

    async def _new_key(self, old: bytes, to: Secret | None) -> tuple[bytes, bytes | None]:
        if to is not None:
            new, salt = await asyncio.to_thread(key_of, to)
            if new == old:
                raise VaultLocked("the new key is the one that is in use: put another one there, then ask again")
            return new, salt
        return await asyncio.to_thread(self._make_next, old), None

    def _make_next(self, old: bytes) -> bytes:
        """A new key beside the key file; blocks. Raises `VaultLocked`.

        What a killed rekey left there opens nothing. What one left there that could not put it in its place is the
        key in force, and there may be no other copy of it.
        """
        coming = vault_key.coming(self._opening.file)
        try:
            if vault_key.is_in(coming, old):
                vault_key.take_over(self._opening.file)
            coming.unlink(missing_ok=True)
        except OSError as error:
            raise VaultLocked(
                f"the key in force lies in {coming} and cannot be put in the place of {self._opening.file}: {error}. "
                "Nothing was changed. Put that right, then ask again"
            ) from error
        return vault_key.make(coming, like=self._journal.path)

    async def _finish(self, work: Plan, *, from_file: bool) -> Rekeyed:
        """The records are sealed anew; what is left to do may wait, so it is told and not raised."""
        late: list[str] = []
        if from_file:
            try:
                await asyncio.to_thread(vault_key.take_over, self._opening.file)
            except OSError as error:
                where = vault_key.coming(self._opening.file)
                late.append(f"the new key lies in {where} and is put in its place at the next start: {error}")
        try:
            emptied = await self._journal.write(fold)
        except JournalUnavailable as error:
            late.append(str(error))
        else:
            late += [] if emptied else [f"the old records are replaced, but {self._held_up()}"]
        return Rekeyed(records=work.records, left=work.left, old_key=work.old, new_key=work.new, late=tuple(late))

    def _held_up(self) -> str:
        return (
            f"another program reads {self._journal.path} and keeps their sealed bytes in its write-ahead log. End "
            "that program (a backup, an open sqlite3 shell) and try again."
        )

    def _unlocked(self) -> tuple[bytes, bytes]:
        if self._key is None or self._prints is None:
            raise VaultLocked(self._problem)
        return self._key, self._prints

    async def _remember_use(self, key: bytes, prints: bytes) -> bool:
        """From now on a missing key is a loss, even if nothing is sealed: fingerprints depend on it."""

        def work(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                record_use(connection, key, prints)

        try:
            await self._journal.write(work)
        except JournalUnavailable as error:
            _log.warning("the use of the vault's key is recorded with the next keys: %s", error)
            return False
        return True


async def open_vault(journal: SqliteJournal, settings: DaemonSettings) -> SealedVault:
    """The vault that the settings describe; one that stays locked is said in the log and is a problem, not an end."""
    key, locked = await configured_key(settings)
    vault = SealedVault(journal, key=key, locked=locked)
    await vault.open()
    if (problem := vault.problem()) is not None:
        _log.error("the vault is locked: %s", problem)
    return vault
