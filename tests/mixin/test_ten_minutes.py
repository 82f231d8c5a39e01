"""docs/monitoring.md, "In ten minutes": typed as it stands, it makes a real Prometheus see a real site."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from daemon.sandbox import small_world
from tests.acceptance.installation import Installation
from tests.acceptance.processes import REPOSITORY, Program, a_free_port, run, until
from tests.acceptance.simulated import Simulated
from tests.mixin.files import alerts
from tests.mixin.test_documents import block

pytestmark = [pytest.mark.slow, pytest.mark.parts]


def typed(commands: str) -> str:
    """What the commands printed."""
    done = run(["bash", "-eu", "-c", commands], cwd=REPOSITORY)
    assert done.code == 0, done
    return done.out


def test_a_site_is_seen_and_every_alert_is_carried_out(tmp_path: Path) -> None:
    """Nothing of what is printed is changed but the folder, the ports, and how often it looks."""
    (tmp_path / "mimecast").mkdir()
    (tmp_path / "site").mkdir()
    etc, port = tmp_path / "prometheus", a_free_port()
    with Simulated(tmp_path / "mimecast", small_world()) as simulated:
        installation = Installation(tmp_path / "site", simulated, a_free_port())
        commands = block("sh here").replace("/etc/prometheus", str(etc)).replace("30s", "1s")
        assert "SUCCESS" in typed(commands.replace("8787", str(installation.port)))
        words = ["prometheus", f"--config.file={etc / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}"]
        words.append(f"--web.listen-address=127.0.0.1:{port}")
        held, rules = block("sh seen").replace("9090", str(port)).splitlines()
        with installation.start(), Program(words, cwd=tmp_path) as program:
            installation.api.reach("bound")
            program.line("Server is ready to receive web requests")
            until(lambda: re.search(r'"site":"default".*"1"\]', typed(held)), "the site is seen")
            groups = json.loads(typed(rules))["data"]["groups"]
            asked = typed(f"curl -s http://127.0.0.1:{port}/api/v1/alertmanagers")
            (told,) = json.loads(asked)["data"]["activeAlertmanagers"]
    assert told["url"] == "http://127.0.0.1:9093/api/v2/alerts"
    assert sorted(rule["name"] for group in groups for rule in group["rules"]) == sorted(
        alert["alert"] for alert in alerts()
    )
