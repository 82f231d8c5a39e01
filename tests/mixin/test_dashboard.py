"""The dashboard as a document: the schema of what we use of Grafana's, and what no schema can say."""

from __future__ import annotations

import copy
import itertools
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from states import State
from tests.mixin.files import DASHBOARD, Panel, dashboard, panels, queries, variables

SCHEMA = json.loads((Path(__file__).parent / "dashboard.schema.json").read_text(encoding="utf-8"))
OWN = {"$__rate_interval"}
"""What Grafana itself puts in."""


def complaints(document: Any) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(document)]


def test_it_is_what_the_schema_says() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert complaints(dashboard()) == []


@pytest.mark.parametrize(
    "path, value",
    [
        (["panels", 1, "datasource"], {"type": "prometheus", "uid": "P1809F7CD0C75ACF3"}),
        (["panels", 1, "targets", 0, "exprs"], "up"),
        (["panels", 1, "targets", 0, "expr"], ""),
        (["panels", 1, "type"], "graph"),
        (["panels", 1, "gridPos", "x"], 24),
        (["panels", 1, "options", "textMode"], "words"),
        (["panels", 1, "fieldConfig", "defaults", "unit"], "secs"),
        (["panels", 1, "fieldConfig", "defaults", "thresholds", "steps", 0, "value"], 1),
        (["templating", "list", 0, "type"], "query"),
        (["templating", "list", 1, "query", "query"], "sitebind_build_info"),
        (["links"], [{"url": "https://grafana.example.com"}]),
    ],
    ids=lambda value: "/".join(map(str, value)) if isinstance(value, list) else "",
)
def test_the_schema_would_find_a_mistake(path: list[Any], value: Any) -> None:
    wrong = copy.deepcopy(dashboard())
    place = wrong
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert complaints(wrong) != []


def test_it_names_no_address_of_anybody() -> None:
    assert not re.search(r"\w+://", DASHBOARD.read_text(encoding="utf-8"))


def test_every_panel_has_a_number_and_a_place_of_its_own() -> None:
    """Within the 24 columns, and none over another."""
    everything = dashboard()["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    for panel in everything:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24, panel["title"]
    for one, other in itertools.combinations(everything, 2):
        assert apart(one["gridPos"], other["gridPos"]), f"{one['title']} lies over {other['title']}"


def apart(one: dict[str, int], other: dict[str, int]) -> bool:
    beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    return beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]


def test_every_query_follows_the_variables_and_no_other() -> None:
    """What is chosen above holds for every panel."""
    names = {f"${variable['name']}" for variable in variables()}
    for place, query in queries():
        used = set(re.findall(r"\$\w+", query))
        assert used <= names | OWN, place
        assert {"$job", "$instance"} <= used, place
    for variable in variables():
        assert variable["definition"] == variable["query"]["query"]
        assert set(re.findall(r"\$\w+", variable["definition"])) <= names - {f"${variable['name']}"}


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_every_panel_refers_to_queries_that_it_has(panel: Panel) -> None:
    """A table's columns are named by its queries; instant ones, since it shows what is now."""
    letters = [target["refId"] for target in panel["targets"]]
    assert letters == [chr(ord("A") + number) for number in range(len(letters))]
    named = set(re.findall(r"Value #([A-Z])", json.dumps(panel.get("transformations", []))))
    assert named == (set(letters) if panel["type"] == "table" else set())
    assert all(("format" in target) == (panel["type"] == "table") for target in panel["targets"])
    columns = [
        name for step in panel.get("transformations", []) for name in step["options"].get("renameByName", {}).values()
    ]
    overrides = [override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]]
    assert set(overrides) <= set(columns)


def test_the_states_are_those_of_the_lifecycle_and_bear_their_names() -> None:
    """Colour is never alone."""
    (timeline,) = [panel for panel in panels() if panel["type"] == "state-timeline"]
    (mapping,) = timeline["fieldConfig"]["defaults"]["mappings"]
    shown = {int(number): entry["text"] for number, entry in mapping["options"].items()}
    asked = re.findall(r'(\d) \* sitebind_site_state\{[^}]*sitebind_site_state="(\w+)"', timeline["targets"][0]["expr"])
    assert {int(number): state for number, state in asked} == shown
    assert sorted(shown.values()) == sorted(state.value for state in State)
