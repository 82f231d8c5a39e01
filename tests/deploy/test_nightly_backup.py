"""The backup of every night: the unit's own commands, typed as systemd would type them."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from tests.acceptance.installation import Installation
from tests.acceptance.processes import Said, console_script, run, sitebind
from tests.deploy.units import BACKUP, BACKUP_TIMER, UNIT, analysed, installed, settings

MONTH = 31 * 86400


def as_typed(value: str, places: dict[str, str]) -> list[str]:
    """A command of a unit as systemd runs it, with places of the test instead of the system's."""
    text = value.replace("%%", "%").replace("$$", "$")
    for wanted, place in places.items():
        text = text.replace(wanted, place)
    return shlex.split(text)


class Night:
    """What the timer starts, once."""

    def __init__(self, installation: Installation, backups: Path) -> None:
        self._places = {
            "/opt/sitebind/bin/sitebind": " ".join(console_script()),
            "/etc/sitebind/config.ini": str(installation.config),
            "/var/backups/sitebind": str(backups),
        }

    def passes(self) -> Said:
        """ExecStart, and ExecStartPost if that went well; what was said last."""
        said = Said(0, "", "")
        env = dict(as_typed(value, self._places)[0].split("=", 1) for value in settings(BACKUP)["Environment"])
        for name in ("ExecStart", "ExecStartPost"):
            (value,) = settings(BACKUP)[name]
            if said.code == 0:
                said = run(as_typed(value, self._places), env=env)
        return said


@pytest.fixture
def backups(tmp_path: Path) -> Path:
    folder = tmp_path / "backups"
    folder.mkdir(mode=0o700)
    for name in ("sitebind-20200101T023000Z.db", "notes.txt"):
        (folder / name).write_text("old")
        os.utime(folder / name, (MONTH, MONTH))
    return folder


@pytest.mark.slow
def test_a_night_leaves_a_proven_backup_and_takes_what_is_older_than_a_month(
    installation: Installation, backups: Path
) -> None:
    night = Night(installation, backups)
    with installation.start() as program:
        installation.api.reach("bound")
        said = night.passes()
        assert said.code == 0, said
        assert program.stop() == 0
    (made,) = backups.glob("sitebind-*.db")
    assert made.stat().st_mode & 0o777 == 0o600
    assert sitebind("audit", "verify", "--database", made).code == 0
    assert (backups / "notes.txt").exists(), "nothing else in the folder is touched"


@pytest.mark.slow
def test_a_night_without_a_backup_keeps_the_old_ones(installation: Installation, backups: Path) -> None:
    assert Night(installation, backups).passes().code == 2, "there is no database yet"
    assert [path.name for path in backups.glob("sitebind-*.db")] == ["sitebind-20200101T023000Z.db"]


@pytest.mark.parts
def test_systemd_understands_the_timer(tmp_path: Path) -> None:
    installed(tmp_path, BACKUP)
    timer = tmp_path / BACKUP_TIMER.name
    timer.write_bytes(BACKUP_TIMER.read_bytes())
    said = analysed("verify", timer)
    assert (said.code, said.out, said.err) == (0, "", "")
    (when,) = settings(BACKUP_TIMER)["OnCalendar"]
    assert analysed("calendar", when).code == 0


def test_the_backup_is_closed_like_the_service() -> None:
    """What confines the daemon confines its backup, which reads the same secrets."""
    service, backup = settings(UNIT), settings(BACKUP)
    own = {"Type", "Environment", "ExecStart", "ExecStartPost", "TimeoutStartSec", "ReadWritePaths", "SystemCallFilter"}
    shared = backup.keys() - own - {"Description", "Documentation", "After"}
    assert {name: backup[name] for name in shared} == {name: service[name] for name in shared}
    assert set(backup["SystemCallFilter"]) <= set(service["SystemCallFilter"])
