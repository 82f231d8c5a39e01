"""A snapshot as a JSON document: written, read back, and read with tolerance for what a newer version wrote."""

from __future__ import annotations

import json
from typing import Any

import pytest

from states import Fault, Snapshot, State, recall, remember
from states.events import ConfigRejected, ConfigWithdrawn
from tests.states.examples import (
    OPERATOR,
    TERMS,
    Story,
    accepted,
    asked,
    failed,
    later,
    missed,
    refused,
    story_in,
    succeeded,
    unbind,
    unbind_failed,
)

BORN = {
    "site": "default",
    "site_code": "4f2a",
    "state": "unconfigured",
    "since": "2025-03-01T12:00:00+00:00",
    "reason": "never configured",
}


def eventful() -> Snapshot:
    """A site with something in nearly every field."""
    story = Story(accepted(), asked(), succeeded(1, expires_at=later(9000)), asked(), succeeded(2))
    story.tell(refused(2), missed(2), unbind(), unbind_failed(2), ConfigRejected(findings=("a", "b")))
    story.tell(asked(one_time=True), failed(3, Fault.THROTTLED))
    return story.now


def test_a_new_site_is_remembered_without_its_defaults() -> None:
    assert remember(Story().now) == BORN


def test_what_is_remembered_is_json_without_floats() -> None:
    text = json.dumps(remember(eventful()), sort_keys=True, separators=(",", ":"), allow_nan=False)

    def no_float(text: str) -> float:
        raise AssertionError(text)

    assert json.loads(text, parse_float=no_float) == remember(eventful())


@pytest.mark.parametrize("held", [False, True], ids=["nothing held", "held"])
@pytest.mark.parametrize("state", State)
def test_every_state_is_recalled_as_it_was(state: State, held: bool) -> None:
    now = story_in(state, held=held, terms=TERMS).now
    assert recall(json.loads(json.dumps(remember(now)))) == now


def test_an_eventful_site_is_recalled_as_it_was() -> None:
    now = eventful()
    assert recall(json.loads(json.dumps(remember(now)))) == now
    assert now.retry is not None
    assert now.retry.one_time


def test_faults_are_remembered_by_their_stable_code() -> None:
    document = remember(eventful())
    assert document["trouble"]["fault"] == "throttled"
    assert document["terms"]["credentials"] == "sign-in-1"


def test_an_open_bind_is_remembered_with_who_asked() -> None:
    document = remember(story_in(State.BINDING).now)
    assert document["open"]["actor"] == OPERATOR
    assert recall(document).open == story_in(State.BINDING).now.open


def test_fields_that_a_newer_version_added_are_passed_over() -> None:
    now = eventful()
    document = remember(now)
    document["moon_phase"] = "waxing"
    document["binding"]["colour"] = {"of": "keys"}
    assert recall(document) == now


def test_a_fault_that_a_newer_version_invented_is_an_unexpected_one() -> None:
    document = remember(eventful())
    document["trouble"]["fault"] = "moon-in-the-way"
    recalled = recall(document)
    assert recalled.trouble is not None
    assert recalled.trouble.fault is Fault.UNEXPECTED


def test_a_field_that_is_null_is_absent() -> None:
    assert recall({**BORN, "binding": None, "terms": None}) == Story().now


def without(field: str) -> dict[str, Any]:
    return {name: value for name, value in BORN.items() if name != field}


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({}, id="an empty object"),
        pytest.param([], id="an array"),
        pytest.param(None, id="null"),
        pytest.param("bound", id="a word"),
        pytest.param(5, id="a number"),
        *(pytest.param(without(field), id=f"no {field}") for field in BORN),
        pytest.param({**BORN, "state": "confused"}, id="an unknown state"),
        pytest.param({**BORN, "state": ["bound"]}, id="a state that is an array"),
        pytest.param({**BORN, "since": "yesterday"}, id="a time that is none"),
        pytest.param({**BORN, "since": 5}, id="a time that is a number"),
        pytest.param({**BORN, "findings": 5}, id="a list that is a number"),
        pytest.param({**BORN, "retry": {"attempt": 3}}, id="half a retry"),
        pytest.param({**BORN, "binding": ["keys"]}, id="a binding that is an array"),
        pytest.param({**BORN, "trouble": {"fault": [], "detail": "", "since": BORN["since"]}}, id="a fault of none"),
    ],
)
def test_a_document_that_is_no_snapshot_is_an_error_that_says_so(document: Any) -> None:
    with pytest.raises(ValueError, match="this is no stored snapshot: "):
        recall(document)


def test_a_site_that_lost_its_file_is_recalled_with_its_findings() -> None:
    now = Story(ConfigWithdrawn(reason="the file is bad", findings=("config.ini:3: what",))).now
    assert recall(remember(now)) == now
