"""Another key for the vault: every record opens afterwards, nothing else changes, and no death loses a key."""

from __future__ import annotations

import base64
import errno
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.ports import JournalUnavailable, Keys, Secret, VaultLocked
from daemon.store import vault_key
from daemon.store.journal import SqliteJournal
from daemon.store.vault import SealedVault

pytestmark = pytest.mark.slow

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ACTOR = "cli:tester"
WHO = {"actor": ACTOR, "at": NOW}


def some_keys(number: int = 1) -> Keys:
    return Keys(
        method="cloud",
        base_url="https://eu-api.example",
        region="eu",
        email="admin@example.com",
        identity=f"id{number}",
        expires_at=None,
        values={"secret_key": Secret(f"secret-{number}")},
    )


@asynccontextmanager
async def opened(path: Path, *, key: str | None = None) -> AsyncIterator[tuple[SqliteJournal, SealedVault]]:
    journal = SqliteJournal(path)
    await journal.open()
    try:
        vault = SealedVault(journal, key=None if key is None else Secret(key))
        await vault.open()
        yield journal, vault
    finally:
        await journal.close()


async def filled(path: Path, *, key: str | None = None) -> str:
    """Three sealed records; the fingerprint of something."""
    async with opened(path, key=key) as (_, vault):
        for number in range(3):
            await vault.put(f"b{number}", site="default", keys=some_keys(number))
        return vault.fingerprint(["something"])


async def everything_opens(path: Path, fingerprint: str, *, key: str | None = None) -> None:
    async with opened(path, key=key) as (journal, vault):
        assert vault.problem() is None
        for number in range(3):
            assert await vault.get(f"b{number}") == some_keys(number)
        assert vault.fingerprint(["something"]) == fingerprint
        assert (await journal.verify()).intact


async def test_every_record_opens_with_the_new_key_alone(path: Path) -> None:
    """In this process and in the next, and the old key opens nothing."""
    fingerprint = await filled(path)
    file = vault_key.beside(path)
    old = file.read_bytes()
    async with opened(path) as (_, vault):
        done = await vault.rekey(**WHO)
        assert (done.records, done.left, done.late) == (3, (), ())
        assert await vault.get("b1") == some_keys(1)
        assert vault.fingerprint(["something"]) == fingerprint
        await vault.put("b1", site="default", keys=some_keys(1))
    assert file.read_bytes() != old
    assert file.stat().st_mode & 0o777 == 0o400
    await everything_opens(path, fingerprint)
    async with opened(path, key=old.decode()) as (_, vault):
        assert "does not fit" in str(vault.problem())
    assert [one.name for one in path.parent.iterdir() if ".next" in one.name or ".new" in one.name] == []


async def test_the_old_sealed_bytes_are_gone_from_every_file(path: Path) -> None:
    """Whoever finds the old key later finds nothing that it opens."""
    await filled(path)
    with closing(sqlite3.connect(path)) as connection:
        old = [one for row in connection.execute("SELECT nonce, sealed FROM vault") for one in row]
        (prints,) = connection.execute("SELECT value FROM meta WHERE name = 'fingerprint_key'").fetchone()
        old.append(prints.encode())
    assert len(old) == 7
    async with opened(path) as (_, vault):
        await vault.rekey(**WHO)
        left = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert [name for name, content in left.items() if any(one in content for one in old)] == []


async def test_it_is_in_the_audit_trail(path: Path) -> None:
    await filled(path)
    async with opened(path) as (journal, vault):
        done = await vault.rekey(**WHO, request_id="r-7")
        (record,) = await journal.audit()
    assert (record.event, record.actor, record.site, record.request_id) == ("vault_rekeyed", ACTOR, "", "r-7")
    assert record.detail == {
        "records": 3,
        "old_key": done.old_key,
        "new_key": done.new_key,
        "source": "key file",
    }


async def test_a_given_key_takes_the_place_of_the_key_file_and_back(path: Path) -> None:
    """From the key file to a configured key, to a passphrase, and back to a key file."""
    fingerprint = await filled(path)
    given = base64.b64encode(b"n" * 32).decode()
    async with opened(path) as (_, vault):
        await vault.rekey(**WHO, to=Secret(given), source="file:/etc/sitebind/vault-key")
        assert await vault.get("b1") == some_keys(1)
    await everything_opens(path, fingerprint, key=given)
    async with opened(path, key=given) as (_, vault):
        await vault.rekey(**WHO, to=Secret("correct horse battery staple"))
    await everything_opens(path, fingerprint, key="correct horse battery staple")
    async with opened(path, key="correct horse battery staple") as (_, vault):
        await vault.rekey(**WHO)
    await everything_opens(path, fingerprint)


@pytest.mark.parametrize("mended", [False, True])
async def test_a_key_that_could_not_be_put_in_its_place_outlives_the_next_rekey(
    path: Path, monkeypatch: pytest.MonkeyPatch, mended: bool
) -> None:
    """Its only copy lies beside the old one: it is put in its place first, or nothing is done."""
    fingerprint = await filled(path)
    with monkeypatch.context() as patch:

        def mounted(_: Path) -> None:
            raise OSError(errno.EBUSY, "Device or resource busy")

        patch.setattr(vault_key, "take_over", mounted)
        async with opened(path) as (journal, vault):
            (late,) = (await vault.rekey(**WHO)).late
            assert "is put in its place at the next start" in late
            if mended:
                patch.undo()
            with closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                with pytest.raises(JournalUnavailable if mended else VaultLocked) as refused:
                    await vault.rekey(**WHO)
            assert mended or "the key in force lies in" in str(refused.value)
            assert len(await journal.audit()) == 1
    await everything_opens(path, fingerprint)


