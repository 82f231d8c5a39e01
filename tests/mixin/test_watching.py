"""A real Prometheus with our rules scrapes a real daemon, and is asked every query of dashboard and rules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from daemon.sandbox import small_world
from tests.acceptance.calls import Api
from tests.acceptance.installation import Installation
from tests.acceptance.processes import a_free_port, until
from tests.acceptance.prometheus import prometheus, query, value
from tests.acceptance.simulated import Simulated
from tests.mixin.files import ALERTS, RECORDED, alerts, asked_by, queries, recorded, selectors_in, variables

pytestmark = [pytest.mark.slow, pytest.mark.parts]

SELECTED = {"$__rate_interval": "1m", "$job": "sitebind", "$instance": ".*", "$site": ".*"}
NOTHING_TO_SHOW = {"Events that came too late A": "none came too late"}
"""Queries for which this daemon has no data, and why."""


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Prometheus, over a daemon that was bound, whose sign-in was then refused, and that waits for its next attempt."""
    folder = tmp_path_factory.mktemp("watched")
    for name in ("mimecast", "site"):
        (folder / name).mkdir()
    with Simulated(folder / "mimecast", small_world()) as simulated:
        installation = Installation(folder / "site", simulated, a_free_port())
        installation.save(binding={"retry_first": "1h", "retry_ceiling": "1h"})
        rules = [ALERTS, RECORDED]
        with (
            installation.start(),
            prometheus(folder / "prometheus", scrapes=installation.port, rules=rules) as server,
        ):
            happen(installation, server)
            yield server


def happen(installation: Installation, server: Api) -> None:
    """Each step is seen by a scrape before the next, since what is counted between two scrapes has no rate."""
    attempts = 'sum(sitebind_bind_attempts_total{{site="default",result="{}"}})'
    installation.api.reach("bound")
    until(lambda: value(server, attempts.format("succeeded")) == "1", "the first bind is seen")
    assert installation.api.rebind()["state"] == "succeeded"
    until(lambda: value(server, attempts.format("succeeded")) == "2", "the second bind is seen")
    for number, trouble in enumerate(("wrong-password", "reset"), start=1):
        installation.simulated.heal()
        installation.simulated.trouble(trouble)
        assert installation.api.rebind()["state"] == "failed"
        until(lambda number=number: value(server, attempts.format("failed")) == str(number), f"{trouble} is seen")


def filled(expression: str) -> str:
    for name, meaning in SELECTED.items():
        expression = expression.replace(name, meaning)
    return expression


@pytest.mark.parametrize("place, expression", list(queries()), ids=[place for place, _ in queries()])
def test_every_query_of_the_dashboard_has_an_answer(watched: Api, place: str, expression: str) -> None:
    """No error, and a result that is a number."""
    if place in NOTHING_TO_SHOW:
        assert query(watched, filled(expression)) == []
        return

    def answered() -> list[dict[str, Any]]:
        return [series for series in query(watched, filled(expression)) if series["value"][1] != "NaN"]

    until(answered, f"{place} shows something")


@pytest.mark.parametrize("variable", variables(), ids=lambda variable: variable["name"])
def test_every_variable_has_something_to_choose(watched: Api, variable: dict[str, Any]) -> None:
    found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
    assert found is not None
    answer = watched.get(f"/api/v1/label/{found[2]}/values?match[]={quote(filled(found[1]))}")
    assert answer["status"] == "success"
    assert len(answer["data"]) == 1


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: f"{alert['alert']} {alert['labels']['severity']}")
def test_what_an_alert_looks_at_is_there(watched: Api, alert: dict[str, Any]) -> None:
    """Labels and their values included: an alert over series that nobody shows would be quiet for ever."""
    for expression in asked_by(alert):
        assert query(watched, expression) is not None
        for selector in selectors_in(expression):
            until(lambda selector=selector: query(watched, selector), f"there is {selector}")


def rules_now(server: Api) -> list[dict[str, Any]]:
    return [rule for group in server.get("/api/v1/rules")["data"]["groups"] for rule in group["rules"]]


def not_quiet(server: Api) -> set[str]:
    return {rule["name"] for rule in rules_now(server) if rule.get("state", "inactive") != "inactive"}


def test_prometheus_carries_every_rule_out(watched: Api) -> None:
    assert len(rules_now(watched)) == len(alerts()) + len(recorded())
    until(lambda: all(rule["health"] == "ok" for rule in rules_now(watched)), "every rule was carried out")
    assert {rule.get("lastError", "") for rule in rules_now(watched)} == {""}


def test_what_happened_to_the_site_is_pending_and_nothing_else_is(watched: Api) -> None:
    """It failed; and the sign-in that was refused can refresh no keys, which end within days in the sandbox."""
    until(lambda: not_quiet(watched) == {"SiteFailed", "CredentialExpiring"}, "two alerts wait for their time")


def test_an_exemplar_leads_from_the_histogram_to_the_attempt(watched: Api) -> None:
    """Prometheus asks for OpenMetrics by itself, and keeps what it finds there."""
    asked = quote("sitebind_bind_duration_seconds_bucket")

    def attempts() -> set[str]:
        (whole,) = watched.get("/api/v1/query?query=time()")["data"]["result"][:1]
        answer = watched.get(
            f"/api/v1/query_exemplars?query={asked}&start={float(whole) - 600}&end={float(whole) + 60}"
        )
        return {one["labels"]["bind_id"] for series in answer["data"] for one in series["exemplars"]}

    until(lambda: {"default-1", "default-2"} <= attempts(), "the attempts are named")
    assert attempts() <= {f"default-{number}" for number in range(1, 9)}
