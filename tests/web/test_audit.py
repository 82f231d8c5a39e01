"""The audit trail over HTTP: filters, the state of the chain, exports."""

from __future__ import annotations

import csv
import io
import json
import logging
from dataclasses import replace
from urllib.parse import quote

import aiohttp
import pytest

from daemon.ports import AuditFilter, JournalUnavailable, Seal
from states import Fault
from tests.web.described import DescribedClient
from tests.web.memory_engine import NOON, MemoryEngine

DOWN = "the disk that holds sitebind.db is full; free some space"


@pytest.fixture(autouse=True)
async def past(engine: MemoryEngine, api: DescribedClient) -> None:
    """config_accepted, bind_requested, bind_succeeded, bind_requested, bind_failed."""
    await api.post("/rebind")
    await engine.succeed("default")
    await api.post("/rebind")
    await engine.fail("default", Fault.UNREACHABLE)


async def seqs(api: DescribedClient, query: str) -> list[int]:
    return [record["seq"] for record in (await api.get(f"/api/v1/audit?{query}")).json["records"]]


async def test_every_filter_narrows(api: DescribedClient) -> None:
    assert await seqs(api, "") == [1, 2, 3, 4, 5]
    assert await seqs(api, "event=bind_requested") == [2, 4]
    assert await seqs(api, "event=bind_requested&event=bind_failed&event=bind_failed") == [2, 4, 5]
    assert await seqs(api, "actor=http:*") == [2, 4]
    assert await seqs(api, "actor=http:127.0.0.1&after=2") == [4]
    assert await seqs(api, "actor=http") == []
    assert await seqs(api, "before=3") == [1, 2]
    assert await seqs(api, "since=2026-03-04T12:00:04Z") == [4, 5]
    assert await seqs(api, f"until={quote('2026-03-04T13:00:04+01:00')}") == [1, 2, 3]
    assert await seqs(api, "site=default&order=desc&limit=2") == [5, 4]


async def test_the_newest_first_go_on_downwards(api: DescribedClient) -> None:
    """`next` is the `before` that continues, to the first record and no further."""
    first = (await api.get("/api/v1/audit?order=desc&limit=3")).json
    assert first["next"] == 3
    second = (await api.get(f"/api/v1/audit?order=desc&limit=3&before={first['next']}")).json
    assert [record["seq"] for record in second["records"]] == [2, 1]
    assert (await api.get("/api/v1/audit?order=desc&before=1")).json == {"records": [], "next": 1}


