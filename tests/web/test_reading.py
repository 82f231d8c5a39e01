"""Sites, binds, the audit trail, the description, and paths that are not there."""

from __future__ import annotations

import logging

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from daemon import __version__
from states import Fault
from tests.web.described import DescribedClient, description
from tests.web.memory_engine import MemoryEngine


async def test_a_bound_site_is_shown_whole(engine: MemoryEngine, api: DescribedClient) -> None:
    """Every field of the shape that DESIGN promises."""
    await api.post("/rebind", json={"reason": "first"})
    await engine.succeed("default")
    reply = await api.get("/api/v1/sites/default")
    assert reply.json == {
        "id": "default",
        "state": "bound",
        "since": "2026-03-04T12:00:02.000Z",
        "reason": "first",
        "server_name": "server1",
        "display_name": "Server 1",
        "site_code": "c0de",
        "region": "eu",
        "company": "Müller & Söhne",
        "version": "0",
        "binding": {
            "account_code": "CXX1",
            "bound_at": "2026-03-04T12:00:02.000Z",
            "verified_at": "2026-03-04T12:00:02.000Z",
            "expires_at": "2026-06-02T12:00:02.000Z",
            "method": "cloud",
        },
        "retry_at": None,
        "problems": [],
        "ready": True,
    }
    assert (await api.get("/api/v1/sites")).json == {"sites": [reply.json]}


async def test_a_failed_site_shows_the_retry_and_the_remedy(engine: MemoryEngine, api: DescribedClient) -> None:
    """What happened, since when, and what to do."""
    await api.post("/rebind")
    await engine.fail("default", Fault.UNREACHABLE)
    site = (await api.get("/api/v1/sites/default")).json
    assert (site["state"], site["binding"], site["ready"]) == ("failed", None, False)
    assert site["retry_at"] == "2026-03-04T12:00:03.000Z"
    [problem] = site["problems"]
    assert problem["code"] == "unreachable"
    assert problem["remedy"] == Fault.UNREACHABLE.remedy


async def test_what_is_not_there_is_404(api: DescribedClient) -> None:
    """Site, bind and path each say which."""
    for path, code in {
        "/api/v1/sites/nobody": "unknown-site",
        "/api/v1/sites/nobody/binds": "unknown-site",
        "/api/v1/sites/nobody/binds/nobody-1": "unknown-site",
        "/api/v1/sites/default/binds/default-99": "unknown-bind",
        "/api/v1/audit?site=nobody": "unknown-site",
        "/nowhere": "not-found",
        "/api/v1/sites/%00%ff": "unknown-site",
    }.items():
        reply = await api.get(path)
        assert (reply.status, reply.code) == (404, code), path
    assert "/openapi.json" in (await api.get("/nowhere")).json["detail"]


@pytest.mark.parametrize("method, path", [("DELETE", "/api/v1/sites"), ("GET", "/rebind"), ("OPTIONS", "/metrics")])
async def test_a_method_that_is_not_known_is_405_with_allow(api: DescribedClient, method: str, path: str) -> None:
    """Above all a GET never changes anything, and OPTIONS gives no leave to other origins."""
    reply = await api.call(method, path)
    assert (reply.status, reply.code) == (405, "method-not-allowed")
    assert reply.headers["Allow"]
    assert not [name for name in reply.headers if name.lower().startswith("access-control")]


async def test_binds_come_newest_first_and_limited(engine: MemoryEngine, api: DescribedClient) -> None:
    """The limit counts from the newest."""
    for _ in range(3):
        await api.post("/rebind")
        await engine.succeed("default")
    path = "/api/v1/sites/default/binds"
    assert [bind["attempt"] for bind in (await api.get(path)).json["binds"]] == [3, 2, 1]
    assert [bind["attempt"] for bind in (await api.get(f"{path}?limit=1")).json["binds"]] == [3]
    assert len((await api.get(f"{path}?limit=100000")).json["binds"]) == 3


