"""`sitebind restore`: from a backup to a database that a daemon can start from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.store.audit import tail_file, verify_file
from daemon.store.holder import Holder
from tests.cli.test_backup import config as config  # noqa: PLC0414 - a fixture
from tests.cli.test_vault import database

Ask = Callable[..., Any]


@pytest.fixture
def night(config: Path, sitebind: Ask, tmp_path: Path) -> Path:
    assert sitebind("backup", "--output", tmp_path / "night.db", "--config", config).code == 0
    return tmp_path / "night.db"


def test_the_vault_opens_again(config: Path, night: Path, sitebind: Ask, tmp_path: Path) -> None:
    """Its key stayed where it was."""
    database(tmp_path).unlink()
    said = sitebind("restore", night, "--yes", "--config", config)
    assert (said.code, "Restored:" in said.out, "there was no database" in said.out) == (0, True, True)
    assert sitebind("vault", "status", "--config", config).code == 0


def test_for_a_program_it_says_what_is_missing(config: Path, night: Path, sitebind: Ask, tmp_path: Path) -> None:
    """The record of the backup itself was made after it."""
    said = json.loads(sitebind("restore", night, "--yes", "--json", "--config", config).out)
    assert (said["records"], said["missing"], said["seq"]) == (1, 1, 2)
    (record,) = tail_file(database(tmp_path), limit=1)
    assert (record.event, record.detail["kept_as"]) == ("restored", said["kept_as"])
    assert verify_file(database(tmp_path)).intact


def test_nobody_is_surprised(config: Path, night: Path, sitebind: Ask, tmp_path: Path) -> None:
    """Without `--yes` and a terminal, with a running daemon, or with a file that is not there."""
    holder = Holder(database(tmp_path))
    assert sitebind("restore", night, "--config", config).code == 2
    assert sitebind("restore", tmp_path / "gone.db", "--yes", "--config", config).code == 2
    holder.take()
    said = sitebind("restore", night, "--yes", "--config", config)
    holder.release()
    assert (said.code, "Stop that daemon first" in said.err) == (2, True)
    (tmp_path / "text.db").write_text("no backup" * 500)
    assert sitebind("restore", tmp_path / "text.db", "--yes", "--config", config).code == 5
    assert verify_file(database(tmp_path)).records == 2