@pytest.mark.parametrize(
    "query",
    [
        "before=x", "since=yesterday", "since=2026-03-04", "since=2026-03-04T12:00:00", "until=2026-02-30T12:00:00Z",
        "since=0001-01-01T00:00:00%2B10:00", "until=2026-03-04T12:00:00+01:00", "since=", "actor=", "actor=*:1",
        "actor=a%0Ab", f"actor={'x' * 201}", "event=", "event=Bind", "event=x%27--", f"event={'x' * 65}",
        "event=" + "&event=".join(f"e{n}" for n in range(21)), "order=up", "order=",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/api/v1/audit", "/api/v1/audit/export"])
async def test_what_makes_no_sense_is_named(api: DescribedClient, path: str, query: str) -> None:
    """400 with the name of the parameter; nothing is exported."""
    reply = await api.get(f"{path}?{query}")
    assert (reply.status, reply.code) == (400, "bad-query")
    assert reply.json["field"] == query.partition("=")[0]
    assert reply.json["detail"].startswith(reply.json["field"])


async def test_the_chain_tells_where_it_begins_after_a_pruning(engine: MemoryEngine, api: DescribedClient) -> None:
    anchor = Seal(kind="anchor", seq=7, hash="a" * 64, count=4, at="2026-03-04T11:00:00.000000Z", key="f" * 64)
    engine.chain_status = replace(engine.chain_status, records=2, first=8, anchor=anchor)
    told = (await api.get("/api/v1/audit/chain")).json
    assert told["first"] == 8
    assert told["pruned"] == {"last": 7, "records": 4, "at": "2026-03-04T11:00:00.000000Z", "key": "f" * 64}


async def test_the_chain_tells_how_it_is(engine: MemoryEngine, api: DescribedClient) -> None:
    reply = await api.get("/api/v1/audit/chain")
    assert reply.json == {
        "intact": True, "records": 0, "head": "0" * 64, "checked_at": "2026-03-04T12:00:00.000Z", "broken_at": None,
        "reason": "", "first": 0, "pruned": None,
    }  # fmt: skip
    engine.chain_status = replace(
        engine.chain_status, intact=False, records=2, broken_at=3, reason="record 3 was edited"
    )
    broken = (await api.get("/api/v1/audit/chain?fresh=1")).json
    assert (broken["intact"], broken["broken_at"], broken["reason"]) == (False, 3, "record 3 was edited")
    assert engine.chains == [False, True]
    assert (await api.get("/api/v1/audit/chain?fresh=yes")).json["field"] == "fresh"


async def test_an_export_is_a_file_of_whole_lines(engine: MemoryEngine, api: DescribedClient) -> None:
    """Named after the site and the time; whoever asked is known to the engine."""
    reply = await api.get("/api/v1/audit/export?site=default&after=2", headers={"X-Request-ID": "ticket-9"})
    assert [json.loads(line)["seq"] for line in reply.text.splitlines()] == [3, 4, 5]
    assert reply.text.endswith("\n")
    assert reply.headers["Content-Type"] == "application/x-ndjson; charset=utf-8"
    name = reply.headers["Content-Disposition"].partition("filename=")[2]
    assert name.startswith('"sitebind-audit-default-2')
    assert name.endswith('Z.jsonl"')
    [(caller, kind, wanted)] = engine.exports
    assert (caller.actor, caller.request_id, kind) == ("http:127.0.0.1", "ticket-9", "jsonl")
    assert wanted == AuditFilter(site="default", after=2)


async def test_an_export_for_spreadsheets_holds_no_formula(engine: MemoryEngine, api: DescribedClient) -> None:
    engine.records[1] = replace(engine.records[1], actor="=cmd|' /C calc'!A0", request_id="@SUM(1)")
    reply = await api.get("/api/v1/audit/export?format=csv&limit=2")
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert [row["seq"] for row in rows] == ["1", "2"]
    assert rows[1]["actor"] == "'=cmd|' /C calc'!A0"
    assert rows[1]["request_id"] == "'@SUM(1)"
    assert reply.headers["Content-Disposition"].endswith('.csv"')


@pytest.mark.parametrize(
    "form, content_type, ending",
    [
        ("syslog", "text/plain", ".log"),
        ("cef", "text/plain", ".cef.log"),
        ("ocsf", "application/x-ndjson", ".ocsf.jsonl"),
    ],
)
async def test_an_export_for_collectors_is_a_line_a_record(
    engine: MemoryEngine, api: DescribedClient, form: str, content_type: str, ending: str
) -> None:
    reply = await api.get(f"/api/v1/audit/export?format={form}&limit=3")
    assert len(reply.text.splitlines()) == 3
    assert reply.headers["Content-Type"] == f"{content_type}; charset=utf-8"
    assert reply.headers["Content-Disposition"].endswith(f'Z{ending}"')
    assert engine.exports[0][1] == form


async def test_an_export_that_cannot_begin_is_a_problem(engine: MemoryEngine, api: DescribedClient) -> None:
    """Unknown site, unknown format, a number that is none, and a journal that cannot record it."""
    assert (await api.get("/api/v1/audit/export?site=nobody")).code == "unknown-site"
    assert (await api.get("/api/v1/audit/export?format=xlsx")).json["field"] == "format"
    assert (await api.get("/api/v1/audit/export?limit=0")).json["field"] == "limit"
    engine.journal_down = True
    assert (await api.get("/api/v1/audit/export")).status == 503
    assert engine.exports == []


async def test_an_export_that_breaks_off_never_looks_whole(
    engine: MemoryEngine, api: DescribedClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The client sees that it is cut; the log says why."""
    engine.export_breaks = JournalUnavailable(DOWN)
    with pytest.raises(aiohttp.ClientError), caplog.at_level(logging.WARNING, "sitebind.web"):
        await api.get("/api/v1/audit/export")
    [line] = caplog.messages
    assert line == f"an export of the audit trail was broken off: {DOWN}"


async def test_the_head_of_an_export_exports_nothing(engine: MemoryEngine, api: DescribedClient) -> None:
    reply = await api.call("HEAD", "/api/v1/audit/export?format=csv")
    assert (reply.status, reply.text) == (200, "")
    assert (await api.call("HEAD", "/api/v1/audit/export?site=nobody")).status == 404
    assert engine.exports == []


async def test_a_site_has_a_history(engine: MemoryEngine) -> None:
    """As the page asks for it."""
    history = await engine.state_history("default", NOON)
    assert [one.state.value for one in history.intervals] == ["configured", "binding", "bound", "binding", "failed"]
