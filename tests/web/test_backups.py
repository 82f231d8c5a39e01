"""`POST /api/v1/backups`: who may, and what is taken note of."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.engine.operations import RequestRefused
from daemon.ports import Backup, Secret
from tests.web.described import DescribedClient
from tests.web.memory_engine import MemoryEngine

TOKEN = {"Authorization": "Bearer right"}
PATH = "/api/v1/backups"
BODY: dict[str, Any] = {"file": "/var/backups/night.db", "records": 5, "last": 6, "head": "a" * 64}


@pytest.fixture(autouse=True)
def token(engine: MemoryEngine) -> None:
    engine.token = Secret("right")


async def test_a_backup_is_recorded(engine: MemoryEngine, api: DescribedClient) -> None:
    reply = await api.post(PATH, headers=TOKEN, json=BODY)
    assert (reply.status, reply.json) == (200, {"seq": 7})
    ((caller, backup),) = engine.backups
    assert (caller.actor, backup) == ("token:api_token@127.0.0.1", Backup(**BODY))


@pytest.mark.parametrize(
    "field, value",
    [
        ("file", None), ("file", ""), ("file", "a\nb"), ("file", "x" * 4097), ("file", 7), ("records", -1),
        ("records", True), ("last", "6"), ("last", 2**60), ("last", None), ("head", "A" * 64), ("head", "a" * 63),
        ("head", None),
    ],
)  # fmt: skip
async def test_anything_else_is_refused_by_name(
    engine: MemoryEngine, api: DescribedClient, field: str, value: object
) -> None:
    reply = await api.post(PATH, headers=TOKEN, json={**BODY, field: value})
    assert (reply.status, reply.code, reply.json["field"]) == (400, "bad-field", field)
    assert engine.backups == []


async def test_it_needs_the_token_on_loopback_too(engine: MemoryEngine, api: DescribedClient) -> None:
    assert (await api.post(PATH, json=BODY)).status == 401
    assert engine.backups == []


async def test_the_backup_of_another_database_is_told_so(engine: MemoryEngine, api: DescribedClient) -> None:
    engine.backup_refusal = RequestRefused("backup-of-another-trail", "it is of another database")
    reply = await api.post(PATH, headers=TOKEN, json=BODY)
    assert (reply.status, reply.code) == (409, "backup-of-another-trail")
