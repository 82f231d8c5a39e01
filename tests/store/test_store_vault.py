"""The vault gives keys back to whom they belong, leaves nothing behind, and never replaces a lost key."""

from __future__ import annotations

import asyncio
import base64
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from daemon.ports import JournalEntry, JournalUnavailable, Keys, Secret, VaultLocked
from daemon.store import connection as connection_module
from daemon.store import vault_key
from daemon.store.journal import SqliteJournal
from daemon.store.vault import SealedVault

CANARY = "canary-8c1f-secret-key"


def some_keys(**changes: Any) -> Keys:
    values: dict[str, Any] = {
        "method": "cloud", "base_url": "https://eu-api.example", "region": "eu", "email": "admin@example.com",
        "identity": "abc123", "expires_at": datetime(2030, 6, 1, tzinfo=UTC),
        "values": {"access_key": Secret("access"), "secret_key": Secret(CANARY)},
    }  # fmt: skip
    return Keys(**{**values, **changes})


@pytest.fixture
async def vault(journal: SqliteJournal) -> SealedVault:
    vault = SealedVault(journal)
    await vault.open()
    assert vault.problem() is None
    return vault


@pytest.fixture
def key_file(path: Path) -> Path:
    return path.with_name("sitebind.db.key")


async def reopened(journal: SqliteJournal, **options: Any) -> SealedVault:
    vault = SealedVault(journal, **options)
    await vault.open()
    return vault


async def test_keys_come_back_as_they_were(vault: SealedVault) -> None:
    await vault.put("b1", site="default", keys=some_keys())
    await vault.put("b2", site="other", keys=some_keys(expires_at=None, values={}))
    assert await vault.get("b1") == some_keys()
    assert await vault.get("b2") == some_keys(expires_at=None, values={})
    assert await vault.get("b3") is None
    assert await vault.ids() == {"b1": "default", "b2": "other"}


async def test_putting_again_replaces(vault: SealedVault) -> None:
    await vault.put("b1", site="default", keys=some_keys())
    await vault.put("b1", site="default", keys=some_keys(region="us"))
    found = await vault.get("b1")
    assert found is not None
    assert found.region == "us"


async def test_another_start_opens_what_this_one_sealed(vault: SealedVault, journal: SqliteJournal) -> None:
    await vault.put("b1", site="default", keys=some_keys())
    print_before = vault.fingerprint(["a"])
    again = await reopened(journal)
    assert await again.get("b1") == some_keys()
    assert again.fingerprint(["a"]) == print_before


async def test_nothing_readable_lies_on_the_disk(vault: SealedVault, path: Path) -> None:
    await vault.put("b1", site="default", keys=some_keys())
    for file in path.parent.iterdir():
        assert CANARY.encode() not in file.read_bytes()
        assert b"admin@example.com" not in file.read_bytes()


@pytest.mark.parametrize("column", ["bind_id", "site", "version", "nonce", "sealed"])
async def test_a_sealed_record_opens_only_where_it_belongs(vault: SealedVault, path: Path, column: str) -> None:
    """A blob moved into another row, or any part of a row changed, is refused."""
    await vault.put("b1", site="default", keys=some_keys())
    await vault.put("b2", site="other", keys=some_keys())
    with closing(sqlite3.connect(path)) as connection:
        if column == "bind_id":
            connection.execute("UPDATE vault SET bind_id = 'b3' WHERE bind_id = 'b1'")
            connection.execute("UPDATE vault SET bind_id = 'b1' WHERE bind_id = 'b2'")
        elif column == "version":
            connection.execute("UPDATE vault SET version = 2")
        else:
            other = f"(SELECT {column} FROM vault WHERE bind_id = 'b2')"
            connection.execute(f"UPDATE vault SET {column} = {other} WHERE bind_id = 'b1'")
        connection.commit()
    with pytest.raises(VaultLocked, match=r"b1.+rebind") as caught:
        await vault.get("b1")
    assert CANARY not in repr(caught.value)


async def test_a_record_sealed_with_another_key_says_so(vault: SealedVault, path: Path) -> None:
    await vault.put("b1", site="default", keys=some_keys())
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE vault SET key_id = 'older'")
        connection.commit()
    with pytest.raises(VaultLocked, match=r"another key \(older\)"):
        await vault.get("b1")


