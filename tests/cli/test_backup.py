"""`sitebind backup`: with and without a running daemon."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from daemon.store.audit import tail_file, verify_file
from daemon.store.holder import Holder
from daemon.store.journal import SqliteJournal
from daemon.store.vault import SealedVault
from tests.cli.conftest import Api
from tests.cli.test_vault import KEYS, configured, database

Ask = Callable[..., Any]


async def _filled(path: Path) -> None:
    journal = SqliteJournal(path)
    await journal.open()
    vault = SealedVault(journal)
    await vault.open()
    await vault.put("default-1", site="default", keys=KEYS)
    await vault.rekey(actor="cli:tester", at=datetime(2030, 1, 1, tzinfo=UTC))
    await journal.close()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    asyncio.run(_filled(database(tmp_path)))
    return configured(tmp_path)


def test_without_a_daemon_it_is_recorded_in_the_database(config: Path, sitebind: Ask, tmp_path: Path) -> None:
    target = tmp_path / "night.db"
    said = sitebind("backup", "--output", target, "--config", config)
    assert (said.code, f"Made and proven: {target}" in said.out) == (0, True)
    assert "not in it  the vault's key" in said.out
    made, (recorded,) = verify_file(target), tail_file(database(tmp_path), limit=1)
    assert recorded.event == "backup_made"
    assert recorded.actor.startswith("cli:")
    assert recorded.detail == {"file": str(target), "records": 1, "last": 1, "head": made.head}
    assert verify_file(database(tmp_path)).intact


def test_for_a_program_it_says_the_same(config: Path, sitebind: Ask, tmp_path: Path) -> None:
    target = tmp_path / "night.db"
    said = json.loads(sitebind("backup", "--output", target, "--json", "--config", config).out)
    assert (said["file"], said["records"], said["recorded_as"]) == (str(target), 1, 2)
    assert said["head"] == verify_file(target).head
    assert any("vault's key" in one for one in said["not_in_it"])


def test_it_needs_no_configuration_while_no_daemon_runs(
    config: Path, sitebind: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And without `--output` it lies in this folder, under the time."""
    monkeypatch.chdir(tmp_path)
    config.unlink()
    assert sitebind("backup", "--database", database(tmp_path)).code == 0
    (made,) = tmp_path.glob("sitebind-*Z.db")
    assert verify_file(made).intact


def test_the_key_is_not_in_it(config: Path, sitebind: Ask, tmp_path: Path) -> None:
    """Nor what the key seals, in the clear."""
    target = tmp_path / "night.db"
    sitebind("backup", "--output", target, "--config", config)
    key = database(tmp_path).with_name("sitebind.db.key").read_bytes().strip()
    assert key not in target.read_bytes()
    assert KEYS.base_url.encode() not in target.read_bytes()


async def test_a_running_daemon_records_it_first(ask: Ask, api: Api, tmp_path: Path) -> None:
    await _filled(database(tmp_path))
    target, holder = tmp_path / "night.db", Holder(database(tmp_path))
    before: list[bool] = []
    api.on("POST /api/v1/backups", json.dumps({"seq": 9}), headers={"Content-Type": "application/json"})
    handle = api.answers["POST /api/v1/backups"][0]
    api.answers["POST /api/v1/backups"] = [lambda: (before.append(target.exists()), handle())[1]]
    holder.take()
    try:
        said = await ask("backup", "--output", target, "--config", configured(tmp_path, port=api.port))
    finally:
        holder.release()
    assert (said.code, "record 9" in said.out, before) == (0, True, [False])
    assert json.loads(api.bodies[0]) == {
        "file": str(target), "records": 1, "last": 1, "head": verify_file(target).head,
    }  # fmt: skip
    assert [one.event for one in tail_file(database(tmp_path))] == ["vault_rekeyed"]


@pytest.mark.parametrize("status, code", [(401, 6), (409, 2), (503, 5)])
async def test_what_the_daemon_does_not_record_is_no_backup(
    ask: Ask, api: Api, tmp_path: Path, status: int, code: int
) -> None:
    await _filled(database(tmp_path))
    target = tmp_path / "night.db"
    api.on("POST /api/v1/backups", {"code": "x", "detail": "Not now."}, status=status)
    config = configured(tmp_path, port=api.port)
    said = await ask("backup", "--output", target, "--url", api.url, "--config", config)
    assert (said.code, target.exists()) == (code, False)
    assert [path.name for path in tmp_path.iterdir() if "night" in path.name] == []


def test_a_backup_that_exists_is_kept(config: Path, sitebind: Ask, tmp_path: Path) -> None:
    target = tmp_path / "night.db"
    target.write_text("last night's")
    said = sitebind("backup", "--output", target, "--config", config)
    assert (said.code, "exists already" in said.err, target.read_text()) == (5, True, "last night's")
