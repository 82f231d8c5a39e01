"""Automatic binding, and the credentials that it must not try: what nobody asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from states import Event, Fault, Ignored, Impact, Moved, Refusal, Refused, State
from states.effects import CancelRetry, RequestBind, StartBind
from states.events import ConfigWithdrawn, UnbindFinished
from tests.states.examples import (
    MANUAL,
    TERMS,
    Story,
    accepted,
    asked,
    failed,
    lost,
    own_request,
    refused,
    story_in,
    succeeded,
    unbind,
    unbind_failed,
)

CORRECTED = replace(TERMS, fingerprint="inputs-2", credentials="sign-in-2")


def test_the_daemons_own_request_starts_a_bind_where_it_has_its_reason() -> None:
    story = Story(accepted())
    step = story.tell(own_request())
    assert story.now.state is State.BINDING
    assert step.effects == (StartBind(bind_id="default-1", attempt=1, one_time=False),)


@pytest.mark.parametrize(
    "meanwhile",
    [
        pytest.param((asked(), succeeded(1)), id="somebody else's bind succeeded"),
        pytest.param((asked(), failed(1)), id="somebody else's bind failed and waits for its retry"),
        pytest.param((asked(), failed(1, Fault.ADDRESS_UNKNOWN)), id="somebody else's bind failed for good"),
        pytest.param((accepted(MANUAL),), id="automatic was turned off"),
        pytest.param((accepted(replace(TERMS, credentials=None)),), id="the sign-in was removed"),
        pytest.param((asked(), succeeded(1), unbind(), UnbindFinished(bind_id="default-1")), id="an operator unbound"),
    ],
)
def test_the_daemons_own_request_is_ignored_when_its_reason_went_away(meanwhile: tuple[Event, ...]) -> None:
    """It waits for its slot, a minute with a thousand sites; much can happen in that."""
    story = Story(accepted(), *meanwhile)
    step = story.tell(own_request(), after=60)
    assert isinstance(step, Ignored)
    assert (step.after, step.effects) == (step.before, ())


def test_the_daemons_own_request_joins_an_open_bind() -> None:
    story = story_in(State.BINDING)
    assert isinstance(story.tell(own_request()), Moved)
    assert story.step.effects == ()


def test_the_daemons_own_request_without_a_configuration_is_refused() -> None:
    step = Story().tell(own_request())
    assert isinstance(step, Refused)
    assert step.refusal is Refusal.NOT_CONFIGURED


def test_without_a_sign_in_nothing_binds_by_itself() -> None:
    story = Story(accepted(replace(TERMS, credentials=None)))
    assert not story.now.automatic_binding_applies
    assert story.step.effects == ()


def test_after_an_unbind_by_an_operator_nothing_binds_by_itself() -> None:
    story = story_in(State.BOUND, terms=TERMS)
    story.tell(unbind(), UnbindFinished(bind_id="default-1"))
    assert story.tell(accepted(CORRECTED, Impact.REBIND)).effects == ()


def test_after_an_unbind_somebody_who_asks_for_a_bind_lifts_that() -> None:
    """From the request on, and not only from its success."""
    story = story_in(State.BOUND, terms=TERMS)
    story.tell(unbind(), UnbindFinished(bind_id="default-1"), asked())
    assert story.now.automatic_binding_applies
    step = story.tell(accepted(CORRECTED, Impact.REBIND))
    assert RequestBind(reason="the file changed") in step.effects


def test_while_an_unbind_is_under_way_nothing_binds_by_itself() -> None:
    story = story_in(State.BINDING, held=True, terms=TERMS)
    story.tell(unbind())
    assert not story.now.automatic_binding_applies
    story.tell(unbind_failed(1))
    assert story.now.automatic_binding_applies


# Credentials that were refused are not tried again until they change.


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault.refuses_credentials])
def test_refused_credentials_are_not_tried_again_until_they_change(fault: Fault) -> None:
    story = Story(accepted(), asked(), failed(1, fault, credentials="sign-in-1"))
    assert story.now.retry is None
    assert story.tell(ConfigWithdrawn(reason="the file is gone"), accepted()).effects == ()
    assert story.now.state is State.CONFIGURED
    step = story.tell(accepted(CORRECTED, Impact.REBIND))
    assert step.effects == (RequestBind(reason="the file changed"),)


def test_a_person_may_try_refused_credentials_again() -> None:
    """An account that was locked is unlocked at the service; nothing changes here."""
    story = Story(accepted(), asked(), failed(1, Fault.ACCOUNT_LOCKED, credentials="sign-in-1"))
    assert story.tell(asked()).after.state is State.BINDING
    story.tell(succeeded(2))
    assert story.now.has_usable_credentials


def test_a_fault_of_the_network_says_nothing_about_the_credentials() -> None:
    story = Story(accepted(), asked(), failed(1, Fault.UNREACHABLE, credentials="sign-in-1"))
    assert story.now.has_usable_credentials


def test_a_one_time_sign_in_that_works_does_not_excuse_the_configured_one() -> None:
    """The configured password is as wrong as before: neither a refresh nor a lost binding may try it."""
    story = Story(accepted(), asked(), failed(1, Fault.CREDENTIALS_REFUSED, credentials="sign-in-1"))
    story.tell(asked(one_time=True), succeeded(2))
    assert story.now.state is State.BOUND
    assert not story.now.has_usable_credentials
    assert RequestBind(reason="binding lost: keys-refused") not in story.tell(lost(2)).effects


@pytest.mark.parametrize("credentials", [None, "a one-time sign-in"])
def test_a_one_time_sign_in_that_is_refused_says_nothing_about_the_configured_one(
    credentials: str | None,
) -> None:
    story = Story(accepted(), asked(), failed(1, Fault.CREDENTIALS_REFUSED, credentials="sign-in-1"))
    story.tell(asked(one_time=True), failed(2, Fault.CREDENTIALS_REFUSED, credentials=credentials))
    assert story.now.refused_credentials == "sign-in-1"


def test_a_one_time_sign_in_that_equals_the_configured_one_stands_for_it() -> None:
    story = Story(accepted(), asked(one_time=True))
    story.tell(failed(1, Fault.CREDENTIALS_REFUSED, credentials="sign-in-1"))
    assert not story.now.has_usable_credentials


def test_a_sign_in_that_a_refresh_found_refused_is_not_tried_by_a_waiting_retry() -> None:
    story = story_in(State.FAILED, held=True, terms=TERMS)
    assert story.now.retry is not None
    step = story.tell(refused(1, Fault.CREDENTIALS_REFUSED, credentials="sign-in-1"))
    assert story.now.retry is None
    assert CancelRetry() in step.effects


def test_a_retry_with_a_one_time_sign_in_outlives_a_refused_refresh() -> None:
    story = story_in(State.BOUND, terms=TERMS)
    story.tell(asked(one_time=True), failed(2))
    story.tell(refused(1, Fault.CREDENTIALS_REFUSED, credentials="sign-in-1"))
    assert story.now.retry is not None