async def test_the_key_that_is_in_use_is_no_new_key(path: Path) -> None:
    given = base64.b64encode(b"n" * 32).decode()
    await filled(path, key=given)
    async with opened(path, key=given) as (journal, vault):
        with pytest.raises(VaultLocked, match="the one that is in use"):
            await vault.rekey(**WHO, to=Secret(given))
        assert await journal.audit() == []


async def test_a_locked_vault_is_not_rekeyed(path: Path) -> None:
    await filled(path)
    vault_key.beside(path).unlink()
    async with opened(path) as (_, vault):
        with pytest.raises(VaultLocked, match="is missing"):
            await vault.rekey(**WHO)
    assert not vault_key.beside(path).exists()
    assert not vault_key.coming(vault_key.beside(path)).exists()


async def test_a_record_that_did_not_open_before_is_left_and_named(path: Path) -> None:
    await filled(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE vault SET nonce = ? WHERE bind_id = 'b1'", (b"x" * 12,))
        connection.commit()
    async with opened(path) as (journal, vault):
        done = await vault.rekey(**WHO)
        assert (done.records, done.left) == (2, ("b1",))
        assert (await journal.audit())[0].detail["not_opened"] == ["b1"]
        assert await vault.get("b2") == some_keys(2)


async def test_a_reader_that_keeps_the_old_bytes_is_told(path: Path) -> None:
    await filled(path)
    async with opened(path) as (journal, vault):
        await journal.write(lambda db: db.execute("PRAGMA busy_timeout = 0").fetchall())
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM vault").fetchall()
            done = await vault.rekey(**WHO)
        assert "another program reads" in done.late[0]
        assert await vault.get("b1") == some_keys(1)


async def test_fingerprints_of_the_first_versions_stay_what_they_were(path: Path) -> None:
    """They followed from the vault's key; a rekey must not look like a changed configuration there either."""
    await filled(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM meta WHERE name = 'fingerprint_key'")
        connection.commit()
    key = vault_key.from_file(vault_key.beside(path))
    import hmac

    first = hmac.digest(vault_key.derived(key, "fingerprint"), b"1:a", "sha256").hex()
    async with opened(path) as (_, vault):
        assert vault.fingerprint(["a"]) == first
        await vault.rekey(**WHO)
        assert vault.fingerprint(["a"]) == first
    async with opened(path) as (_, vault):
        assert vault.fingerprint(["a"]) == first


async def test_a_changed_fingerprint_key_is_refused(path: Path) -> None:
    await filled(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE meta SET value = 'AAAA' WHERE name = 'fingerprint_key'")
        connection.commit()
    async with opened(path) as (_, vault):
        assert "the sealed fingerprint key was changed" in str(vault.problem())


# --- killed at any moment ------------------------------------------------------------------------

KILLED = """
import asyncio, os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
import daemon.store.connection as connection
from daemon.ports import Secret
from daemon.store.journal import SqliteJournal
from daemon.store.vault import SealedVault
import cryptography.hazmat.primitives.ciphers.aead

path, number = Path(sys.argv[1]), int(sys.argv[2])
count = 0
armed = False

def moment(*_):
    global count
    if armed:
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

def watched(event, arguments):
    if event.startswith(("open", "os.")):
        moment()

prepare = connection._prepare_writer
def traced(db):
    prepare(db)
    db.set_trace_callback(moment)
connection._prepare_writer = traced
fsync = os.fsync
os.fsync = lambda file: (moment(), fsync(file), moment())
sys.addaudithook(watched)

async def main():
    global armed
    journal = SqliteJournal(path)
    await journal.open()
    vault = SealedVault(journal)
    await vault.open()
    armed = True
    await vault.rekey(actor="cli:tester", at=datetime.now(UTC))
    armed = False
    await journal.close()

asyncio.run(main())
print("finished", count)
"""


async def test_whenever_it_is_killed_one_of_the_two_keys_opens_everything(path: Path, tmp_path: Path) -> None:
    """SIGKILL at each file operation, statement and sync in turn, until one run lives through all of them."""
    fingerprint = await filled(path)
    old = vault_key.key_id(vault_key.from_file(vault_key.beside(path)))
    outcomes: list[bool] = []
    number = 0
    while True:
        number += 1
        place = tmp_path / f"killed-{number}"
        shutil.copytree(path.parent, place)
        copied = place / path.name
        run = subprocess.run(
            [sys.executable, "-c", KILLED, str(copied), str(number)], capture_output=True, text=True, check=False
        )
        await everything_opens(copied, fingerprint)
        key = vault_key.key_id(vault_key.from_file(vault_key.beside(copied)))
        with closing(sqlite3.connect(copied)) as connection:
            recorded = connection.execute("SELECT count(*) FROM audit WHERE event = 'vault_rekeyed'").fetchone()[0]
        assert recorded == (key != old), "recorded exactly when it happened"
        assert not vault_key.coming(vault_key.beside(copied)).exists()
        outcomes.append(key != old)
        if run.returncode == 0:
            break
        assert run.returncode == -9, run.stderr
    assert outcomes == sorted(outcomes), "first the old key is in force, from one moment on the new one"
    assert False in outcomes[:-1]
    assert True in outcomes[:-1]
