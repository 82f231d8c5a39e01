"""`GET /api/v1/logs`: the newest lines, for administrators only."""

from __future__ import annotations

import pytest

from daemon.engine.log_tail import TAIL
from daemon.ports import Secret
from tests.web.described import DescribedClient
from tests.web.memory_engine import MemoryEngine

TOKEN = {"Authorization": "Bearer right"}
PATH = "/api/v1/logs"


@pytest.fixture(autouse=True)
def token(engine: MemoryEngine) -> None:
    engine.token = Secret("right")


async def test_the_newest_lines_come_oldest_first(api: DescribedClient) -> None:
    for word in ("one", "two", "three"):
        TAIL.add(word)
    reply = await api.get(f"{PATH}?limit=2", headers=TOKEN)
    assert (reply.status, reply.json) == (200, {"lines": ["two", "three"]})
    assert (await api.get(PATH, headers=TOKEN)).json["lines"][-3:] == ["one", "two", "three"]


async def test_it_needs_the_token_on_loopback_too(api: DescribedClient) -> None:
    assert (await api.get(PATH)).status == 401


async def test_a_limit_that_makes_no_sense_is_named(api: DescribedClient) -> None:
    reply = await api.get(f"{PATH}?limit=some", headers=TOKEN)
    assert (reply.status, reply.json["field"]) == (400, "limit")
