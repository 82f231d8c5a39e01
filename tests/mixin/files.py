"""The files of the mixin, read once, and what stands in their expressions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tests.acceptance.processes import REPOSITORY

MIXIN = REPOSITORY / "metrics" / "mixin"
ALERTS, RECORDED, DASHBOARD = MIXIN / "alerts.yaml", MIXIN / "rules.yaml", MIXIN / "dashboard.json"
PROOFS = MIXIN / "tests"
RUNBOOK = REPOSITORY / "docs" / "runbook.md"
MONITORING = REPOSITORY / "docs" / "monitoring.md"

Rule = dict[str, Any]
Panel = dict[str, Any]

_NAME = re.compile(r"\b(?:up|(?:sitebind|process)_\w+|\w+:\w+:\w+)\b")
_SELECTOR = re.compile(r"\b(?:up\b|sitebind_\w+)(?:\{[^}]*\})?")
_STRING = re.compile(r'"[^"]*"')
_QUERY = re.compile(r"`([^`]*)` \$labels")


def rules_of(document: Mapping[str, Any]) -> list[Rule]:
    return [rule for group in document["groups"] for rule in group["rules"]]


def alerts() -> list[Rule]:
    return rules_of(yaml.safe_load(ALERTS.read_text(encoding="utf-8")))


def recorded() -> list[Rule]:
    return rules_of(yaml.safe_load(RECORDED.read_text(encoding="utf-8")))


def dashboard() -> dict[str, Any]:
    text: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return text


def panels() -> list[Panel]:
    """Those that show something."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def asked_by(alert: Rule) -> list[str]:
    """The expression of an alert, and those that its texts ask for: with any daemon and site."""
    asked = [found for text in alert["annotations"].values() for found in _QUERY.findall(text)]
    return [alert["expr"], *(re.sub(r"=%(\[\d\])?q", '=~".+"', text) for text in asked)]


def names_in(expression: str) -> set[str]:
    """The metrics and recorded series in an expression; a label that is named as its metric counts as one."""
    return set(_NAME.findall(_STRING.sub("", expression)))


def selectors_in(expression: str) -> list[str]:
    """What is selected, with its matchers."""
    return _SELECTOR.findall(expression)


def queries() -> Iterator[tuple[str, str]]:
    """Every query of the dashboard with the place where it stands."""
    for panel in panels():
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"]


def variables() -> list[dict[str, Any]]:
    """The dashboard's variables but the data source."""
    return [variable for variable in dashboard()["templating"]["list"] if variable["type"] == "query"]
