"""What keeps a daemon from starting: each is said in words, with exit code 2 and nothing left half open."""

from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.installation import Installation
from tests.acceptance.processes import Said, a_free_port, console_script, run

pytestmark = pytest.mark.slow


def start_in_vain(installation: Installation) -> Said:
    said = run([*console_script(), "run", "--config", installation.config], cwd=installation.folder)
    assert said.code == 2, said
    assert "Traceback" not in said.err
    return said


def test_a_second_daemon_on_one_database_names_the_holder(installation: Installation, tmp_path: Path) -> None:
    with installation.start() as program:
        installation.api.reach("bound")
        # Another folder and port, the same database.
        other = tmp_path / "other"
        other.mkdir()
        second = Installation(other, installation.simulated, a_free_port())
        second.save(daemon={"database": str(installation.database)})
        said = start_in_vain(second)
        assert f"in use by process {program.pid} on host {socket.gethostname()}" in said.err
        assert str(installation.database) in said.err
        assert installation.api.site()["state"] == "bound"


def test_the_database_is_free_again_after_a_kill(installation: Installation) -> None:
    with installation.start() as program:
        program.kill()
    with installation.start():
        installation.api.reach("bound")


def test_a_port_that_is_taken_is_said_in_words(installation: Installation) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        installation.save(daemon={"listen": f"127.0.0.1:{port}"})
        said = start_in_vain(installation)
    assert f"[daemon] listen = 127.0.0.1:{port} cannot be listened on: address already in use." in said.err
    assert "Errno" not in said.err


def test_a_listener_beyond_this_machine_needs_a_token(installation: Installation) -> None:
    installation.save(daemon={"listen": f"0.0.0.0:{installation.port}"})
    said = start_in_vain(installation)
    assert "config.ini:2: [daemon] listen" in said.err
    assert "without api_token" in said.err


def test_an_unusable_daemon_section_is_told_with_every_finding(installation: Installation) -> None:
    installation.save(daemon={"listen": "nowhere", "log_form": "json"})
    said = start_in_vain(installation)
    assert "config.ini:2: [daemon] listen" in said.err
    assert 'config.ini:3: [daemon] log_form: unknown option; did you mean "log_format"?' in said.err


def test_a_configuration_that_does_not_exist_is_told_with_its_path(installation: Installation) -> None:
    installation.config.unlink()
    assert str(installation.config) in start_in_vain(installation).err
