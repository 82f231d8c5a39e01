"""How the command line finds the daemon, and what it says when the answer is not the one hoped for."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from daemon.cli.client import Target
from tests.cli.shapes import a_site

Ask = Callable[..., Any]


def config_for(api: Any, folder: Path, *lines: str, host: str = "127.0.0.1") -> Path:
    path = folder / "config.ini"
    path.write_text("\n".join(["[daemon]", f"listen = {host}:{api.port}", *lines]) + "\n")
    path.chmod(0o600)
    return path


async def test_the_daemon_is_found_through_its_configuration(api: Any, ask: Ask, tmp_path: Path) -> None:
    api.on("GET /api/v1/sites", {"sites": [a_site()]})
    assert (await ask("status", "--config", config_for(api, tmp_path))).code == 0
    assert api.asked[0].headers["Host"] == f"127.0.0.1:{api.port}"


async def test_a_daemon_that_listens_everywhere_is_asked_on_loopback(api: Any, ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("the token of the test\n")
    config = config_for(api, tmp_path, "api_token = file:token", host="0.0.0.0")
    api.on("GET /api/v1/sites", {"sites": [a_site()]})
    assert (await ask("status", "--config", config)).code == 0
    assert api.asked[0].headers["Authorization"] == "Bearer the token of the test"


async def test_a_folder_of_sites_names_its_daemon_too(api: Any, ask: Ask, tmp_path: Path) -> None:
    config_for(api, tmp_path).rename(tmp_path / "daemon.ini")
    api.on("GET /api/v1/sites", {"sites": []})
    assert (await ask("status", "--config", tmp_path)).code == 3


async def test_the_usual_places_are_looked_at(
    api: Any, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.on("GET /api/v1/sites", {"sites": [a_site()]})
    monkeypatch.setenv("SITEBIND_CONFIG", str(config_for(api, tmp_path)))
    assert (await ask("status")).code == 0
    monkeypatch.delenv("SITEBIND_CONFIG")
    monkeypatch.chdir(tmp_path)
    assert (await ask("status")).code == 0


def test_no_configuration_anywhere_is_said_with_what_to_do(
    sitebind: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = sitebind("status")
    assert said.code == 2
    assert "--config PATH" in said.err


def test_a_configuration_that_is_not_there_is_wrong_usage(sitebind: Ask, tmp_path: Path) -> None:
    said = sitebind("status", "--config", tmp_path / "gone.ini")
    assert (said.code, "gone.ini: there is no such file" in said.err) == (2, True)


def test_a_bad_daemon_section_is_shown_and_the_way_around_it(sitebind: Ask, tmp_path: Path) -> None:
    config = tmp_path / "config.ini"
    config.write_text("[daemon]\nlisten = nowhere\n")
    said = sitebind("status", "--config", config)
    assert said.code == 2
    assert "config.ini:2: [daemon] listen" in said.err
    assert "--url URL" in said.err


def test_nobody_listening_ends_with_four_and_says_address_source_and_remedy(sitebind: Ask, tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    config = tmp_path / "config.ini"
    config.write_text(f"[daemon]\nlisten = 127.0.0.1:{port}\n")
    said = sitebind("status", "--config", config)
    assert said.code == 4
    assert f"not reachable at http://127.0.0.1:{port}: connection refused" in said.err
    assert str(config) in said.err
    assert "sitebind run" in said.err


def test_an_unknown_host_name_is_not_reachable(sitebind: Ask) -> None:
    assert sitebind("status", "--url", "http://nobody.invalid:1").code == 4


def test_a_daemon_that_accepts_and_says_nothing_is_given_up(sitebind: Ask) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        said = sitebind("healthcheck", "--timeout", "0.2", "--url", f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert said.code == 1
    assert "did not answer within" in said.err


@pytest.mark.parametrize("body", ["<html>hello</html>", "[1, 2]", b"\xff\xfe"])
async def test_something_else_on_the_port_is_not_taken_for_sitebind(body: Any, api: Any, ask: Ask) -> None:
    api.on("GET /api/v1/sites", body)
    said = await ask("status", "--url", api.url)
    assert said.code == 4
    assert f"What answers at {api.url} is not sitebind" in said.err


async def test_what_does_not_even_speak_http_is_not_taken_for_sitebind(ask: Ask) -> None:
    async def babble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        said = await ask("status", "--url", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert (said.code, "is not HTTP" in said.err) == (4, True)


PROBLEM = {"title": "Conflict", "detail": "The site is not configured.", "code": "not-configured", "request_id": "r-17"}


@pytest.mark.parametrize(
    "status,code",
    [(400, 2), (401, 6), (403, 6), (404, 2), (409, 2), (413, 2), (415, 2), (421, 6), (500, 1), (503, 5)],
)
async def test_each_refusal_has_its_exit_code(status: int, code: int, api: Any, ask: Ask) -> None:
    api.on("GET /api/v1/sites", PROBLEM, status=status)
    assert (await ask("status", "--url", api.url)).code == code


async def test_a_problem_document_becomes_words(api: Any, ask: Ask) -> None:
    findings = ["config.ini:3: [binding] emial: unknown option"]
    api.on("POST /rebind", {**PROBLEM, "findings": findings, "remedy": "Mend the file."}, status=409)
    said = await ask("rebind", "--url", api.url)
    assert said.code == 2
    assert "Conflict: The site is not configured." in said.err
    assert "config.ini:3: [binding] emial" in said.err
    assert "Mend the file." in said.err
    assert "r-17" in said.err


async def test_what_a_stranger_answers_cannot_steer_the_terminal(api: Any, ask: Ask) -> None:
    api.on("GET /api/v1/sites", {**PROBLEM, "detail": "\x1b[2Jgone\x07"}, status=409)
    assert "\x1b" not in (await ask("status", "--url", api.url)).err


# --- the token ---------------------------------------------------------------------------------


async def test_on_loopback_no_token_is_read_or_sent(api: Any, ask: Ask, tmp_path: Path) -> None:
    """A person who may not read the token file may still look."""
    config = config_for(api, tmp_path, "api_token = file:not-there")
    api.on("GET /api/v1/sites", {"sites": [a_site()]})
    assert (await ask("status", "--config", config)).code == 0
    assert "Authorization" not in api.asked[0].headers


async def test_a_token_is_sent_where_the_daemon_requires_one(api: Any, ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("the token of the test\n")
    config = config_for(api, tmp_path, "api_token = file:token", "require_token = yes")
    api.on("GET /api/v1/sites", {"sites": [a_site()]})
    await ask("status", "--config", config)
    assert api.asked[0].headers["Authorization"] == "Bearer the token of the test"


async def test_a_token_that_cannot_be_read_is_the_reason_that_is_said(api: Any, ask: Ask, tmp_path: Path) -> None:
    config = config_for(api, tmp_path, "api_token = file:not-there", "require_token = yes")
    api.on("GET /api/v1/sites", {**PROBLEM, "title": "Unauthorized"}, status=401)
    said = await ask("status", "--config", config)
    assert said.code == 6
    assert "No token was sent" in said.err
    assert "not-there" in said.err


async def test_the_environment_gives_the_token_first(
    api: Any, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SITEBIND_TOKEN", "from the environment")
    api.on("GET /api/v1/sites", {"sites": [a_site()]})
    await ask("status", "--config", config_for(api, tmp_path))
    await ask("status", "--url", api.url)
    assert [asked.headers["Authorization"] for asked in api.asked] == ["Bearer from the environment"] * 2


async def test_a_token_found_by_chance_is_not_sent_to_an_address_that_was_typed(
    api: Any, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("the token of the test\n")
    config = config_for(api, tmp_path, "api_token = file:token")
    monkeypatch.chdir(tmp_path)
    api.on("GET /api/v1/sites", {"sites": [a_site()]})
    await ask("status", "--url", api.url)
    assert "Authorization" not in api.asked[0].headers
    await ask("status", "--url", api.url, "--config", config)
    assert api.asked[1].headers["Authorization"] == "Bearer the token of the test"


@pytest.mark.parametrize("url", ["127.0.0.1:8787", "ftp://localhost", "http://localhost/api", "http://"])
def test_an_address_that_is_none_is_wrong_usage(url: str, sitebind: Ask) -> None:
    said = sitebind("status", "--url", url)
    assert (said.code, "expected an address like" in said.err) == (2, True)


def test_a_target_does_not_print_its_token() -> None:
    assert "hunter2" not in repr(Target(url="http://localhost", found_by="--url", token="hunter2"))


async def test_a_refusal_for_a_token_that_was_sent_does_not_show_it(
    api: Any, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SITEBIND_TOKEN", "hunter2-hunter2")
    api.on("GET /api/v1/sites", {**PROBLEM, "title": "Unauthorized"}, status=401)
    said = await ask("status", "--url", api.url)
    assert "not the one that the daemon knows" in said.err
    assert "hunter2" not in said.err
