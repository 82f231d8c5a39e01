"""`sitebind doctor` before a server that answers as the daemon does, and without one."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.shapes import a_step

Ask = Callable[..., Any]
DOCTOR = "POST /api/v1/sites/default/doctor"
WELL = {"layers": [a_step("configuration"), a_step("proxy authentication")]}
ILL = {
    "layers": [
        a_step("configuration"),
        a_step("dns", status="failed", detail="api.invalid does not resolve", remedy="Check the DNS servers."),
        a_step("tcp", status="skipped", detail="not reached because dns failed"),
    ]
}


async def test_a_site_that_is_well_is_exit_code_0(api: Any, ask: Ask) -> None:
    api.on(DOCTOR, WELL)
    said = await ask("doctor", "default", "--url", api.url)
    assert said.code == 0
    assert said.out.startswith("default: from this server to a working binding\n")
    assert "passed   proxy authentication" in said.out
    assert said.out.endswith("No check failed.\n")
    assert json.loads(api.bodies[0]) == {}


async def test_a_failed_check_is_exit_code_5_and_is_named_with_its_remedy(api: Any, ask: Ask) -> None:
    api.on(DOCTOR, ILL)
    said = await ask("doctor", "default", "--url", api.url)
    assert said.code == 5
    assert "failed   dns" in said.out
    assert "→ Check the DNS servers." in said.out
    assert "not reached because dns failed" in said.out
    assert said.out.endswith("It fails at: dns.\n")


async def test_json_is_the_answer_itself(api: Any, ask: Ask) -> None:
    api.on(DOCTOR, ILL)
    said = await ask("doctor", "default", "--json", "--sign-in", "--url", api.url)
    assert said.code == 5
    assert json.loads(said.out) == ILL
    assert json.loads(api.bodies[0]) == {"sign_in": True}


async def test_warnings_alone_are_well(api: Any, ask: Ask) -> None:
    api.on(DOCTOR, {"layers": [a_step("clock", status="warning", remedy="Set the clock.")]})
    said = await ask("doctor", "default", "--url", api.url)
    assert said.code == 0
    assert "see the warnings" in said.out


async def test_the_only_site_need_not_be_named(api: Any, ask: Ask) -> None:
    api.on("GET /api/v1/sites", {"sites": [{"id": "default"}]})
    api.on(DOCTOR, WELL)
    assert (await ask("doctor", "--url", api.url)).code == 0


@pytest.mark.parametrize("sites", [[], [{"id": "north"}, {"id": "south"}]])
async def test_which_of_several_sites_must_be_said(api: Any, ask: Ask, sites: list[dict[str, str]]) -> None:
    api.on("GET /api/v1/sites", {"sites": sites})
    said = await ask("doctor", "--url", api.url)
    assert said.code == 2
    assert ("north, south" in said.err) is bool(sites)


async def test_what_the_daemon_refuses_is_not_examined_behind_its_back(api: Any, ask: Ask) -> None:
    """Only an absent daemon is done without."""
    api.on(DOCTOR, {"title": "Not allowed", "code": "token-required"}, status=401)
    said = await ask("doctor", "default", "--url", api.url)
    assert said.code == 6
    assert said.out == ""


async def test_a_daemon_that_was_named_must_answer(ask: Ask) -> None:
    said = await ask("doctor", "default", "--url", f"http://127.0.0.1:{a_free_port()}")
    assert said.code == 4


def a_free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port: int = server.getsockname()[1]
        return port


def written(folder: Path, *, binding: str = "", daemon: str = "") -> Path:
    path = folder / "config.ini"
    nobody = a_free_port()
    path.write_text(
        f"[daemon]\nlisten = 127.0.0.1:{nobody}\n{daemon}\n[account]\nsmtp_address = admin@example.test\n"
        "[binding]\npassword = literal:x\napplication_id = id\napplication_key = literal:key\n"
        f"trusted_suffixes = localhost\nservice_url = https://localhost:{nobody}\n{binding}\n"
    )
    path.chmod(0o600)
    return path


async def test_without_a_daemon_the_configuration_alone_is_examined(tmp_path: Path, ask: Ask) -> None:
    """It says so, and makes no file."""
    path = written(tmp_path)
    said = await ask("doctor", "--config", path)
    assert said.code == 5
    assert "The configuration alone is examined." in said.err
    assert "passed   configuration" in said.out
    assert said.out.endswith("It fails at: tcp.\n")
    assert [file.name for file in tmp_path.iterdir()] == ["config.ini"]


async def test_a_file_that_no_daemon_would_start_with_is_examined_too(tmp_path: Path, ask: Ask) -> None:
    """Every finding, at the layer `configuration`, also in JSON."""
    path = written(tmp_path, binding="emial = x", daemon="pace = fast")
    said = await ask("doctor", "--json", "--config", path)
    assert said.code == 5
    first, *others = json.loads(said.out)["layers"]
    assert (first["step"], first["status"]) == ("configuration", "failed")
    assert "emial" in first["detail"]
    assert {layer["status"] for layer in others} == {"skipped"}


async def test_a_site_that_is_not_in_the_configuration_is_wrong_usage(tmp_path: Path, ask: Ask) -> None:
    said = await ask("doctor", "nowhere", "--config", written(tmp_path))
    assert said.code == 2
    assert "it holds: default" in said.err
