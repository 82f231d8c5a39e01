"""What the audit record says of an event: canonical JSON, no float, no secret, nothing that is empty."""

from __future__ import annotations

import json

import pytest

from states import EVENTS, BindStep, Change, Event, Fault, Impact, detail_of, fault_named
from states.events import BindFailed, BindSucceeded, ConfigAccepted, UnbindFinished
from tests.states.examples import (
    OPERATOR,
    TERMS,
    asked,
    binding,
    later,
    one_of_each_event,
    refused,
    succeeded,
)

STEPS = (BindStep(step="connect", status="passed", seconds=0.25, detail="10.0.0.1:443"),)


def no_float(text: str) -> float:
    message = f"a float in an audit record: {text}"
    raise AssertionError(message)


@pytest.mark.parametrize("event", one_of_each_event(), ids=lambda event: event.trigger)
def test_the_detail_of_every_event_is_canonical_json_without_floats(event: Event) -> None:
    detail = detail_of(event)
    text = json.dumps(detail, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    assert json.loads(text, parse_float=no_float) == detail


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.trigger)
def test_every_trigger_names_its_event_in_the_past(kind: type[Event]) -> None:
    words = kind.trigger.split("_")
    assert kind.__name__ == "".join(word.capitalize() for word in words)


def test_who_and_under_which_request_stand_elsewhere_in_the_record() -> None:
    assert asked().actor == OPERATOR
    assert detail_of(asked()) == {"reason": "asked by curl", "one_time": False}


def test_an_accepted_configuration_tells_each_change_and_no_value() -> None:
    event = ConfigAccepted(
        terms=TERMS,
        impact=Impact.REBIND,
        reason="changed: [binding] password",
        changes=(Change(section="binding", option="password", impact=Impact.REBIND),),
        warnings=("config.ini:7: plain text",),
    )
    assert detail_of(event) == {
        "impact": "rebind",
        "reason": "changed: [binding] password",
        "changes": [{"section": "binding", "option": "password", "result": "rebind"}],
        "warnings": ["config.ini:7: plain text"],
        "at_start": False,
    }


def test_a_success_tells_which_account_was_bound() -> None:
    event = BindSucceeded(attempt=1, binding=binding(1, expires_at=later(60)), steps=STEPS)
    assert detail_of(event) == {
        "attempt": 1,
        "bind_id": "default-1",
        "method": "cloud",
        "account_code": "C0A0",
        "company": "Example Ltd",
        "region": "eu",
        "expires_at": "2025-03-01T12:01:00+00:00",
    }


def test_a_binding_without_an_end_tells_none() -> None:
    assert "expires_at" not in detail_of(succeeded(1))


def test_a_failure_tells_its_fault_by_code_and_leaves_the_steps_to_the_report() -> None:
    event = BindFailed(attempt=3, fault=Fault.THROTTLED, detail="too many", retry_after=0, steps=STEPS)
    assert detail_of(event) == {"attempt": 3, "fault": "throttled", "detail": "too many", "retry_after": 0}


def test_a_refusal_tells_which_keys_and_why() -> None:
    assert detail_of(refused(1)) == {
        "bind_id": "default-1",
        "fault": "keys-refused",
        "detail": "no longer accepted",
    }


def test_an_unbind_tells_what_it_left_behind() -> None:
    left = UnbindFinished(bind_id="default-1", left_behind="the keys are still valid at the service")
    assert detail_of(left)["left_behind"] == "the keys are still valid at the service"
    assert detail_of(UnbindFinished(bind_id="default-1")) == {"bind_id": "default-1"}


@pytest.mark.parametrize("fault", Fault)
def test_a_fault_is_found_by_its_code_and_says_what_to_do(fault: Fault) -> None:
    assert fault_named(fault.code) is fault
    assert fault.remedy.endswith(".")


def test_codes_of_faults_are_unique() -> None:
    assert len({fault.code for fault in Fault}) == len(Fault)


def test_no_fault_that_refuses_credentials_heals_by_itself() -> None:
    """Else the retry would try the same password again, and lock the account."""
    assert not [fault for fault in Fault if fault.refuses_credentials and fault.heals_by_itself]


def test_a_fault_that_nobody_knows_is_unexpected() -> None:
    assert fault_named("moon-in-the-way") is Fault.UNEXPECTED
