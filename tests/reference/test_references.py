"""The reference pages say what the program says, and leave nothing out."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from daemon.config.options import OPTIONS
from daemon.web.openapi import document
from states import EVENTS, Fault
from tests.reference import api, commands, configuration, events, metrics, problem_codes, troubleshooting
from tests.reference.fault_words import SEEN
from tests.reference.pages import PAGES


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_reference_page_is_what_the_program_says(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == PAGES[path](), f"{path.name} is out of date: make references"


def test_every_kind_of_value_is_told() -> None:
    """By its kind, or else by the option's unit."""
    untold = [option.key for option in OPTIONS if not configuration.value_of(option)]
    assert untold == [], "tests/reference/configuration.py: say what is written there"


def test_every_fault_is_told_in_words() -> None:
    assert set(SEEN) == set(Fault), "tests/reference/fault_words.py: say what is seen, then make references"


def test_every_problem_that_the_process_adds_is_told() -> None:
    assert set(troubleshooting.process_codes()) == set(troubleshooting.OF_THE_PROCESS), (
        "tests/reference/troubleshooting.py"
    )


def test_every_event_that_is_recorded_is_told() -> None:
    told = set(events.OWN) | {event.trigger for event in EVENTS}
    assert events.events_in_the_sources() <= told, "tests/reference/events.py: tell the event, then make references"
    assert set(events.OWN) <= events.events_in_the_sources()


def test_every_field_of_a_detail_is_told() -> None:
    named = {name for event in EVENTS for name in events.detail_names(event)}
    named |= {name for _, detail in events.OWN.values() for name in detail}
    assert named | set(events.MOVED) | set(events.TURNED_DOWN) == set(events.FIELDS)


def test_every_code_of_a_problem_is_told() -> None:
    assert problem_codes.codes_in_the_sources() == set(problem_codes.CODES), (
        "tests/reference/problem_codes.py: say when it is answered and what to do, then make references"
    )


def test_every_code_of_a_problem_is_promised_by_the_description() -> None:
    """Whoever programs against openapi.yaml finds every code there."""
    text = str(document())
    assert {code for code in problem_codes.CODES if f"`{code}`" not in text} == set()


def test_every_call_that_is_served_is_described_and_the_other_way_round() -> None:
    """But for the page and its files, which are no API."""
    described = {(method, path) for method, path, _ in api.operations(document())}
    served = set(api.scopes())
    assert described <= served
    assert {(method, path) for method, path in served if path.startswith(("/api/", "/-/"))} <= described


def test_every_example_of_a_body_is_one_that_the_api_takes() -> None:
    found = document()
    for _, _, operation in api.operations(found):
        if "requestBody" in operation:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            whole = {**schema, "components": found["components"]}
            jsonschema.Draft202012Validator(whole).validate(api.BODIES[operation["operationId"]])


def test_every_label_is_told_with_its_values() -> None:
    used = {label for family in metrics.families().values() for label in metrics.label_names(family)}
    assert used == {label.partition(",")[0] for label in metrics.LABELS}


def test_every_exit_code_is_told() -> None:
    assert set(commands.Exit) <= set(commands.CODES)
