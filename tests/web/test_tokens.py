"""Bearer tokens and their scopes, the audit of administration and of refusals, and the limit of each caller."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from daemon.config.model import DaemonSettings
from daemon.engine.operations import Caller
from daemon.ports import Scope, Secret
from daemon.web.auth import Principal
from daemon.web.errors import HttpProblem
from daemon.web.limits import MOST_CALLERS, RateLimit
from tests.clock import ManualClock
from tests.web.described import DescribedClient, described_session
from tests.web.memory_engine import MemoryEngine
from tests.web.serving import Serve

ADMIN = {"Authorization": "Bearer right"}
READING = [("GET", "/api/v1/sites"), ("GET", "/api/v1/audit"), ("GET", "/openapi.json")]
OPERATING = [("POST", "/rebind"), ("POST", "/-/reload")]
ADMINISTERING = [("GET", "/api/v1/tokens"), ("POST", "/api/v1/tokens"), ("DELETE", "/api/v1/tokens/t-0")]
SCRAPING = [("GET", "/metrics")]


@pytest.fixture
def engine() -> MemoryEngine:
    engine = MemoryEngine("default")
    engine.token = Secret("right")
    return engine


async def a_token(api: DescribedClient, *scopes: str, **order: Any) -> dict[str, str]:
    reply = await api.post("/api/v1/tokens", json={"name": "t", "scopes": list(scopes), **order}, headers=ADMIN)
    assert reply.status == 201, reply.text
    return {"Authorization": f"Bearer {reply.json['secret']}"}


@pytest.mark.parametrize(
    "scope, may",
    [
        ("read", READING),
        ("operate", READING + OPERATING),
        ("metrics", SCRAPING),
        ("admin", READING + OPERATING + SCRAPING + ADMINISTERING),
    ],
)
async def test_a_token_may_what_its_scope_says_and_nothing_else(
    engine: MemoryEngine, api: DescribedClient, scope: str, may: list[tuple[str, str]]
) -> None:
    """Also on a loopback listener, where the same caller without a token could do more."""
    headers = await a_token(api, scope)
    for method, path in READING + OPERATING + SCRAPING + ADMINISTERING:
        reply = await api.call(method, path, headers=headers)
        if (method, path) in may:
            assert reply.status in (200, 202, 400, 404), f"{method} {path}: {reply.text}"
        else:
            assert (reply.status, reply.code) == (403, "scope-missing")
    assert (await api.get("/-/healthy", headers=headers)).status == 200


async def test_a_token_opens_a_listener_on_the_network(engine: MemoryEngine, serve: Serve) -> None:
    """As the configured one does."""
    engine.settings = replace(engine.settings, host="0.0.0.0")
    api = await serve(engine)
    api.url = api.url.replace("0.0.0.0", "127.0.0.1")
    headers = await a_token(api, "read")
    assert (await api.get("/api/v1/sites")).status == 401
    assert (await api.get("/api/v1/sites", headers=headers)).status == 200


async def test_the_secret_is_shown_once(engine: MemoryEngine, api: DescribedClient) -> None:
    """In the answer that makes it; the list, the audit and our memory have its hash at most."""
    reply = await api.post(
        "/api/v1/tokens", json={"name": "grafana", "scopes": ["metrics", "read"], "expires_in": 60}, headers=ADMIN
    )
    made = reply.json
    assert reply.headers["Location"] == f"/api/v1/tokens/{made['id']}"
    assert (made["scopes"], made["valid"], made["created_by"]) == (
        ["metrics", "read"], True, "token:api_token@127.0.0.1",
    )  # fmt: skip
    listed = await api.get("/api/v1/tokens", headers=ADMIN)
    assert listed.json["tokens"] == [{key: value for key, value in made.items() if key != "secret"}]
    assert made["secret"] not in repr(engine.access.journal.entries) + repr(engine.access.store.kept)


async def test_the_use_of_a_token_is_named_and_remembered(engine: MemoryEngine, api: DescribedClient) -> None:
    """In the audit trail by name and id; in the list by time, written by the flush alone."""
    headers = await a_token(api, "operate")
    [token] = engine.access.tokens.all()
    assert (await api.post("/rebind", headers=headers)).json["actor"] == f"token:t({token.id})@127.0.0.1"
    assert engine.access.tokens.all()[0].last_used_at is not None
    assert engine.access.store.kept[token.id].last_used_at is None
    await engine.access.minute_over()
    assert engine.access.store.kept[token.id].last_used_at is not None


async def test_a_revoked_token_is_refused_at_once(engine: MemoryEngine, api: DescribedClient) -> None:
    """From the answer on."""
    headers = await a_token(api, "read")
    [token] = engine.access.tokens.all()
    assert (await api.call("DELETE", f"/api/v1/tokens/{token.id}", headers=ADMIN)).json["id"] == token.id
    reply = await api.get("/api/v1/sites", headers=headers)
    assert (reply.status, reply.code) == (401, "token-wrong")
    again = await api.call("DELETE", f"/api/v1/tokens/{token.id}", headers=ADMIN)
    assert (again.status, again.code) == (404, "unknown-token")


async def test_two_are_valid_at_once_for_a_rotation(api: DescribedClient) -> None:
    """The third is refused with the ids of the two."""
    old, new = await a_token(api, "read"), await a_token(api, "read")
    for headers in (old, new):
        assert (await api.get("/api/v1/sites", headers=headers)).status == 200
    third = await api.post("/api/v1/tokens", json={"name": "t", "scopes": ["read"]}, headers=ADMIN)
    assert (third.status, third.code) == (409, "token-limit")


async def test_an_expired_token_is_told_from_a_wrong_one(engine: MemoryEngine, api: DescribedClient) -> None:
    """So that the remedy is the right one."""
    token, secret = await engine.access.tokens.create(
        "old", frozenset({Scope.READ}), lifetime=timedelta(microseconds=1), caller=Caller(actor="test")
    )
    reply = await api.get("/api/v1/sites", headers={"Authorization": f"Bearer {secret.reveal()}"})
    assert (reply.status, reply.code, token.id in reply.text) == (401, "token-expired", True)


@pytest.mark.parametrize(
    "order, field",
    [
        ({"scopes": ["read"]}, "name"),
        ({"name": 1, "scopes": ["read"]}, "name"),
        ({"name": "a b", "scopes": ["read"]}, "name"),
        ({"name": "a"}, "scopes"),
        ({"name": "a", "scopes": "read"}, "scopes"),
        ({"name": "a", "scopes": []}, "scopes"),
        ({"name": "a", "scopes": ["root"]}, "scopes"),
        ({"name": "a", "scopes": ["health"]}, "scopes"),
        ({"name": "a", "scopes": ["read"], "expires_in": True}, "expires_in"),
        ({"name": "a", "scopes": ["read"], "expires_in": 0}, "expires_in"),
        ({"name": "a", "scopes": ["read"], "expires_in": 10**30}, "expires_in"),
        ({"name": "a", "scopes": ["read"], "expires": 1}, "expires"),
    ],
)
async def test_an_order_that_makes_no_sense_is_refused_by_its_field(
    engine: MemoryEngine, api: DescribedClient, order: dict[str, Any], field: str
) -> None:
    """And no token is made."""
    reply = await api.post("/api/v1/tokens", json=order, headers=ADMIN)
    assert (reply.status, reply.code, reply.json["field"]) == (400, "bad-field", field)
    assert len(engine.access.tokens) == 0


# --- the audit ---------------------------------------------------------------------------------


async def test_administration_is_recorded_before_it_is_done(engine: MemoryEngine, api: DescribedClient) -> None:
    """And when it cannot be recorded, it is not done."""
    await a_token(api, "read")
    assert engine.access.journal.events() == ["admin_used", "token_created"]
    engine.access.journal.down = True
    reply = await api.post("/api/v1/tokens", json={"name": "b", "scopes": ["read"]}, headers=ADMIN)
    assert (reply.status, reply.code) == (503, "journal-unavailable")
    assert len(engine.access.tokens) == 1


async def test_refused_calls_are_recorded_once_a_caller_and_minute(engine: MemoryEngine, api: DescribedClient) -> None:
    """401, 403 and 421 alike, with their codes; nothing of a stranger's own words gets into the trail."""
    for _ in range(5):
        await api.get("/api/v1/sites", headers={"Authorization": "Bearer hunter2"})
        await api.get("/api/v1/tokens")
        await api.get("/-/healthy", headers={"Host": "evil.example"})
        await api.post("/api/v1/sites/evil/rebind", headers={"Origin": "https://evil.example"})
    await engine.access.minute_over()
    first, rest = engine.access.journal.entries
    assert (first.event, first.actor, first.site) == ("call_refused", "http:127.0.0.1", "")
    assert first.detail == {"code": "token-wrong", "status": 401, "call": "GET /api/v1/sites"}
    assert (rest.detail["count"], rest.detail["call"]) == (19, "POST /api/v1/sites/{site}/rebind")
    assert rest.detail["kinds"] == {
        "cross-origin": 5, "host-not-allowed": 5, "token-required": 5, "token-wrong": 4,
    }  # fmt: skip
    assert "hunter2" not in repr(engine.access.journal.entries)
    assert "evil" not in repr(engine.access.journal.entries)


