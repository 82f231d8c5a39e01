"""What a start makes of the configuration that it finds, or does not find."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.config.beginning import CannotStart, look, usable_daemon


def test_a_lost_file_beside_a_database_is_a_site_that_waits_for_its_mend(tmp_path: Path) -> None:
    """The binding is held and health is served with the defaults; a restart loop would help nobody."""
    path, reading = look(tmp_path / "config.ini")
    assert reading.daemon is None
    (tmp_path / "sitebind.db").touch()
    assert usable_daemon(reading, path).database == tmp_path / "sitebind.db"


def test_a_lost_file_without_a_database_is_a_mistake_in_the_path(tmp_path: Path) -> None:
    """The findings are said, each with its file."""
    path, reading = look(tmp_path / "config.ini")
    with pytest.raises(CannotStart, match=r"config\.ini: the file cannot be read"):
        usable_daemon(reading, path)


def test_a_bad_daemon_section_does_not_start_with_other_settings(tmp_path: Path) -> None:
    """Also beside a database: the administrator meant another listener or database."""
    (tmp_path / "sitebind.db").touch()
    (tmp_path / "config.ini").write_text("[daemon]\nlisten = nowhere\n")
    path, reading = look(tmp_path / "config.ini")
    with pytest.raises(CannotStart, match=r"config\.ini:2: \[daemon\] listen"):
        usable_daemon(reading, path)


def test_a_relative_path_is_made_absolute_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever changes its folder later, the watcher and the readers mean the same file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.ini").write_text("[daemon]\nlisten = 127.0.0.1:9000\n")
    path, reading = look(Path("config.ini"))
    assert path == tmp_path / "config.ini"
    assert usable_daemon(reading, path).port == 9000
