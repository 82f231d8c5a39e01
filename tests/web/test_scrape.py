"""`/metrics`: formats, completeness and size."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
from dataclasses import replace

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain

from daemon.ports import Secret
from metrics import Instruments
from tests.web.described import DescribedClient, described_session
from tests.web.memory_engine import MemoryEngine
from tests.web.serving import Serve

OPEN_METRICS = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}


async def test_text_is_the_default_and_open_metrics_is_negotiated(
    api: DescribedClient, instruments: Instruments
) -> None:
    """Both parse, and only OpenMetrics ends with its mark."""
    instruments.add_site("default")
    text = await api.get("/metrics")
    assert text.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "sitebind_site_state" in {family.name for family in plain(text.text)}
    opened = await api.get("/metrics", headers=OPEN_METRICS)
    assert opened.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert opened.text.endswith("\n# EOF\n")
    assert "sitebind_site_state" in {family.name for family in open_metrics(opened.text)}
    assert "# EOF" not in text.text


async def test_requests_are_counted_by_route_and_never_by_path(api: DescribedClient) -> None:
    """A stranger cannot make series."""
    await api.get("/api/v1/sites/default")
    await api.get("/api/v1/sites/nobody")
    await api.get("/x/1")
    await api.call("PROPFIND", "/x/2")
    text = (await api.get("/metrics")).text
    assert 'requests_total{code="200",method="GET",route="/api/v1/sites/{site}"} 1.0' in text
    assert 'requests_total{code="404",method="GET",route="/api/v1/sites/{site}"} 1.0' in text
    assert 'requests_total{code="404",method="GET",route="unmatched"} 1.0' in text
    assert 'requests_total{code="404",method="other",route="unmatched"} 1.0' in text
    assert "nobody" not in text


async def test_some_series_can_be_asked_for(api: DescribedClient, instruments: Instruments) -> None:
    """As the client library's own server allows it."""
    instruments.add_site("default")
    reply = await api.get("/metrics?name[]=sitebind_binding_held")
    assert [family.name for family in plain(reply.text)] == ["sitebind_binding_held"]


async def test_thousands_of_sites_come_whole(api: DescribedClient, instruments: Instruments) -> None:
    """In pieces, in both formats; HEAD brings the headers alone."""
    for number in range(2000):
        instruments.add_site(f"site-{number}")
    reply = await api.get("/metrics", headers=OPEN_METRICS)
    held = next(family for family in open_metrics(reply.text) if family.name == "sitebind_binding_held")
    assert len(held.samples) == 2000
    assert (await api.call("HEAD", "/metrics")).status == 200


async def test_off_loopback_the_text_is_packed(engine: MemoryEngine, serve: Serve, instruments: Instruments) -> None:
    """On loopback it is not: there bytes cost nothing."""
    engine.token = Secret("right")
    headers = {"Accept-Encoding": "gzip", "Authorization": "Bearer right"}
    texts = []
    for host in ("127.0.0.1", "0.0.0.0"):
        engine.settings = replace(engine.settings, host=host)
        api = await serve(engine)
        url = f"{api.url.replace('0.0.0.0', '127.0.0.1')}/metrics?name[]=sitebind_build_info"
        async with (
            described_session(auto_decompress=False) as session,
            session.get(url, headers=headers) as answer,
        ):
            packed = answer.headers.get("Content-Encoding") == "gzip"
            assert packed == (host == "0.0.0.0")
            texts.append(gzip.decompress(await answer.read()) if packed else await answer.read())
    assert texts[0] == texts[1]


@pytest.mark.parts
async def test_promtool_finds_nothing_to_complain_about(
    engine: MemoryEngine, api: DescribedClient, instruments: Instruments
) -> None:
    """Names, units and help texts of a live scrape."""
    instruments.add_site("default")
    await api.post("/rebind")
    text = (await api.get("/metrics")).text
    done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("version", ["1.0.FF", "1.0.0\udcff", "", " 1.0.0", "1" * 5000, "1.0.0.0"])
async def test_a_version_that_is_none_gets_the_plain_format(api: DescribedClient, version: str) -> None:
    """Found by fuzzing: the library raised, or said the word back."""
    accept = f"application/openmetrics-text; version={version}".encode("utf-8", "surrogateescape")
    reader, writer = await asyncio.open_connection(*api.url.removeprefix("http://").split(":"))
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: " + accept + b"\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"Content-Type: text/plain; version=0.0.4;" in answer
