"""Every answer that a test gets from a daemon's API is held against `openapi.yaml`, and a lie would show."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from jsonschema import ValidationError

from tests.web.described import described_session

TESTS = Path(__file__).parents[1]
OTHER_SERVERS = {"conftest.py": "DescribedClient looks itself", "described.py": "here it is made"}
"""Of the rooms below, who may make a session of its own, and why."""


async def liar(request: web.Request) -> web.Response:
    """A daemon that answers what nobody was promised."""
    headers = {"X-Request-ID": "r-1"}
    match request.path:
        case "/-/healthy":
            return web.json_response({"status": "splendid", "checks": []}, headers=headers)
        case "/api/v1/sites":
            return web.json_response({"sites": []}, status=418, headers=headers)
        case "/livez":
            return web.json_response({"status": "pass", "checks": []})
        case _:
            return web.Response(text="<h1>page</h1>", content_type="text/html")


@pytest.fixture
async def lies() -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_get("/{path:.*}", liar)
    async with TestServer(application) as server:
        yield str(server.make_url(""))


@pytest.mark.parametrize("path", ["/-/healthy", "/api/v1/sites", "/livez"])
async def test_an_answer_that_was_not_promised_fails_the_test(lies: str, path: str) -> None:
    """A value, a status, a header that is missing."""
    async with described_session() as session:
        with pytest.raises((AssertionError, KeyError, ValidationError), match=r"splendid|418|X-Request-ID"):
            await session.get(lies + path)


async def test_the_page_is_no_api(lies: str) -> None:
    async with described_session() as session, session.get(f"{lies}/sites/default/bind") as answer:
        assert answer.status == 200


def test_no_test_calls_a_daemon_with_a_session_of_its_own() -> None:
    """They would see answers that nobody looked at. The page is asked in `tests/page`."""
    rooms = ("acceptance", "canaries", "doctor", "engine", "web")
    files = [path for room in rooms for path in (TESTS / room).rglob("*.py") if path != Path(__file__)]
    own = {path.name for path in files if "aiohttp.ClientSession(" in path.read_text(encoding="utf-8")}
    assert own <= set(OTHER_SERVERS)
