"""The tour in README.md is typed as it stands there, in order, in one fresh folder, against one demo."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.demo import Demo, demo
from tests.acceptance.processes import REPOSITORY, Said, console_script, until

pytestmark = [pytest.mark.slow, pytest.mark.parts]

_BLOCK = re.compile(r"^```sh tour( fails)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LISTEN = "127.0.0.1:8787"


@dataclass(frozen=True)
class Line:
    """A command of the tour. In a block marked `fails` everything but the steering of the sandbox exits with 5."""

    command: str
    code: int


def tour() -> list[Line]:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    return [
        Line(command, 5 if fails and " sandbox " not in command else 0)
        for fails, block in _BLOCK.findall(text)
        for command in block.splitlines()
        if command and not command.startswith("#")
    ]


def install(here: Path) -> None:
    """What `make demo` leaves behind: the command in `.venv/bin`."""
    script = here / ".venv" / "bin" / "sitebind"
    script.parent.mkdir(parents=True)
    script.write_text(f'#!/bin/sh\nexec {shlex.join(console_script())} "$@"\n')
    script.chmod(0o755)


def type_line(running: Demo, line: Line) -> Said:
    """The demo listens on a free port here; nothing else differs from the README."""
    command = line.command.replace(_LISTEN, f"127.0.0.1:{running.port}")
    if " status " not in command:
        return running.type(command)
    # After a change the site binds for a moment; a person looks again.
    return until(
        lambda: said if (said := running.type(command)).code == line.code else None, f"{command} exits {line.code}"
    )


def test_the_tour_has_blocks_of_either_kind() -> None:
    """Without this, a renamed mark would leave nothing to test and everything green."""
    lines = tour()
    assert len(lines) >= 10
    assert {line.code for line in lines} == {0, 5}
    assert any("sitebind status" in line.command for line in lines)
    assert any(line.command.startswith("curl") and "/rebind" in line.command for line in lines)


def test_every_command_of_the_tour_works_as_it_stands_in_the_readme(tmp_path: Path) -> None:
    install(tmp_path)
    with demo(tmp_path) as running:
        for line in tour():
            said = type_line(running, line)
            assert said.code == line.code, (line.command, said)
            assert "urn:sitebind:problem" not in said.out, (line.command, said)
            if not line.command.startswith("sed"):
                assert (said.out + said.err).strip(), line.command
        running.api.reach("bound")
        assert "password = literal:new one" in running.config.read_text()
        assert len((tmp_path / "audit.jsonl").read_text().splitlines()) > 10
