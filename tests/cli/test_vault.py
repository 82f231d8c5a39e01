"""`sitebind vault`: status beside a running daemon, and a rekey with and without one."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.ports import Keys, Secret
from daemon.store import vault_key
from daemon.store.journal import SqliteJournal
from daemon.store.vault import SealedVault
from tests.cli.conftest import Api

Ask = Callable[..., Any]
DONE = {"records": 2, "old_key": "0" * 16, "new_key": "f" * 16, "not_opened": [], "notes": []}
KEYS = Keys(
    method="cloud",
    base_url="https://eu-api.example",
    region="eu",
    email="a@example.test",
    identity="i",
    expires_at=None,
    values={"secret_key": Secret("s")},
)


def key_in(folder: Path, name: str, letter: bytes) -> Path:
    path = folder / name
    path.write_bytes(base64.b64encode(letter * 32) + b"\n")
    path.chmod(0o400)
    return path


def configured(folder: Path, *, port: int = 1, vault_key: str = "") -> Path:
    path = folder / "config.ini"
    extra = f"vault_key = {vault_key}\n" if vault_key else ""
    path.write_text(f"[daemon]\nlisten = 127.0.0.1:{port}\ndatabase = state/sitebind.db\n{extra}")
    path.chmod(0o600)
    return path


def database(folder: Path) -> Path:
    return folder / "state" / "sitebind.db"


async def _filled(path: Path, key: str | None) -> None:
    journal = SqliteJournal(path)
    await journal.open()
    vault = SealedVault(journal, key=None if key is None else Secret(key))
    await vault.open()
    await vault.put("default-1", site="default", keys=KEYS)
    await journal.close()


async def _opens(path: Path, key: str | None) -> bool:
    journal = SqliteJournal(path)
    await journal.open()
    vault = SealedVault(journal, key=None if key is None else Secret(key))
    await vault.open()
    try:
        return vault.problem() is None and await vault.get("default-1") == KEYS
    finally:
        await journal.close()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    asyncio.run(_filled(database(tmp_path), None))
    return configured(tmp_path)


def test_a_rekey_without_a_daemon_works_on_the_database(config: Path, sitebind: Ask, tmp_path: Path) -> None:
    file = vault_key.beside(database(tmp_path))
    old = file.read_bytes()
    said = sitebind("vault", "rekey", "--config", config)
    assert (said.code, "1 record sealed with key" in said.out) == (0, True)
    assert file.read_bytes() != old
    assert asyncio.run(_opens(database(tmp_path), None))
    said = sitebind("audit", "tail", "--config", config)
    assert "vault_rekeyed" in said.out
    assert "by cli:" in said.out


def test_status_tells_which_key_fits_and_what_is_sealed(config: Path, sitebind: Ask, tmp_path: Path) -> None:
    said = sitebind("vault", "status", "--config", config)
    assert said.code == 0
    assert "Open: the key fits." in said.out
    assert "1 record of 1 site" in said.out
    before = json.loads(sitebind("vault", "status", "--json", "--config", config).out)
    assert (before["problem"], before["sealed"], before["last_rekey"]) == ("", {"default": 1}, None)
    sitebind("vault", "rekey", "--config", config)
    after = json.loads(sitebind("vault", "status", "--json", "--config", config).out)
    assert after["key_id"] != before["key_id"]
    assert after["last_rekey"] is not None


def test_status_of_a_locked_vault_says_why(config: Path, sitebind: Ask, tmp_path: Path) -> None:
    file = vault_key.beside(database(tmp_path))
    file.unlink()
    said = sitebind("vault", "status", "--config", config)
    assert (said.code, "Locked" in said.out) == (5, True)
    vault_key.make(file)
    said = sitebind("vault", "status", "--config", config)
    assert (said.code, "is not the one that sealed the database" in said.out) == (5, True)


def test_a_configured_key_wants_the_new_one_named(tmp_path: Path, sitebind: Ask) -> None:
    first, second = key_in(tmp_path, "first", b"1"), key_in(tmp_path, "second", b"2")
    asyncio.run(_filled(database(tmp_path), first.read_text()))
    config = configured(tmp_path, vault_key="file:first")
    said = sitebind("vault", "rekey", "--config", config)
    assert (said.code, "vault rekey --new-key" in said.err) == (2, True)
    said = sitebind("vault", "rekey", "--new-key", f"file:{second}", "--config", config)
    assert (said.code, f"set [daemon] vault_key = file:{second}" in said.out) == (0, True)
    assert sitebind("vault", "status", "--config", config).code == 5
    config = configured(tmp_path, vault_key="file:second")
    assert sitebind("vault", "status", "--config", config).code == 0
    assert asyncio.run(_opens(database(tmp_path), second.read_text()))


def test_a_key_that_was_exchanged_first_is_followed_with_the_old_one(tmp_path: Path, sitebind: Ask) -> None:
    """As when the credential was replaced before anybody thought of the database."""
    first, second = key_in(tmp_path, "first", b"1"), key_in(tmp_path, "second", b"2")
    asyncio.run(_filled(database(tmp_path), first.read_text()))
    config = configured(tmp_path, vault_key="file:second")
    said = sitebind("vault", "rekey", "--old-key", f"file:{first}", "--config", config)
    assert said.code == 0
    assert asyncio.run(_opens(database(tmp_path), second.read_text()))


@pytest.mark.parametrize("reference", ["literal:c2VjcmV0", "c2VjcmV0", "file:"])
def test_a_key_itself_is_not_taken_and_not_repeated(config: Path, sitebind: Ask, reference: str) -> None:
    said = sitebind("vault", "rekey", "--new-key", reference, "--config", config)
    assert said.code == 2
    assert "c2VjcmV0" not in said.err
    assert "file:" in said.err


def test_a_key_that_cannot_be_read_changes_nothing(config: Path, sitebind: Ask, tmp_path: Path) -> None:
    said = sitebind("vault", "rekey", "--new-key", f"file:{tmp_path}/nowhere", "--config", config)
    assert (said.code, "nowhere" in said.err) == (2, True)
    assert asyncio.run(_opens(database(tmp_path), None))


def test_without_a_database_there_is_nothing_to_do(tmp_path: Path, sitebind: Ask) -> None:
    for command in ("rekey", "status"):
        said = sitebind("vault", command, "--config", configured(tmp_path))
        assert (said.code, "no such database" in said.err) == (2, True)
    assert not database(tmp_path).exists()


async def test_while_the_daemon_runs_it_is_asked(
    api: Api, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever holds the lock changes the key; the path is made whole for it."""
    monkeypatch.setenv("SITEBIND_TOKEN", "the-token")
    monkeypatch.chdir(tmp_path)
    key_in(tmp_path, "second", b"2")
    api.on("POST /api/v1/vault/rekey", DONE)
    journal = SqliteJournal(database(tmp_path))
    await journal.open()
    config = configured(tmp_path, port=api.port)
    said = await ask("vault", "rekey", "--new-key", "file:second", "--config", config)
    refused = await ask("vault", "rekey", "--old-key", "file:second", "--config", config)
    await journal.close()
    assert (said.code, "2 records sealed" in said.out) == (0, True)
    assert json.loads(api.bodies[0]) == {"new_key": f"file:{tmp_path}/second"}
    assert api.asked[0].headers["Authorization"] == "Bearer the-token"
    assert (refused.code, "while the daemon is stopped" in refused.err) == (2, True)
