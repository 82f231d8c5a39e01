"""Health answers: what they are about, their aliases, and who may ask."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daemon.ports import Secret
from states import Fault
from tests.web.described import DescribedClient
from tests.web.memory_engine import MemoryEngine
from tests.web.serving import Serve


@pytest.mark.parametrize("path", ["/-/healthy", "/livez", "/healthz"])
async def test_liveness_is_about_the_process_only(engine: MemoryEngine, api: DescribedClient, path: str) -> None:
    """A failed bind is no reason to restart the process."""
    await api.post("/rebind")
    await engine.fail("default", Fault.CREDENTIALS_REFUSED)
    reply = await api.get(path)
    assert reply.status == 200
    assert reply.json == {"status": "pass", "checks": [{"name": "loop", "status": "pass", "text": "turns"}]}
    engine.well = False
    assert (await api.get(path)).status == 503


@pytest.mark.parametrize("path", ["/-/ready", "/readyz"])
async def test_ready_is_503_until_the_site_holds_a_binding(
    engine: MemoryEngine, api: DescribedClient, path: str
) -> None:
    """Configured alone is not ready."""
    assert (await api.get(path)).status == 503
    await api.post("/rebind")
    await engine.succeed("default")
    reply = await api.get(path)
    assert (reply.status, reply.json["status"]) == (200, "pass")


async def test_ready_can_ask_about_one_site(engine: MemoryEngine, api: DescribedClient) -> None:
    """One site's trouble does not hide another's health."""
    engine.add("other")
    await api.post("/rebind?site=other")
    await engine.succeed("other")
    assert (await api.get("/-/ready?site=other")).status == 200
    assert (await api.get("/-/ready?site=default")).status == 503
    assert (await api.get("/-/ready")).status == 503
    unknown = await api.get("/-/ready?site=nobody")
    assert (unknown.status, unknown.code) == (404, "unknown-site")


async def test_health_needs_no_token_where_everything_else_does(engine: MemoryEngine, serve: Serve) -> None:
    """A probe has no secret, and a wrong one does not matter to it."""
    engine.token = Secret("right")
    engine.settings = replace(engine.settings, require_token=True)
    api = await serve(engine)
    assert (await api.get("/-/healthy")).status == 200
    assert (await api.get("/livez", headers={"Authorization": "Bearer wrong"})).status == 200
    assert (await api.get("/api/v1/sites")).status == 401


@pytest.mark.parametrize(
    "path",
    ["/-/healthy", "/-/ready", "/metrics", "/api/v1/sites", "/api/v1/sites/default", "/api/v1/audit", "/nowhere"],
)
async def test_head_is_get_without_a_body(api: DescribedClient, path: str) -> None:
    """Status and type are the same."""
    head, get = await api.call("HEAD", path), await api.get(path)
    assert head.status == get.status
    assert head.headers["Content-Type"] == get.headers["Content-Type"]
