"""docs/monitoring.md and docs/runbook.md: what they print can be typed, and names what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from states import EVENTS
from tests.acceptance.processes import REPOSITORY, run, sitebind
from tests.mixin.files import MONITORING, RUNBOOK, alerts, rules_of


def block(kind: str) -> str:
    """The text between the fences of this kind."""
    (found,) = re.findall(rf"^```{kind}\n(.*?)^```$", MONITORING.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return str(found)


def test_the_table_has_every_alert_with_its_severity() -> None:
    rows = re.findall(r"^\| (\w+) \| (critical|warning) \|", MONITORING.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted((alert["alert"], alert["labels"]["severity"]) for alert in alerts())


def test_what_inhibits_an_alert_names_alerts_that_there_are() -> None:
    rules = yaml.safe_load(block("yaml alertmanager.yml"))["inhibit_rules"]
    matchers = [matcher for rule in rules for matcher in (*rule["source_matchers"], *rule["target_matchers"])]
    named = {name for matcher in matchers if "alertname" in matcher for name in re.findall(r"[A-Z]\w+", matcher)}
    assert named <= {alert["alert"] for alert in alerts()}


@pytest.mark.parts
def test_the_commands_and_the_configuration_make_a_prometheus_that_promtool_accepts(tmp_path: Path) -> None:
    """Typed as they stand, but into a folder of ours."""
    etc = str(tmp_path / "prometheus")
    typed = block("sh install").replace("/etc/prometheus", etc)
    assert run(["bash", "-eu", "-c", typed], cwd=REPOSITORY).code == 0
    (tmp_path / "prometheus" / "sitebind.token").write_text("token")
    configuration = tmp_path / "prometheus" / "prometheus.yml"
    configuration.write_text(block("yaml prometheus.yml").replace("/etc/prometheus", etc))
    checked = run(["promtool", "check", "config", "--lint=all", "--lint-fatal", configuration])
    assert (checked.code, checked.err) == (0, "")
    installed = rules_of(yaml.safe_load((tmp_path / "prometheus" / "sitebind" / "alerts.yaml").read_text()))
    begin = "https://wiki.example.com/sitebind/docs/runbook.md#"
    assert [rule["annotations"]["runbook_url"].removeprefix(begin) for rule in installed] == [
        alert["alert"].lower() for alert in alerts()
    ]


def test_the_runbook_names_commands_and_events_that_there_are() -> None:
    """Somebody types them at three in the morning."""
    text = RUNBOOK.read_text(encoding="utf-8")
    for command, first in sorted(set(re.findall(r"`sitebind ([a-z-]+)(?: ([a-z]+)\b)?", text))):
        words = [command, first] if command in ("audit", "vault", "token") else [command]
        assert sitebind(*words, "--help").code == 0, words
    for option, command in (("--secrets", ["check-config"]), ("--wait", ["rebind"]), ("--site", ["audit", "tail"])):
        assert option in text
        assert option in sitebind(*command, "--help").out
    events = set(re.findall(r"`((?:bind|config|unbind|binding)_\w+)`", text))
    assert events <= {event.trigger for event in EVENTS}
    assert len(events) == 4
