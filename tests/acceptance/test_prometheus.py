"""A real Prometheus scrapes a real daemon, and promtool has nothing to say against what it finds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.acceptance.calls import Api
from tests.acceptance.installation import Installation
from tests.acceptance.processes import Program, Said, a_free_port, run, until

pytestmark = [pytest.mark.slow, pytest.mark.parts]

_CONFIG = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: sitebind
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


@contextmanager
def prometheus(folder: Path, *, scrapes: int) -> Iterator[Api]:
    """Debian's Prometheus over a configuration for one target; its own API."""
    folder.mkdir()
    (folder / "prometheus.yml").write_text(_CONFIG.format(port=scrapes))
    port = a_free_port()
    words = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with Program(words, cwd=folder) as program:
        program.line("Server is ready to receive web requests")
        yield Api(port)


def query(server: Api, expression: str) -> list[dict[str, Any]]:
    answer = server.get(f"/api/v1/query?query={quote(expression)}")
    assert answer["status"] == "success", answer
    result: list[dict[str, Any]] = answer["data"]["result"]
    return result


def value(server: Api, expression: str) -> str:
    """The single value of an expression, or nothing while there is none."""
    found = query(server, expression)
    return found[0]["value"][1] if len(found) == 1 else ""


def test_prometheus_sees_the_target_up_and_the_site_bound_then_failed(
    installation: Installation, tmp_path: Path
) -> None:
    bound = 'sitebind_site_state{site="default",sitebind_site_state="bound"}'
    failed = 'sitebind_site_state{site="default",sitebind_site_state="failed"}'
    with installation.start(), prometheus(tmp_path / "prometheus", scrapes=installation.port) as server:
        installation.api.reach("bound")
        until(lambda: value(server, 'up{job="sitebind"}') == "1", "the target is up")
        until(lambda: value(server, bound) == "1", "bound is 1")
        assert value(server, "sum(sitebind_site_state)") == "1"
        assert value(server, 'sitebind_bind_attempts_total{site="default",result="succeeded"}') == "1"
        (target,) = server.get("/api/v1/targets")["data"]["activeTargets"]
        assert (target["health"], target["lastError"]) == ("up", "")

        installation.simulated.trouble("wrong-password")
        assert installation.api.rebind()["state"] == "failed"
        until(lambda: value(server, failed) == "1", "failed is 1")
        assert value(server, bound) == "0"
        assert value(server, 'sitebind_binding_held{site="default"}') == "1"
        kinds = server.get("/api/v1/metadata?metric=sitebind_bind_duration_seconds")["data"]
        assert [kind["type"] for kind in kinds["sitebind_bind_duration_seconds"]] == ["histogram"]


def test_promtool_finds_nothing_wrong_with_a_live_scrape(installation: Installation) -> None:
    with installation.start():
        installation.api.reach("bound")
        scraped = installation.api.ask("GET", "/metrics")
    assert scraped.headers["content-type"].startswith("text/plain; version=0.0.4")
    checked = run(["promtool", "check", "metrics"], typed=scraped.text)
    assert checked == Said(0, "", "")
    assert scraped.text.count("sitebind_site_state{") == 5
