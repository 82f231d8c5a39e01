"""The systemd unit as the tests read it: systemd is not process 1 here, so its own tools and its words are used."""

from __future__ import annotations

import re
from pathlib import Path

from tests.acceptance.processes import REPOSITORY, Said, console_script, run

FOLDER = REPOSITORY / "deploy" / "systemd"
UNIT = FOLDER / "sitebind.service"
BACKUP = FOLDER / "sitebind-backup.service"
BACKUP_TIMER = FOLDER / "sitebind-backup.timer"
RELOAD_DROP_IN = FOLDER / "sitebind.service.d" / "notify-reload.conf"


def settings(path: Path) -> dict[str, list[str]]:
    """Every value of every setting, in order; a unit may name one more than once."""
    found: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and line[0] not in "#[":
            name, value = line.split("=", 1)
            found.setdefault(name, []).append(value)
    return found


def installed(folder: Path, of: Path = UNIT) -> Path:
    """The unit with the program that is here instead of the one in the place where docs/install.md puts it."""
    unit = folder / of.name
    text = of.read_text(encoding="utf-8")
    assert text.count("/opt/sitebind/bin/sitebind ") == 1
    unit.write_text(text.replace("/opt/sitebind/bin/sitebind", " ".join(console_script())), encoding="utf-8")
    return unit


def analysed(*arguments: str | Path) -> Said:
    return run(["systemd-analyze", "--no-pager", *arguments])


def allowed_calls() -> frozenset[str]:
    """The system calls that the unit's SystemCallFilter= lets through, sets unfolded."""
    allowed: set[str] = set()
    for value in settings(UNIT)["SystemCallFilter"]:
        names = {call for name in value.removeprefix("~").split() for call in _unfolded(name)}
        allowed = allowed - names if value.startswith("~") else allowed | names
    return frozenset(allowed)


def _unfolded(name: str) -> set[str]:
    if not name.startswith("@"):
        return {name}
    said = analysed("syscall-filter", name)
    assert said.code == 0, said
    members = re.findall(r"^    ([@\w-]+)$", said.out, re.MULTILINE)
    return {call for member in members for call in _unfolded(member)}
