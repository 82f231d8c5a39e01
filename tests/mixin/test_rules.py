"""The rules: each alert is proven three ways, explained, and made of metrics that there are."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from metrics import Exposition, Instruments, new_registry
from tests.acceptance.processes import REPOSITORY, Said, run
from tests.mixin.files import (
    ALERTS,
    PROOFS,
    RECORDED,
    RUNBOOK,
    alerts,
    asked_by,
    names_in,
    queries,
    recorded,
    rules_of,
    variables,
)

NAMES = sorted({alert["alert"] for alert in alerts()})
PROMISED = [
    "AuditChainBroken", "AuditForwardFailing", "AuditUpkeepFailing", "AuditWriteFailing", "BindFlapping",
    "BindingNotVerified", "ConfigReloadFailed", "CredentialExpiring", "SiteFailed", "SiteNotBound", "SitebindAbsent",
    "SitebindDown",
]  # fmt: skip


def shown_by_a_daemon() -> set[str]:
    """The name of every series that a daemon shows once it answered a request, and `up`, which Prometheus adds."""
    registry = new_registry()
    instruments = Instruments(registry, endpoints=("login",))
    instruments.add_site("default")
    instruments.http_request(method="GET", route="/metrics", status=200)
    text = b"".join(Exposition(registry, instruments).answer("")[1]).decode()
    families = text_string_to_metric_families(text)
    return {"up", *(sample.name for family in families for sample in family.samples)}


def cases(alert: str) -> list[dict[str, Any]]:
    """The groups of an alert's tests."""
    groups: list[dict[str, Any]] = yaml.safe_load((PROOFS / f"{alert}.yaml").read_text(encoding="utf-8"))["tests"]
    return groups


def seen(case: dict[str, Any], alert: str) -> list[bool]:
    """At each moment that a case looks at: does the alert fire? In the order of time."""
    looks = case["alert_rule_test"]
    assert {look["alertname"] for look in looks} == {alert}
    assert [minutes(look["eval_time"]) for look in looks] == sorted(minutes(look["eval_time"]) for look in looks)
    return [bool(look["exp_alerts"]) for look in looks]


def minutes(time: str) -> int:
    units = {"m": 1, "h": 60, "d": 1440}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([mhd])", time))


def test_every_promised_alert_is_there() -> None:
    """The expiry in two weights, all others once."""
    assert NAMES == PROMISED
    weights = [(alert["alert"], alert["labels"]["severity"]) for alert in alerts()]
    assert len(weights) == len(set(weights)) == len(NAMES) + 1
    assert {weight for name, weight in weights if name == "CredentialExpiring"} == {"warning", "critical"}
    assert {weight for _, weight in weights} == {"warning", "critical"}


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_is_proven_to_fire_to_be_quiet_and_to_resolve(name: str) -> None:
    """By the cases of a file of its own."""
    proven = {
        kind: [case for case in cases(name) if case["name"].startswith(kind)]
        for kind in ("fires", "does not fire", "resolves")
    }
    assert all(proven.values())
    assert sum(map(len, proven.values())) == len(cases(name))
    assert all(seen(case, name)[-1] for case in proven["fires"])
    assert not any(fires for case in proven["does not fire"] for fires in seen(case, name))
    assert all(seen(case, name)[0] and not seen(case, name)[-1] for case in proven["resolves"])


def test_no_file_of_proofs_is_about_nothing() -> None:
    assert sorted(path.stem for path in PROOFS.glob("*")) == sorted([*NAMES, "recorded"])
    proven = yaml.safe_load((PROOFS / "recorded.yaml").read_text(encoding="utf-8"))["tests"]
    asked = {name for case in proven for look in case["promql_expr_test"] for name in names_in(look["expr"])}
    assert asked == {rule["record"] for rule in recorded()}