async def test_wiping_leaves_no_byte_in_any_file(
    vault: SealedVault, journal: SqliteJournal, path: Path, entry: Callable[..., JournalEntry]
) -> None:
    """Neither in the database nor in the log beside it, of the record or of the one that it replaced."""
    large = some_keys(values={"token": Secret("t" * 20_000)})
    sealed: list[bytes] = []
    for keys in (large, some_keys()):
        await vault.put("b1", site="default", keys=keys)
        (row,) = await journal.read(lambda db: db.execute("SELECT nonce, sealed FROM vault").fetchall())
        sealed += [row[1][:64], row[1][-64:], row[0]]
    await journal.append(entry())
    assert any(sealed[3] in file.read_bytes() for file in path.parent.iterdir())
    await vault.wipe("b1")
    left = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert [name for name, content in left.items() for piece in sealed if piece in content] == []
    assert await vault.get("b1") is None
    await vault.wipe("b1")
    assert (await journal.verify()).intact


async def test_a_wipe_that_a_reader_holds_up_is_said_and_can_be_repeated(
    vault: SealedVault, journal: SqliteJournal, path: Path
) -> None:
    await vault.put("b1", site="default", keys=some_keys())
    await journal.write(lambda db: db.execute("PRAGMA busy_timeout = 0").fetchall())
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM vault").fetchall()
        with pytest.raises(JournalUnavailable, match="another program reads"):
            await vault.wipe("b1")
        assert await vault.get("b1") is None
    await vault.wipe("b1")
    assert path.with_name("sitebind.db-wal").read_bytes() == b""


async def test_a_cancelled_put_is_whole(vault: SealedVault) -> None:
    """The keys were issued: they must be known, so that they can be revoked."""
    task = asyncio.create_task(vault.put("b1", site="default", keys=some_keys()), name="put")
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await vault.ids() == {"b1": "default"}


# --- the key -------------------------------------------------------------------------------------


async def test_the_key_file_is_made_for_the_owner_alone(vault: SealedVault, key_file: Path) -> None:
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o400
    assert len(base64.b64decode(key_file.read_bytes())) == 32
    assert sorted(p.name for p in key_file.parent.iterdir() if ".new" in p.name) == []


async def test_a_missing_key_is_a_problem_and_never_replaced(
    vault: SealedVault, journal: SqliteJournal, key_file: Path
) -> None:
    """Not even when nothing is sealed yet: fingerprints depend on it. What needs no key goes on working."""
    await vault.put("b1", site="default", keys=some_keys())
    aside = key_file.rename(key_file.with_name("aside"))
    locked = await reopened(journal)
    assert "is missing, and 1 sealed records need it" in str(locked.problem())
    for call in (locked.get("b1"), locked.put("b2", site="default", keys=some_keys())):
        with pytest.raises(VaultLocked, match="missing"):
            await call
    with pytest.raises(VaultLocked, match="missing"):
        locked.fingerprint(["a"])
    assert not key_file.exists()
    assert await locked.ids() == {"b1": "default"}
    aside.rename(key_file)
    await locked.open()
    assert locked.problem() is None
    assert await locked.get("b1") == some_keys()


async def test_a_locked_vault_can_be_wiped(vault: SealedVault, journal: SqliteJournal, key_file: Path) -> None:
    await vault.put("b1", site="default", keys=some_keys())
    key_file.unlink()
    locked = await reopened(journal)
    await locked.wipe("b1")
    assert await locked.ids() == {}


async def test_another_key_does_not_fit(vault: SealedVault, journal: SqliteJournal) -> None:
    other = await reopened(journal, key=Secret(base64.b64encode(b"k" * 32).decode()))
    assert "does not fit: [daemon] vault_key" in str(other.problem())
    assert str(journal.path) in str(other.problem())
    with pytest.raises(VaultLocked):
        await other.get("b1")


async def test_a_configured_key_that_cannot_be_resolved_locks_the_vault(journal: SqliteJournal, key_file: Path) -> None:
    """It does not fall back to a key of its own."""
    vault = await reopened(journal, locked="[daemon] vault_key: the file does not exist")
    assert vault.problem() == "[daemon] vault_key: the file does not exist"
    assert not key_file.exists()


