"""`POST /api/v1/vault/rekey`: who may, what it answers, and that no key travels."""

from __future__ import annotations

import pytest

from daemon.config.model import SecretSource
from daemon.engine.operations import RequestRefused
from daemon.ports import Secret
from tests.web.described import DescribedClient
from tests.web.memory_engine import MemoryEngine

TOKEN = {"Authorization": "Bearer right"}
PATH = "/api/v1/vault/rekey"


@pytest.fixture(autouse=True)
def token(engine: MemoryEngine) -> None:
    engine.token = Secret("right")


async def test_a_rekey_answers_what_it_did(engine: MemoryEngine, api: DescribedClient) -> None:
    reply = await api.post(PATH, headers=TOKEN)
    assert (reply.status, reply.json["records"], reply.json["notes"]) == (200, 2, [])
    ((caller, source),) = engine.rekeys
    assert (caller.actor, source) == ("token:api_token@127.0.0.1", None)


async def test_a_new_key_is_named_by_reference(engine: MemoryEngine, api: DescribedClient) -> None:
    await api.post(PATH, headers=TOKEN, json={"new_key": "file:/etc/sitebind/vault-key"})
    assert engine.rekeys[0][1] == SecretSource(kind="file", where="/etc/sitebind/vault-key")


@pytest.mark.parametrize("given", ["literal:c2VjcmV0", "c2VjcmV0", "file:relative", "file:", "credential:a/b", 7])
async def test_anything_else_is_refused_and_not_repeated(
    engine: MemoryEngine, api: DescribedClient, given: object
) -> None:
    reply = await api.post(PATH, headers=TOKEN, json={"new_key": given})
    assert (reply.status, reply.code, reply.json["field"]) == (400, "bad-field", "new_key")
    assert "c2VjcmV0" not in reply.text
    assert engine.rekeys == []


async def test_it_needs_the_token_on_loopback_too(engine: MemoryEngine, api: DescribedClient) -> None:
    assert (await api.post(PATH)).status == 401
    assert engine.rekeys == []


async def test_a_refusal_says_what_to_do(engine: MemoryEngine, api: DescribedClient) -> None:
    engine.rekey_refusal = RequestRefused("vault-key-configured", "Put a new key somewhere")
    reply = await api.post(PATH, headers=TOKEN)
    assert (reply.status, reply.code) == (409, "vault-key-configured")