@pytest.mark.parametrize(
    "group, names", [("sitebind-sites", "$labels.site "), ("sitebind-daemon", "$labels.instance ")]
)
def test_every_alert_says_what_happened_where_and_what_to_do_next(group: str, names: str) -> None:
    """A place in the runbook as well; what is absent can name no place."""
    (found,) = [each for each in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"] if each["name"] == group]
    for alert in found["rules"]:
        texts = alert["annotations"]
        assert set(texts) == {"summary", "description", "runbook_url"}
        assert "Next: " in texts["description"]
        if alert["alert"] != "SitebindAbsent":
            assert names in texts["summary"]
            assert names in texts["description"]
            assert "$labels.instance " in texts["description"]
        page, _, anchor = texts["runbook_url"].partition("#")
        assert REPOSITORY / page == RUNBOOK
        assert anchor == alert["alert"].lower()


def test_the_runbook_has_a_section_for_each_alert_and_no_other() -> None:
    """Short, with what it means and what to do."""
    sections = re.split(r"^## ", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    told = {section.split("\n", 1)[0]: section for section in sections}
    assert sorted(told) == NAMES
    for section in told.values():
        assert len(section.splitlines()) < 30
        assert "**What it means.**" in section
        assert "**What to do.**" in section


def test_every_metric_that_is_asked_for_is_one_that_a_daemon_shows() -> None:
    """Or a recorded series. And no alert needs those, so that alerts.yaml can stand alone."""
    shown, made = shown_by_a_daemon(), {rule["record"] for rule in recorded()}
    for alert in alerts():
        assert {name for text in asked_by(alert) for name in names_in(text)} <= shown
    for rule in recorded():
        assert names_in(rule["expr"]) <= shown
    asked = [query for _, query in queries()] + [variable["query"]["query"] for variable in variables()]
    used = {name for query in asked for name in names_in(query)}
    assert used <= shown | made
    assert made <= used, "a recorded series that nobody looks at"


@pytest.mark.parts
def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    checked = run(["promtool", "check", "rules", "--lint=all", "--lint-fatal", ALERTS, RECORDED])
    assert (checked.code, checked.err) == (0, "")
    assert checked.out.count("SUCCESS") == 2


@pytest.mark.parts
@pytest.mark.parametrize("name", [*NAMES, "recorded"])
def test_promtool_carries_the_proofs_out(name: str) -> None:
    said = proven(ALERTS.parent, name)
    assert said.code == 0, said.out + said.err


def proven(mixin: Path, name: str) -> Said:
    return run(["promtool", "test", "rules", mixin / "tests" / f"{name}.yaml"])


@dataclass(frozen=True)
class Mistake:
    """Another value in one field of one rule."""

    alert: str
    place: int
    field: str
    value: object

    def __str__(self) -> str:
        return f"{self.alert} {self.place} {self.field} {self.value}"


def mistakes() -> Iterator[Mistake]:
    """In every rule: it never fires, does not wait, weighs something else, or a number in it is half of what it was."""
    for place, alert in enumerate(alerts()):
        name, expression = alert["alert"], alert["expr"]
        yield Mistake(name, place, "expr", f"({expression}) > +Inf")
        yield Mistake(name, place, "labels", {"severity": "nobody"})
        if "for" in alert:
            yield Mistake(name, place, "for", "0s")
        for number in re.finditer(r"(?<=\[)\d+[mh](?=\])|(?<=[<>,] )(?:[1-9][\d.]*)", expression):
            less = "30s" if number[0][-1] in "mh" else str(float(number[0]) / 2)
            yield Mistake(name, place, "expr", expression[: number.start()] + less + expression[number.end() :])


@pytest.mark.parts
@pytest.mark.slow
@pytest.mark.parametrize("mistake", list(mistakes()), ids=str)
def test_a_mistake_in_a_rule_would_be_found(mistake: Mistake, tmp_path: Path) -> None:
    """The proofs are worth something: each part of a rule is held by one of them."""
    document = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))
    rule = rules_of(document)[mistake.place]
    assert rule[mistake.field] != mistake.value
    rule[mistake.field] = mistake.value
    (tmp_path / "tests").mkdir()
    (tmp_path / "alerts.yaml").write_text(yaml.safe_dump(document))
    shutil.copy(PROOFS / f"{mistake.alert}.yaml", tmp_path / "tests")
    found = proven(tmp_path, mistake.alert)
    assert found.code == 1
    assert "FAILED" in found.out + found.err