async def test_a_token_that_reaches_too_far_is_recorded(engine: MemoryEngine, api: DescribedClient) -> None:
    """It is somebody's."""
    headers = await a_token(api, "metrics")
    await api.post("/rebind", headers=headers)
    await engine.access.work.settle()
    assert engine.access.journal.entries[-1].detail["code"] == "scope-missing"


# --- the limit ---------------------------------------------------------------------------------


async def test_who_asks_too_often_is_told_when_to_come_back(engine: MemoryEngine, api: DescribedClient) -> None:
    """429 with Retry-After; health is exempt, other callers are not touched, and it is in the audit trail."""
    engine.settings = replace(engine.settings, rate_limit=1, rate_burst=3)
    headers = await a_token(api, "read")
    statuses = [(await api.get("/api/v1/sites")).status for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    reply = await api.get("/api/v1/sites")
    assert (reply.code, reply.headers["Retry-After"]) == ("too-many-requests", "1")
    assert (await api.get("/api/v1/sites", headers=headers)).status == 200
    assert all([(await api.get("/-/healthy")).status == 200 for _ in range(10)])
    await engine.access.work.settle()
    assert engine.access.journal.entries[-1].detail["code"] == "too-many-requests"


async def test_who_guesses_tokens_is_slowed_down_by_address(engine: MemoryEngine, api: DescribedClient) -> None:
    """Whatever they claim to be."""
    engine.settings = replace(engine.settings, rate_limit=1, rate_burst=2)
    codes = [
        (await api.get("/api/v1/sites", headers={"Authorization": f"Bearer {number}"})).code for number in range(4)
    ]
    assert codes == ["token-wrong", "token-wrong", "too-many-requests", "too-many-requests"]


def somebody(name: str = "address:10.0.0.1", *, local: bool = False) -> Principal:
    return Principal("http:10.0.0.1", frozenset(), name, local=local)


def charged(limit: RateLimit, settings: DaemonSettings, who: Principal, *, times: int) -> int:
    """How many of so many requests are let through."""
    passed = 0
    for _ in range(times):
        with contextlib.suppress(HttpProblem):
            limit.charge(who, settings)
            passed += 1
    return passed


async def test_the_bucket_fills_again_at_the_rate() -> None:
    """A burst at first, then as many as seconds allow."""
    clock = ManualClock()
    limit, settings = RateLimit(clock), DaemonSettings(rate_limit=10)
    assert charged(limit, settings, somebody(), times=100) == 20
    await clock.advance(1)
    assert charged(limit, settings, somebody(), times=100) == 10
    await clock.advance(3600)
    assert charged(limit, settings, somebody(), times=100) == 20


def test_without_a_setting_the_network_is_limited_and_this_machine_is_not() -> None:
    """Everybody on this machine shares one address; 0 switches the limit off for all."""
    limit, settings = RateLimit(ManualClock()), DaemonSettings()
    assert charged(limit, settings, somebody(local=True), times=10_000) == 10_000
    assert charged(limit, settings, somebody(), times=10_000) == 200
    assert charged(limit, DaemonSettings(rate_limit=0), somebody("b"), times=10_000) == 10_000


async def test_callers_without_number_take_bounded_memory() -> None:
    """The one who was seen longest ago is forgotten first."""
    clock = ManualClock()
    limit, settings = RateLimit(clock), DaemonSettings(rate_limit=1)
    for number in range(MOST_CALLERS + 100):
        limit.charge(somebody(str(number)), settings)
    assert len(limit._full_at) == MOST_CALLERS
    await clock.advance(10)
    limit.charge(somebody("late"), settings)
    assert len(limit._full_at) == 1


async def test_no_answer_ever_allows_another_origin(api: DescribedClient) -> None:
    """There is no CORS, and a preflight gets no leave."""
    async with described_session() as session:
        asked = {"Origin": api.url, "Access-Control-Request-Method": "POST"}
        for method, path in (("OPTIONS", "/rebind"), ("GET", "/api/v1/sites"), ("POST", "/rebind")):
            async with session.request(method, api.url + path, headers=asked) as answer:
                assert not [name for name in answer.headers if name.lower().startswith("access-control")]
                assert answer.status == (405 if method == "OPTIONS" else answer.status)
