"""The examples of docs/reference/api.md can be typed: a daemon understands each of them."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import AsyncIterator

import pytest

from daemon.ports import Secret
from daemon.web.openapi import document
from tests.reference import api
from tests.web.described import described_session
from tests.web.memory_engine import MemoryEngine
from tests.web.serving import Measured, made

TOKEN = "a-token-for-the-examples"
NOT_UNDERSTOOD = {400, 401, 403, 405, 415, 422, 428}
EXAMPLES = [api.example(method, path, operation) for method, path, operation in api.operations(document())]


@pytest.fixture
async def url() -> AsyncIterator[str]:
    engine = MemoryEngine("default")
    engine.token = Secret(TOKEN)
    server = made(engine, Measured())
    await server.start()
    yield server.url
    await server.stop()


def curl(command: str) -> argparse.Namespace:
    """What curl would make of it."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("-s", action="store_true", required=True)
    parser.add_argument("-X", default="GET")
    parser.add_argument("-H", action="append", default=[])
    parser.add_argument("-d")
    parser.add_argument("url")
    return parser.parse_args(shlex.split(command)[1:])


@pytest.mark.parametrize("command", EXAMPLES)
async def test_an_example_is_understood(url: str, command: str) -> None:
    """It may find nothing, or be refused by the state of things. Nothing here ends a bind, so none is waited for."""
    asked = curl(command.replace("$SITEBIND_TOKEN", TOKEN).replace("wait=60", "wait=0"))
    headers = dict(header.split(": ", 1) for header in asked.H)
    address = asked.url.replace("http://127.0.0.1:8787", url)
    assert address != asked.url
    session, call = described_session(), {"headers": headers, "data": asked.d}
    async with session, session.request(asked.X, address, **call) as answer:
        assert answer.status not in NOT_UNDERSTOOD, await answer.text()
