"""Files beside the database on a disk that refuses, and after a kill."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daemon.ports import VaultLocked
from daemon.store import vault_key
from daemon.store.holder import Holder
from tests.torture.file_calls import FileCalls
from tests.torture.nth import Nth


def test_a_lock_is_let_go_of_whatever_the_close_answers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    nth = Nth()
    with FileCalls(tmp_path, nth, lambda _name, _arguments: None).between():
        first = Holder(tmp_path / "sitebind.db")
        first.take()
        nth.arm(1)
        first.release()
        nth.mend()
        assert "could not be closed in order" in caplog.text
        second = Holder(tmp_path / "sitebind.db")
        second.take()
        second.release()


def test_a_draft_of_a_key_that_a_kill_left_behind_is_no_hindrance(tmp_path: Path) -> None:
    """In a container every process has the same number, so its drafts have the same name."""
    path = tmp_path / "sitebind.db.key"
    path.with_name(f"{path.name}.{os.getpid()}.new").write_bytes(b"half a")
    assert vault_key.make(path) == vault_key.from_file(path)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("at", range(1, 11))
def test_a_key_is_made_whole_or_not_at_all(tmp_path: Path, at: int) -> None:
    """Whichever call fails: what lies there afterwards is a key, and asking again gives one."""
    path, nth = tmp_path / "sitebind.db.key", Nth()
    with FileCalls(tmp_path, nth, lambda _name, _arguments: None).between():
        nth.arm(at)
        with pytest.raises(VaultLocked, match="could not be made"):
            vault_key.make(path)
        nth.mend()
    key = vault_key.from_file(path) if path.exists() else vault_key.make(path)
    assert key == vault_key.from_file(path)
