"""The command line as such: what exists, how wrong usage is answered, and how fast it starts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import daemon
from daemon.cli import main
from daemon.cli.commands import parser

COMMANDS = ("run", "demo", "sandbox", "check-config", "status", "rebind", "reload", "audit", "healthcheck", "version")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str, sitebind: Callable) -> None:
    said = sitebind(command, "--help")
    assert said.code == 0
    assert "example:\n  " in said.out
    assert "sitebind" in said.out.split("example:")[1]


@pytest.mark.parametrize(
    "words",
    [
        "sandbox serve",
        "sandbox trouble",
        "sandbox troubles",
        "sandbox heal",
        "sandbox set-password",
        "sandbox state",
        "audit tail",
        "audit verify",
        "audit export",
    ],
)
def test_every_nested_command_explains_itself(words: str, sitebind: Callable) -> None:
    said = sitebind(*words.split(), "--help")
    assert said.code == 0
    assert f"sitebind {words}" in said.out.split("example:")[1]


def test_the_help_lists_every_command_and_the_exit_codes(sitebind: Callable) -> None:
    said = sitebind("--help")
    assert said.code == 0
    assert all(re.search(rf"^    {command}\b", said.out, re.MULTILINE) for command in COMMANDS)
    assert "4 daemon not reachable" in said.out


def test_no_command_at_all_shows_the_help_and_is_wrong_usage(sitebind: Callable) -> None:
    said = sitebind()
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("usage: sitebind")


@pytest.mark.parametrize(
    "typed,meant",
    [
        ("statsu", "status"),
        ("re-bind", "rebind"),
        ("check-confg", "check-config"),
        ("helthcheck", "healthcheck"),
    ],
)
def test_a_mistyped_command_gets_the_nearest_one(typed: str, meant: str, sitebind: Callable) -> None:
    said = sitebind(typed)
    assert said.code == 2
    assert f"there is no command '{typed}'; did you mean \"{meant}\"?" in said.err
    assert "Try: sitebind --help" in said.err


def test_a_command_like_no_other_gets_the_whole_list(sitebind: Callable) -> None:
    assert "there are: run, demo" in sitebind("xyzzy").err


def test_a_mistyped_nested_command_gets_the_nearest_one(sitebind: Callable) -> None:
    said = sitebind("audit", "verfy")
    assert (said.code, 'did you mean "verify"?' in said.err) == (2, True)


def test_audit_without_a_verb_shows_its_help(sitebind: Callable) -> None:
    said = sitebind("audit")
    assert said.code == 2
    assert "usage: sitebind audit" in said.err


@pytest.mark.parametrize(
    "words",
    [
        ["status", "--jason"],
        ["status", "--js"],
        ["rebind", "--wait", "main"],
        ["rebind", "--wait", "-1"],
        ["rebind", "--wait", "nan"],
        ["audit", "tail", "-n", "-3"],
        ["audit", "export", "--format", "xml"],
        ["sandbox", "trouble"],
    ],
)
def test_wrong_usage_ends_with_two_and_says_where_to_read_more(words: list[str], sitebind: Callable) -> None:
    said = sitebind(*words)
    assert said.code == 2
    assert said.err.startswith("sitebind: ")
    assert "Try: sitebind" in said.err


@pytest.mark.parametrize("words", [["--version"], ["version"]])
def test_the_version_is_said(words: list[str], sitebind: Callable) -> None:
    said = sitebind(*words)
    assert (said.code, said.out.startswith(f"sitebind {daemon.__version__} (Python 3.")) == (0, True)


def test_the_configuration_may_be_named_before_and_after_the_command() -> None:
    for words in (["--config", "a.ini", "status"], ["status", "--config", "a.ini"]):
        assert parser().parse_args(words).config == "a.ini"
    assert parser().parse_args(["--config", "a.ini", "audit", "verify"]).config == "a.ini"
    assert not hasattr(parser().parse_args(["status"]), "config")


def test_a_secret_cannot_be_given_on_the_command_line(sitebind: Callable) -> None:
    """Others see the arguments of a process."""
    assert sitebind("status", "--token", "abc").code == 2


def modules_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    # Without the measuring of coverage, which loads modules of its own into every process.
    quiet = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST"))}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=quiet)
    return {name.partition(".")[0] for name in done.stderr.splitlines()} | set(done.stderr.splitlines())


def test_help_starts_without_anything_heavy() -> None:
    """A command line that loads the whole daemon to print its help is slow every time."""
    loaded = modules_after("from daemon.cli import main\nassert main(['--help']) == 0")
    heavy = {"aiohttp", "aiosqlite", "asyncio", "cryptography", "prometheus_client", "transitions", "sqlite3", "states"}
    assert heavy & loaded == set()


@pytest.mark.parametrize("command", ["status", "healthcheck", "reload", "rebind"])
def test_asking_the_daemon_starts_without_the_daemon(command: str, tmp_path: Path) -> None:
    """The path of a health check every ten seconds: settings are read, the server is not loaded."""
    config = tmp_path / "config.ini"
    config.write_text("[daemon]\nlisten = 127.0.0.1:1\n")
    code = f"from daemon.cli import main\nassert main([{command!r}, '--config', {str(config)!r}]) in (1, 4)"
    loaded = modules_after(code)
    assert "daemon.config.ini" in loaded
    assert {"aiohttp", "aiosqlite", "cryptography", "prometheus_client", "daemon.app"} & loaded == set()


def test_python_m_daemon_is_the_same_command() -> None:
    done = subprocess.run([sys.executable, "-m", "daemon", "version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("sitebind ")


def test_a_defect_is_reported_with_its_traceback_and_ends_with_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_args: object) -> int:
        raise RuntimeError("a wire came loose")

    monkeypatch.setattr("daemon.cli.commands._print_version", broken)
    assert main(["version"]) == 1
    said = capsys.readouterr().err
    assert "a wire came loose" in said
    assert "this is a defect" in said


def test_ctrl_c_ends_quietly(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_args: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("daemon.cli.commands._print_version", interrupted)
    assert main(["version"]) == 130
    assert capsys.readouterr().err == ""


def test_a_reader_that_has_gone_is_no_error_message() -> None:
    """`sitebind audit export | head` must not end in a traceback."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        command = [sys.executable, "-m", "daemon", "--help"]
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")
