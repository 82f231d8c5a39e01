"""docs/monitoring.md and docs/runbook.md: what they print can be typed, and names what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from daemon.config.ini import read_config
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


def test_each_alert_has_somebody_who_is_told() -> None:
    """Both configurations tell an Alertmanager, and its routes name receivers that there are."""
    for text in (block("yaml prometheus.yml"), block("sh here").partition("<<'END'\n")[2].partition("END\n")[0]):
        assert yaml.safe_load(text)["alerting"]["alertmanagers"] == [
            {"static_configs": [{"targets": ["127.0.0.1:9093"]}]}
        ]
    told = yaml.safe_load(block("yaml alertmanager.yml"))
    named = {told["route"]["receiver"], *(route["receiver"] for route in told["route"]["routes"])}
    assert named == {receiver["name"] for receiver in told["receivers"]}
    weights = {alert["labels"]["severity"] for alert in alerts()}
    assert {route["matchers"][0] for route in told["route"]["routes"]} <= {f"severity = {weight}" for weight in weights}


def test_a_daemon_that_is_asked_from_elsewhere_is_configured_so(tmp_path: Path) -> None:
    """It starts with these options, and answers to the name that the example scrapes."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "config.ini").write_text(block("ini daemon").replace("/etc/sitebind", str(tmp_path)))
    found = read_config(tmp_path / "config.ini")
    assert found.daemon is not None, found.errors
    (target,) = yaml.safe_load(block("yaml prometheus.yml"))["scrape_configs"][0]["static_configs"][0]["targets"]
    assert target.partition(":")[0] in found.daemon.allowed_hosts
    assert (found.daemon.host, found.daemon.port) == ("0.0.0.0", int(target.partition(":")[2]))


def test_a_prometheus_operator_finds_the_service_and_keeps_our_labels() -> None:
    service = yaml.safe_load((REPOSITORY / "deploy" / "kubernetes" / "service.yaml").read_text(encoding="utf-8"))
    monitor = yaml.safe_load(block("yaml servicemonitor.yaml"))["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert endpoint["honorLabels"] is True


def test_a_new_grafana_has_the_dashboard_and_its_prometheus() -> None:
    (source,) = yaml.safe_load(block("yaml datasources"))["datasources"]
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
    (provider,) = yaml.safe_load(block("yaml dashboards"))["providers"]
    assert (provider["type"], Path(provider["options"]["path"]).is_absolute()) == ("file", True)


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
