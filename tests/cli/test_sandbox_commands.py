"""`sitebind sandbox`: the words that steer a running sandbox, over its own sockets."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.cli.demo_folder import DemoFolder, _free_ports
from daemon.cli.sandbox import HOSTS
from daemon.cli.sandbox_alone import ports_from
from daemon.sandbox import Sandbox, Trouble, small_world
from daemon.sandbox.world import DEMO_EMAIL

Ask = Callable[..., Any]


@pytest.fixture
async def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sandbox]:
    """A sandbox where the demo has it, seen from the folder in which the demo was started."""
    monkeypatch.chdir(tmp_path)
    async with Sandbox(directory=tmp_path / ".demo" / "sandbox", world=small_world()) as running:
        yield running


async def test_trouble_is_made_and_healed(sandbox: Sandbox, ask: Ask) -> None:
    said = await ask("sandbox", "trouble", "wrong-password")
    assert (said.code, said.out) == (0, "The simulated Mimecast now has: wrong-password.\n")
    assert Trouble.WRONG_PASSWORD in sandbox.script.active
    said = await ask("sandbox", "heal")
    assert (said.code, said.out) == (0, "Healed: wrong-password. In force now: no trouble.\n")
    assert sandbox.script.active == {}


async def test_trouble_takes_times_seconds_and_endpoint(sandbox: Sandbox, ask: Ask) -> None:
    said = await ask("sandbox", "trouble", "slow", "--times", "3", "--seconds", "1.5", "--endpoint", "login")
    assert said.code == 0
    active = sandbox.script.active[Trouble.SLOW]
    assert (active.remaining, active.seconds, {endpoint.value for endpoint in active.endpoints}) == (3, 1.5, {"login"})


async def test_one_trouble_of_two_can_be_healed(sandbox: Sandbox, ask: Ask) -> None:
    for name in ("slow", "two-step"):
        await ask("sandbox", "trouble", name)
    assert (await ask("sandbox", "heal", "slow")).out.endswith("In force now: two-step.\n")


async def test_a_mistyped_trouble_gets_the_nearest_one(sandbox: Sandbox, ask: Ask) -> None:
    said = await ask("sandbox", "trouble", "wrong-pasword")
    assert (said.code, 'did you mean "wrong-password"?' in said.err) == (2, True)


async def test_every_trouble_is_listed(sandbox: Sandbox, ask: Ask) -> None:
    said = await ask("sandbox", "troubles")
    assert all(trouble.label in said.out for trouble in Trouble)
    assert len(json.loads((await ask("sandbox", "troubles", "--json")).out)["troubles"]) == len(Trouble)


async def test_a_password_is_changed(sandbox: Sandbox, ask: Ask) -> None:
    said = await ask("sandbox", "set-password", DEMO_EMAIL, "a new one")
    user = sandbox.world.user(DEMO_EMAIL)
    assert user is not None
    assert (said.code, user.password_is("a new one")) == (0, True)
    assert "a new one" not in said.out


async def test_an_unknown_user_is_said(sandbox: Sandbox, ask: Ask) -> None:
    said = await ask("sandbox", "set-password", "nobody@example.test", "x")
    assert (said.code, "there is no user" in said.err) == (2, True)


async def test_the_state_is_shown(sandbox: Sandbox, ask: Ask) -> None:
    said = await ask("sandbox", "state")
    assert f"{DEMO_EMAIL} (Basic Administrator)" in said.out
    assert "none yet" in said.out
    assert json.loads((await ask("sandbox", "state", "--json")).out)["troubles"] == []


async def test_another_folder_can_be_named(sandbox: Sandbox, tmp_path: Path, ask: Ask, monkeypatch: Any) -> None:
    monkeypatch.chdir("/")
    assert (await ask("sandbox", "state", "--directory", tmp_path / ".demo")).code == 0
    assert (await ask("sandbox", "--directory", tmp_path / ".demo", "state")).code == 0


def test_no_sandbox_here_ends_with_four(sitebind: Ask, tmp_path: Path) -> None:
    said = sitebind("sandbox", "state", "--directory", tmp_path)
    assert (said.code, "No sandbox is running here" in said.err) == (4, True)


async def test_what_a_killed_sandbox_left_behind_is_told_from_a_running_one(tmp_path: Path, ask: Ask) -> None:
    folder = tmp_path / "sandbox"
    async with Sandbox(directory=folder, world=small_world()):
        note = (folder / "sandbox.json").read_text()
    (folder / "sandbox.json").write_text(note)
    said = await ask("sandbox", "state", "--directory", tmp_path)
    assert (said.code, "does not answer; it ended or was killed" in said.err) == (4, True)


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_note_that_is_none_is_said(text: str, sitebind: Ask, tmp_path: Path) -> None:
    (tmp_path / "sandbox").mkdir()
    (tmp_path / "sandbox" / "sandbox.json").write_text(text)
    assert sitebind("sandbox", "state", "--directory", tmp_path).code == 4


def test_the_sandbox_runs_alone_and_prints_a_configuration_that_is_good(tmp_path: Path, sitebind: Ask) -> None:
    """What it prints can be pasted into a site's file as it stands."""
    first = _free_ports()
    serve = ("sandbox", "--directory", str(tmp_path), "serve", "--port", str(first))
    command = [sys.executable, "-m", "daemon", *serve]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        limit = threading.Timer(20.0, process.kill)
        limit.start()
        assert process.stdout is not None
        said = "".join(iter(process.stdout.readline, "Stop it with Ctrl-C.\n"))
        assert sitebind("sandbox", "state", "--directory", tmp_path).code == 0
        second = subprocess.run(command, capture_output=True, text=True, check=False)
        process.terminate()
        assert process.wait() == 0
        limit.cancel()
    assert second.returncode == 2
    assert f"cannot listen on ports {first} to {first + 4}" in second.stderr
    assert said.startswith(f"sandbox: https://localhost:{first}\n")
    config = tmp_path / "config.ini"
    config.write_text(said[said.index("[account]") : said.index("For authentication_type")])
    config.chmod(0o600)
    assert sitebind("check-config", "--secrets", "--config", config).out.endswith("0 errors, 0 warnings; 1 site\n")


async def test_a_running_sandbox_in_the_demos_folder_answers(sandbox: Sandbox, tmp_path: Path) -> None:
    from daemon.cli.sandbox_control import Control

    assert await asyncio.to_thread(Control(DemoFolder(tmp_path / ".demo").sandbox).answers)


def test_every_host_has_a_port_of_its_own_in_the_row() -> None:
    """What looks for free ports counts as many as the sandbox takes."""
    assert list(dataclasses.astuple(ports_from(8790))) == list(range(8790, 8790 + HOSTS))
