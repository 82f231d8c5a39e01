"""`POST …/unbind`: who may, what it answers, and everything that a caller can do wrong."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from daemon.ports import Secret
from states import Fault
from tests.web.described import DescribedClient, described_session
from tests.web.memory_engine import MemoryEngine
from tests.web.serving import Measured, made

TOKEN = {"Authorization": "Bearer right"}
PATH = "/api/v1/sites/default/unbind"


@pytest.fixture
async def bound(engine: MemoryEngine, api: DescribedClient) -> MemoryEngine:
    engine.token = Secret("right")
    await api.post("/rebind")
    await engine.succeed("default")
    engine.asked.clear()
    return engine


async def test_an_unbind_is_accepted_and_leads_to_its_end(bound: MemoryEngine, api: DescribedClient) -> None:
    """202 while it is under way, with the site's address, which then tells the end."""
    accepted = await api.post(PATH, headers=TOKEN, json={"reason": "the server moves"})
    assert (accepted.status, accepted.headers["Location"]) == (202, "/api/v1/sites/default")
    assert "unbind-pending" in {problem["code"] for problem in accepted.json["problems"]}
    ((site, caller, reason, local_only),) = bound.unbinds
    assert (site, reason, local_only) == ("default", "the server moves", False)
    assert caller.actor == "token:api_token@127.0.0.1"
    assert caller.request_id == accepted.headers["X-Request-ID"]
    await bound.unbound("default")
    ended = (await api.get(accepted.headers["Location"])).json
    assert (ended["state"], ended["binding"], ended["reason"]) == ("configured", None, "unbound by operator")


@pytest.mark.parametrize("fault", [None, Fault.UNREACHABLE])
async def test_wait_answers_with_the_end(bound: MemoryEngine, api: DescribedClient, fault: Fault | None) -> None:
    """200, also when it ended badly: then the binding is still there and the problem says why."""
    asking = asyncio.create_task(api.post(f"{PATH}?wait=30", headers=TOKEN), name="asking")
    await bound.asked.wait()
    await bound.unbound("default", fault=fault)
    reply = await asking
    assert reply.status == 200
    assert (reply.json["binding"] is None) is (fault is None)
    assert ("unbind-failed" in {p["code"] for p in reply.json["problems"]}) is (fault is not None)


async def test_a_wait_that_is_too_short_stays_accepted(bound: MemoryEngine, api: DescribedClient) -> None:
    assert (await api.post(f"{PATH}?wait=0.01", headers=TOKEN)).status == 202


async def test_stopping_the_server_ends_a_wait_at_once(engine: MemoryEngine, measured: Measured) -> None:
    engine.token = Secret("right")
    server = made(engine, measured)
    await server.start()
    async with described_session() as session:
        api = DescribedClient(session, server.url)
        await api.post("/rebind")
        await engine.succeed("default")
        engine.asked.clear()
        asking = asyncio.create_task(api.post(f"{PATH}?wait=300", headers=TOKEN), name="asking")
        await engine.asked.wait()
        async with asyncio.timeout(5):
            await server.stop()
            assert (await asking).status == 202


async def test_what_is_left_behind_is_said(bound: MemoryEngine, api: DescribedClient) -> None:
    await api.post(PATH, headers=TOKEN, json={"local_only": True})
    assert bound.unbinds[-1][3] is True
    await bound.unbound("default", left_behind="the keys are still valid at the service")
    site = (await api.get("/api/v1/sites/default")).json
    assert site["reason"] == "unbound by operator; the keys are still valid at the service"


async def test_nothing_to_unbind_is_409(engine: MemoryEngine, api: DescribedClient) -> None:
    engine.token = Secret("right")
    reply = await api.post(PATH, headers=TOKEN)
    assert (reply.status, reply.code) == (409, "nothing-to-unbind")


async def test_it_needs_the_token_on_loopback_too(bound: MemoryEngine, api: DescribedClient) -> None:
    """Without it nothing is asked of the engine."""
    assert (await api.post(PATH)).code == "token-required"
    bound.token = None
    reply = await api.post(PATH)
    assert (reply.status, reply.code) == (403, "token-not-configured")
    assert bound.unbinds == []


@pytest.mark.parametrize(
    "body, field", [({"local_only": "yes"}, "local_only"), ({"reason": 7}, "reason"), ({"force": True}, "force")]
)
async def test_a_field_that_is_wrong_is_named(
    bound: MemoryEngine, api: DescribedClient, body: dict[str, Any], field: str
) -> None:
    reply = await api.post(PATH, headers=TOKEN, data=json.dumps(body), skip_auto_headers=["Content-Type"])
    assert reply.status == 415
    reply = await api.post(PATH, headers=TOKEN, json=body)
    assert (reply.status, reply.code, reply.json["field"]) == (400, "bad-field", field)
    assert bound.unbinds == []


async def test_an_unknown_site_is_404_and_a_full_disk_503(bound: MemoryEngine, api: DescribedClient) -> None:
    assert (await api.post("/api/v1/sites/nobody/unbind", headers=TOKEN)).code == "unknown-site"
    bound.journal_down = True
    assert (await api.post(PATH, headers=TOKEN)).status == 503