async def test_the_audit_is_read_in_pages_to_its_end(engine: MemoryEngine, api: DescribedClient) -> None:
    """`next` continues, and stays where it is at the end."""
    await api.post("/rebind", headers={"X-Request-ID": "ticket-42"})
    await engine.succeed("default")
    first = (await api.get("/api/v1/audit?limit=2")).json
    assert [record["seq"] for record in first["records"]] == [1, 2]
    assert first["records"][1]["request_id"] == "ticket-42"
    assert first["records"][1]["previous_hash"] == first["records"][0]["hash"]
    second = (await api.get(f"/api/v1/audit?limit=2&after={first['next']}")).json
    assert [record["event"] for record in second["records"]] == ["bind_succeeded"]
    third = (await api.get(f"/api/v1/audit?after={second['next']}")).json
    assert third == {"records": [], "next": 3}


async def test_a_record_is_passed_on_as_it_is_stored(engine: MemoryEngine, api: DescribedClient) -> None:
    """Its hash is over just these characters."""
    [record] = (await api.get("/api/v1/audit")).json["records"]
    stored = engine.records[0]
    assert {name: getattr(stored, name) for name in record} == record


async def test_the_audit_gives_a_thousand_records_at_most(engine: MemoryEngine, api: DescribedClient) -> None:
    """Asking for more is no error."""
    for number in range(1100):
        engine.add(f"site-{number}")
    reply = await api.get("/api/v1/audit?limit=5000")
    assert len(reply.json["records"]) == 1000


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "limit=0", "limit=1.5", "limit=", "after=9999999999999999999"]
)
async def test_numbers_that_are_none_are_named(api: DescribedClient, query: str) -> None:
    """400 with the name of the parameter."""
    reply = await api.get(f"/api/v1/audit?{query}")
    assert (reply.status, reply.code) == (400, "bad-query")
    assert reply.json["field"] == query.partition("=")[0]


def test_the_description_is_valid() -> None:
    """OpenAPI 3.1."""
    assert list(OpenAPIV31SpecValidator(description()).iter_errors()) == []


async def test_the_description_is_served_with_the_running_version(api: DescribedClient) -> None:
    """And it knows every route that is served."""
    reply = await api.get("/openapi.json")
    assert reply.json["info"]["version"] == __version__
    assert reply.json == description()
    assert (await api.get("/openapi.json")).text == reply.text


async def test_a_defect_is_500_and_the_log_has_the_traceback(
    engine: MemoryEngine, api: DescribedClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer tells nothing of the inside; the log line bears the request id."""
    engine.broken = ZeroDivisionError("inner workings")
    with caplog.at_level(logging.ERROR, "sitebind.web"):
        reply = await api.get("/api/v1/sites/default", headers={"X-Request-ID": "ticket-7"})
    assert (reply.status, reply.code) == (500, "internal")
    assert "inner workings" not in reply.text
    [record] = caplog.records
    assert record.request_id == "ticket-7"  # type: ignore[attr-defined]
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


async def test_the_request_id_is_ours_when_the_callers_is_not_fit(api: DescribedClient) -> None:
    """Nothing gets into a log line that could break it."""
    assert (await api.get("/-/healthy", headers={"X-Request-ID": "abc-1"})).headers["X-Request-ID"] == "abc-1"
    for unfit in ("two words", "x" * 129, "", 'quo"te'):
        given = (await api.get("/-/healthy", headers={"X-Request-ID": unfit})).headers["X-Request-ID"]
        assert given != unfit
        assert len(given) == 16


async def test_a_request_is_logged_with_its_route_and_id_when_that_is_wanted(
    api: DescribedClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The pattern and never the raw path."""
    with caplog.at_level(logging.DEBUG, "sitebind.web"):
        await api.get("/api/v1/sites/default", headers={"X-Request-ID": "ticket-8"})
    [record] = caplog.records
    assert record.getMessage().startswith("GET /api/v1/sites/{site}: 200 after ")
    assert record.request_id == "ticket-8"  # type: ignore[attr-defined]
