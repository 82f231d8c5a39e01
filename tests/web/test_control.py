"""Reload and rebind: answers, shapes, waits and everything that a caller can do wrong."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from daemon.engine.operations import ReloadAnswer, SettingChange
from daemon.ports import Secret
from states import Fault
from tests.web.described import DescribedClient, described_session
from tests.web.memory_engine import MemoryEngine
from tests.web.serving import Measured, made

TOKEN = {"Authorization": "Bearer right"}
SIGN_IN = {"email": "admin@example.org", "password": "once-only"}


async def test_rebind_is_accepted_and_leads_to_its_end(engine: MemoryEngine, api: DescribedClient) -> None:
    """202 with a Location that ends in success."""
    accepted = await api.post("/rebind")
    assert accepted.status == 202
    assert accepted.headers["Location"] == "/api/v1/sites/default/binds/default-1"
    assert accepted.json == {
        "id": "default-1",
        "site": "default",
        "attempt": 1,
        "actor": "http:127.0.0.1",
        "reason": "asked for through the API",
        "state": "open",
        "fault": None,
        "started_at": "2026-03-04T12:00:01.000Z",
        "finished_at": None,
        "steps": [{"step": "connect", "status": "passed", "seconds": 0.25, "detail": "127.0.0.1:443", "remedy": ""}],
    }
    await engine.succeed("default")
    ended = await api.get(accepted.headers["Location"])
    assert ended.json["state"] == "succeeded"
    assert ended.json["finished_at"] == "2026-03-04T12:00:03.000Z"


async def test_rebind_while_one_is_open_joins_it(engine: MemoryEngine, api: DescribedClient) -> None:
    """Two callers, one bind."""
    first, second = await api.post("/rebind"), await api.post("/api/v1/sites/default/rebind")
    assert (second.status, second.headers["Location"]) == (202, first.headers["Location"])
    assert len(await engine.binds("default")) == 1


async def test_wait_answers_with_the_end(engine: MemoryEngine, api: DescribedClient) -> None:
    """`?wait=` turns 202 into 200 with the final report, good or bad."""
    asked = asyncio.create_task(api.post("/rebind?wait=30"), name="asking")
    await engine.asked.wait()
    await engine.fail("default", Fault.CREDENTIALS_REFUSED)
    reply = await asked
    assert (reply.status, reply.json["state"], reply.json["fault"]) == (200, "failed", "credentials-refused")
    assert reply.headers["Location"] == "/api/v1/sites/default/binds/default-1"


async def test_wait_that_is_too_short_stays_accepted(api: DescribedClient) -> None:
    """The bind goes on; the answer says so."""
    reply = await api.post("/rebind?wait=0.01")
    assert (reply.status, reply.json["state"]) == (202, "open")


async def test_stopping_the_server_ends_a_wait_at_once(engine: MemoryEngine, measured: Measured) -> None:
    """A waiting caller gets its answer, and the stop does not wait five minutes for it."""
    server = made(engine, measured)
    await server.start()
    async with described_session() as session:
        api = DescribedClient(session, server.url)
        asked = asyncio.create_task(api.post("/rebind?wait=300"), name="asking")
        await engine.asked.wait()
        async with asyncio.timeout(5):
            await server.stop()
            assert (await asked).status == 202
    await server.stop()


@pytest.mark.parametrize("wait", ["-1", "301", "soon", "nan", "1e3", "٣", ""])
async def test_a_wait_that_is_no_number_of_seconds_is_named(api: DescribedClient, wait: str) -> None:
    """400, and nothing is started."""
    reply = await api.post("/rebind", params={"wait": wait})
    assert (reply.status, reply.code, reply.json["field"]) == (400, "bad-query", "wait")
    assert (await api.get("/api/v1/sites/default/binds")).json == {"binds": []}


async def test_rebind_of_an_unknown_site_is_404(api: DescribedClient) -> None:
    """On either path."""
    for path in ("/rebind?site=nobody", "/api/v1/sites/nobody/rebind"):
        reply = await api.post(path)
        assert (reply.status, reply.code) == (404, "unknown-site")
        assert "nobody" in reply.json["detail"]


async def test_rebind_of_an_unconfigured_site_is_409_with_the_findings(
    engine: MemoryEngine, api: DescribedClient
) -> None:
    """The caller reads at once what to mend."""
    finding = 'config.ini:12: [binding] emial: unknown option; did you mean "email"?'
    engine.withdraw("default", finding)
    reply = await api.post("/rebind")
    assert (reply.status, reply.code, reply.json["findings"]) == (409, "not-configured", [finding])


async def test_rebind_without_a_journal_is_503_with_retry_after(engine: MemoryEngine, api: DescribedClient) -> None:
    """What cannot be recorded is not done."""
    engine.journal_down = True
    for path in ("/rebind", "/-/reload"):
        reply = await api.post(path)
        assert (reply.status, reply.code) == (503, "journal-unavailable")
        assert "free some space" in reply.json["detail"]
        assert int(reply.headers["Retry-After"]) > 0


async def test_rebind_with_several_sites_asks_which(engine: MemoryEngine, api: DescribedClient) -> None:
    """400 that names them; without any site 409."""
    engine.add("other")
    reply = await api.post("/rebind")
    assert (reply.status, reply.code, reply.json["sites"]) == (400, "site-not-named", ["default", "other"])
    assert (await api.post("/rebind?site=other")).json["site"] == "other"


async def test_rebind_without_any_site_says_so(serve: Any) -> None:
    """An empty configuration folder."""
    reply = await (await serve(MemoryEngine())).post("/rebind")
    assert (reply.status, reply.code) == (409, "not-configured")


async def test_the_reason_and_the_request_id_reach_the_audit(engine: MemoryEngine, api: DescribedClient) -> None:
    """The record names who asked, why, and under which request."""
    await api.post("/rebind", json={"reason": "password changed"}, headers={"X-Request-ID": "ticket-42"})
    _, caller, reason, _ = engine.seen[0]
    assert (caller.actor, caller.request_id, reason) == ("http:127.0.0.1", "ticket-42", "password changed")


@pytest.mark.parametrize(
    "body, code, field",
    [
        ({"emial": "a@b"}, "bad-field", "emial"),
        ({"reason": 7}, "bad-field", "reason"),
        ({"reason": ""}, "bad-field", "reason"),
        ({"reason": "x" * 501}, "bad-field", "reason"),
        ({"reason": "two\nlines"}, "bad-field", "reason"),
        ({"email": "admin@example.org"}, "bad-field", "password"),
        ({"password": "x"}, "bad-field", "email"),
        ({"email": "nobody", "password": "x"}, "bad-field", "email"),
        ({"email": ["a@b"], "password": "x"}, "bad-field", "email"),
        ([], "bad-json", None),
        ("text", "bad-json", None),
        (None, "bad-json", None),
    ],
)
async def test_a_body_that_is_not_understood_is_named(
    engine: MemoryEngine, api: DescribedClient, body: Any, code: str, field: str | None
) -> None:
    """400 naming the field, and nothing is started."""
    headers = {"Content-Type": "application/json"}
    reply = await api.post("/rebind", data=json.dumps(body), headers=headers)
    assert (reply.status, reply.code, reply.json.get("field")) == (400, code, field)
    assert engine.seen == []


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b'{"reason": NaN}',
        b"\xff\xfe{}",
        b"[" * 60_000,
        b'{"password": "hunter2",}',
        b"1" * 5000,
        rb'{"email": "a@b.c", "password": "hunter2\udc00"}',
        rb'{"hunter2\uD800": 1}',
    ],
)
async def test_broken_json_is_400_and_never_quoted(api: DescribedClient, raw: bytes) -> None:
    """The text of a body may hold a password."""
    reply = await api.post("/rebind", data=raw, headers={"Content-Type": "application/json"})
    assert (reply.status, reply.code) == (400, "bad-json")
    assert "hunter2" not in reply.text


async def test_an_empty_body_is_fine_whatever_its_type(api: DescribedClient) -> None:
    """`curl -X POST` and `curl -d ''` both work."""
    assert (await api.post("/rebind", data=b"")).status == 202
    headers = {"Content-Type": "text/plain", "Content-Length": "0"}
    assert (await api.post("/rebind", headers=headers)).status == 202
    assert (await api.post("/rebind", json={})).status == 202


async def test_a_body_that_is_not_json_is_415(api: DescribedClient) -> None:
    """Only application/json is taken, which a page of another origin cannot send unasked."""
    for options in (
        {"data": {"reason": "form"}},
        {"data": b"{}", "headers": {"Content-Type": "text/plain"}},
    ):
        reply = await api.post("/rebind", **options)
        assert (reply.status, reply.code) == (415, "not-json")
    packed = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert (await api.post("/rebind", data=b"{}", headers=packed)).code == "encoded-body"


async def test_a_body_that_is_too_large_is_413(api: DescribedClient) -> None:
    """Declared or not, 64 KiB are the limit."""
    large = json.dumps({"reason": "x" * 70_000}).encode()

    async def undeclared() -> Any:
        yield large

    headers = {"Content-Type": "application/json"}
    for data in (large, undeclared()):
        reply = await api.post("/rebind", data=data, headers=headers)
        assert (reply.status, reply.code) == (413, "too-large")


async def test_one_time_credentials_need_the_token(engine: MemoryEngine, api: DescribedClient) -> None:
    """Without a configured token nobody may; with one, who shows it."""
    refused = await api.post("/rebind", json=SIGN_IN)
    assert (refused.status, refused.code) == (403, "token-not-configured")
    engine.token = Secret("right")
    refused = await api.post("/rebind", json=SIGN_IN)
    assert (refused.status, refused.code) == (401, "token-required")
    assert engine.seen == []
    assert (await api.post("/rebind", json=SIGN_IN, headers=TOKEN)).status == 202
    _, caller, _, one_time = engine.seen[0]
    assert caller.actor == "token:api_token@127.0.0.1"
    assert one_time is not None
    assert (one_time.email, one_time.password.reveal()) == ("admin@example.org", "once-only")


async def test_one_time_credentials_do_not_join_an_open_bind(engine: MemoryEngine, api: DescribedClient) -> None:
    """409 names the bind that is in the way."""
    engine.token = Secret("right")
    await api.post("/rebind")
    reply = await api.post("/rebind", json=SIGN_IN, headers=TOKEN)
    assert (reply.status, reply.code, reply.json["bind_id"]) == (409, "bind-in-progress", "default-1")


async def test_reload_tells_what_became_of_each_option(engine: MemoryEngine, api: DescribedClient) -> None:
    """Applied and unchanged are 200."""
    assert (await api.post("/-/reload")).json == {
        "outcome": "unchanged", "changes": [], "findings": [], "in_force_since": None,
    }  # fmt: skip
    change = SettingChange(site="default", section="binding", option="password", result="rebind")
    engine.reload_answer = ReloadAnswer(outcome="applied", changes=(change,))
    reply = await api.post("/-/reload", json={})
    assert reply.status == 200
    assert reply.json["changes"] == [
        {"site": "default", "section": "binding", "option": "password", "result": "rebind"}
    ]
    assert engine.reloads[0].actor == "http:127.0.0.1"


async def test_a_rejected_reload_is_422_with_every_finding(engine: MemoryEngine, api: DescribedClient) -> None:
    """One document is both the problem and the whole answer."""
    engine.reload_answer = ReloadAnswer(outcome="rejected", findings=("config.ini:3: [site] di: unknown option",))
    reply = await api.post("/-/reload")
    assert (reply.status, reply.code, reply.json["outcome"]) == (422, "configuration-rejected", "rejected")
    assert reply.json["findings"] == ["config.ini:3: [site] di: unknown option"]
    assert reply.json["changes"] == []


async def test_reload_takes_no_fields(engine: MemoryEngine, api: DescribedClient) -> None:
    """A caller that hopes to send settings learns that it cannot."""
    reply = await api.post("/-/reload", json={"listen": "0.0.0.0:1"})
    assert (reply.status, reply.json["field"]) == (400, "listen")
    assert engine.reloads == []
