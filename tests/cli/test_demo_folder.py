"""The demo's folder: what is made, what is kept, and the clear words when something is in the way."""

from __future__ import annotations

import re
import shlex
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from daemon.cli.commands import parser
from daemon.cli.demo_folder import DemoFolder, refuse_a_taken_port
from daemon.cli.demo_show import commands_to_try
from daemon.cli.exits import Failure
from daemon.cli.invocation import invocation
from daemon.config.ini import all_problems, read_config
from daemon.config.model import DaemonSettings
from daemon.sandbox.world import DEMO_EMAIL, DEMO_PASSWORD

Ask = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path) -> DemoFolder:
    return DemoFolder(tmp_path / ".demo")


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody else listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def test_the_configuration_it_makes_has_no_finding(folder: DemoFolder) -> None:
    first = folder.prepare(listen=None)
    (folder.sandbox).mkdir()
    (folder.sandbox / "ca.pem").touch()
    reading = read_config(folder.config)
    assert list(all_problems(reading)) == []
    settings = reading.sites[0].settings
    assert settings is not None
    assert settings.binding.service_url == f"https://localhost:{first}"
    assert settings.binding.email == DEMO_EMAIL
    assert settings.binding.password is not None
    assert settings.binding.password.text is not None
    assert settings.binding.password.text.reveal() == DEMO_PASSWORD


def test_everything_it_makes_is_its_owners_alone(folder: DemoFolder) -> None:
    folder.prepare(listen=None)
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (folder.config, folder.token_file)} == {0o600}


def test_the_token_is_long_random_and_stays_the_same(folder: DemoFolder, tmp_path: Path) -> None:
    folder.prepare(listen=None)
    token = folder.token()
    folder.prepare(listen=None)
    other = DemoFolder(tmp_path / "other")
    other.prepare(listen=None)
    assert (len(token) >= 43, folder.token() == token, other.token() == token) == (True, True, False)


def test_an_edited_configuration_is_kept_with_the_ports_that_it_names(folder: DemoFolder) -> None:
    folder.prepare(listen=None)
    text = folder.config.read_text()
    edited = re.sub(r"localhost:\d+", "localhost:28800", text).replace("Demo site", "Our site")
    folder.config.write_text(edited)
    assert folder.prepare(listen=None) == 28800
    assert folder.config.read_text() == edited


def test_for_the_other_api_version_the_configuration_names_the_third_port(folder: DemoFolder) -> None:
    first = folder.prepare(listen=None)
    text = folder.config.read_text()
    text = text.replace("authentication_type = cloud", "authentication_type = application")
    folder.config.write_text(text.replace(f"localhost:{first}", f"localhost:{first + 2}"))
    assert folder.prepare(listen=None) == first


def test_the_last_of_the_five_ports_is_still_a_port(folder: DemoFolder) -> None:
    folder.prepare(listen=None)
    text = folder.config.read_text()
    folder.config.write_text(re.sub(r"localhost:\d+", "localhost:65531", text))
    assert folder.prepare(listen=None) == 65531
    folder.config.write_text(re.sub(r"localhost:\d+", "localhost:65532", text))
    with pytest.raises(Failure, match="binds to nothing else"):
        folder.prepare(listen=None)


@pytest.mark.parametrize("url", ["https://api.mimecast.com", "https://localhost:0", "https://localhost:99999", ""])
def test_the_demo_never_binds_to_anything_but_its_sandbox(url: str, folder: DemoFolder) -> None:
    folder.prepare(listen=None)
    folder.config.write_text(re.sub(r"service_url = \S+", f"service_url = {url}", folder.config.read_text()))
    with pytest.raises(Failure, match="binds to nothing else"):
        folder.prepare(listen=None)


def test_a_typo_elsewhere_does_not_keep_the_demo_from_starting(folder: DemoFolder) -> None:
    """The daemon then serves the findings, which is worth seeing."""
    first = folder.prepare(listen=None)
    folder.config.write_text(folder.config.read_text().replace("email", "emial"))
    assert folder.prepare(listen=None) == first


def test_listen_wins_over_the_file_and_is_kept_there(folder: DemoFolder) -> None:
    folder.prepare(listen="127.0.0.1:28788")
    assert "listen = 127.0.0.1:28788\n" in folder.config.read_text()
    folder.prepare(listen="127.0.0.1:28789")
    settings = folder.daemon_settings()
    assert settings is not None
    assert settings.port == 28789
    folder.prepare(listen=None)
    assert "listen = 127.0.0.1:28789\n" in folder.config.read_text()


def test_ports_of_the_sandbox_that_are_taken_are_stepped_over(
    folder: DemoFolder, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.cli.demo_folder.PORT", taken - 2)
    assert folder.prepare(listen=None) > taken


def test_a_taken_listener_is_said_with_the_way_out(folder: DemoFolder, taken: int) -> None:
    settings = DaemonSettings(port=taken)
    with pytest.raises(Failure, match=f"127.0.0.1:{taken} is in use") as failure:
        refuse_a_taken_port(settings, config=folder.config)
    assert (failure.value.code, "--listen 127.0.0.1:8788" in failure.value.text) == (2, True)


def test_a_free_listener_is_not_refused(folder: DemoFolder) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    refuse_a_taken_port(DaemonSettings(port=port), config=folder.config)


def test_a_fresh_start_throws_away_what_the_demo_made(folder: DemoFolder) -> None:
    folder.prepare(listen=None)
    token = folder.token()
    folder.clear()
    assert not folder.path.exists()
    folder.prepare(listen=None)
    assert folder.token() != token


def test_a_fresh_start_does_not_empty_somebody_elses_folder(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("ten years of work")
    with pytest.raises(Failure, match="was not made by the demo"):
        DemoFolder(tmp_path).clear()
    assert (tmp_path / "thesis.txt").exists()


def test_the_demo_takes_no_configuration(sitebind: Ask) -> None:
    said = sitebind("demo", "--config", "config.ini")
    assert (said.code, "--config does not go with it" in said.err) == (2, True)


@pytest.mark.parametrize("name", [".demo", "a folder"])
def test_every_command_it_prints_is_one_that_exists(name: str) -> None:
    """As a shell reads it, and as our own parser does."""
    text = commands_to_try("http://127.0.0.1:8787", folder=DemoFolder(Path(name)), command="sitebind")
    words = [shlex.split(line) for line in text.splitlines() if line.startswith("  sitebind ")]
    assert len(words) >= 9
    for _, *arguments in words:
        args = parser().parse_args(arguments)
        assert getattr(args, "directory", Path(name)) == Path(name)
        assert getattr(args, "config", f"{name}/config.ini") == f"{name}/config.ini"


def started_as(program: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("sys.argv", [program])
    return invocation()


def test_a_program_beside_the_current_folder_is_named_as_one_types_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert started_as(".venv/bin/sitebind", monkeypatch) == ".venv/bin/sitebind"
    assert started_as(str(tmp_path / ".venv" / "bin" / "sitebind"), monkeypatch) == ".venv/bin/sitebind"
    assert started_as("./sitebind", monkeypatch) == "./sitebind"
    assert started_as("/opt/our tools/sitebind", monkeypatch) == "'/opt/our tools/sitebind'"


def test_a_program_on_the_path_is_named_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "sitebind"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert started_as(str(program), monkeypatch) == "sitebind"


def test_a_module_is_named_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert started_as("/somewhere/daemon/__main__.py", monkeypatch).endswith(" -m daemon")
