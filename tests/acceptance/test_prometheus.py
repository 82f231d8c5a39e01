"""A real Prometheus scrapes a real daemon, and promtool has nothing to say against what it finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.installation import Installation
from tests.acceptance.processes import Said, run, until
from tests.acceptance.prometheus import prometheus, value

pytestmark = [pytest.mark.slow, pytest.mark.parts]


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