@pytest.mark.parametrize(
    "text", [base64.b64encode(b"\xff" * 32).decode() + "\n", base64.urlsafe_b64encode(b"\xff" * 32).decode()]
)
async def test_a_configured_key_may_be_base64_in_either_alphabet(journal: SqliteJournal, text: str) -> None:
    assert vault_key.from_text(text) == b"\xff" * 32
    vault = await reopened(journal, key=Secret(text))
    await vault.put("b1", site="default", keys=some_keys())
    assert await (await reopened(journal, key=Secret(text))).get("b1") == some_keys()


async def test_a_configured_passphrase_is_stretched_with_a_stored_salt(journal: SqliteJournal, key_file: Path) -> None:
    vault = await reopened(journal, key=Secret("correct horse battery staple"))
    assert vault.problem() is None
    await vault.put("b1", site="default", keys=some_keys())
    again = await reopened(journal, key=Secret("correct horse battery staple"))
    assert await again.get("b1") == some_keys()
    assert "does not fit" in str((await reopened(journal, key=Secret("wrong"))).problem())
    assert not key_file.exists()


@pytest.mark.parametrize("content", [b"r" * 32, base64.b64encode(b"r" * 32)])
async def test_a_given_key_file_may_be_raw_or_text(journal: SqliteJournal, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "given"
    file.write_bytes(content)
    file.chmod(0o400)
    vault = await reopened(journal, key_file=file)
    assert vault.problem() is None
    assert vault_key.from_file(file) == b"r" * 32


@pytest.mark.parametrize(
    "content, mode, words", [(b"r" * 32, 0o440, "chmod 400"), (b"short", 0o400, "does not hold a key")]
)
async def test_a_key_file_that_cannot_be_trusted_is_refused(
    journal: SqliteJournal, tmp_path: Path, content: bytes, mode: int, words: str
) -> None:
    file = tmp_path / "given"
    file.write_bytes(content)
    file.chmod(mode)
    assert words in str((await reopened(journal, key_file=file)).problem())
    assert file.read_bytes() == content


async def test_a_key_file_that_cannot_be_read_or_made_is_said(journal: SqliteJournal, tmp_path: Path) -> None:
    assert "cannot be read" in str((await reopened(journal, key_file=tmp_path)).problem())
    missing = tmp_path / "missing" / "key"
    assert "could not be made" in str((await reopened(journal, key_file=missing)).problem())


def test_making_a_key_never_replaces_one(tmp_path: Path) -> None:
    """Two starts at once, or a file that came in between."""
    file = tmp_path / "key"
    file.write_bytes(b"precious")
    with pytest.raises(VaultLocked):
        vault_key.make(file)
    assert file.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [file]


async def test_a_journal_that_is_closed_locks_the_vault(path: Path) -> None:
    vault = await reopened(SqliteJournal(path))
    assert "closed" in str(vault.problem())


async def test_a_journal_that_cannot_be_written_now_does_not_lock_the_vault(
    vault: SealedVault, journal: SqliteJournal, path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """The use of the key is recorded with the first keys then."""
    await journal.write(lambda db: db.execute("PRAGMA busy_timeout = 0").fetchall())
    monkeypatch.setattr(connection_module, "BUSY_MILLISECONDS", 0)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        again = await reopened(journal)
        assert again.problem() is None
        assert "recorded with the next keys" in caplog.text
        with pytest.raises(JournalUnavailable, match="locked"):
            await again.put("b1", site="default", keys=some_keys())
    await again.put("b1", site="default", keys=some_keys())


# --- fingerprints --------------------------------------------------------------------------------


async def test_fingerprints_tell_parts_apart(vault: SealedVault) -> None:
    lists = [[], [""], ["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], ["1:a"], ["a", "1:b"], ["a1:b"], ["\ud800"]]
    prints = [vault.fingerprint(parts) for parts in lists]
    assert len(set(prints)) == len(lists)
    assert {len(one) for one in prints} == {64}


async def test_fingerprints_depend_on_the_key(vault: SealedVault, tmp_path: Path) -> None:
    """So nobody can try passwords against a stored fingerprint without it."""
    journal = SqliteJournal(tmp_path / "other.db")
    await journal.open()
    assert (await reopened(journal)).fingerprint(["a"]) != vault.fingerprint(["a"])
    await journal.close()


def test_derived_keys_are_hkdf() -> None:
    """Our two lines against the library's."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    key = b"k" * 32
    theirs = HKDF(algorithm=SHA256(), length=32, salt=b"sitebind vault", info=b"seal").derive(key)
    assert vault_key.derived(key, "seal") == theirs
