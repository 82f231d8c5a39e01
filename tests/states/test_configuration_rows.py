"""The rows of the table about configuration, and automatic binding: what a change asks for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from states import Event, Fault, Ignored, Impact, Moved, Refusal, Refused, State
from states.effects import CancelBind, CancelRetry, RequestBind, ScheduleVerification, StartBind
from states.events import ConfigRejected, ConfigWithdrawn, UnbindFinished
from tests.states.examples import (
    MANUAL,
    TERMS,
    Story,
    accepted,
    asked,
    binding,
    failed,
    later,
    lost,
    own_request,
    refused,
    story_in,
    succeeded,
    unbind,
    unbind_failed,
)

CORRECTED = replace(TERMS, fingerprint="inputs-2", credentials="sign-in-2")
FINDING = 'config.ini:12: [connection] proxy_prot: unknown option; did you mean "proxy_port"?'


@pytest.mark.parametrize("state", State)
def test_a_change_that_must_rebind_leads_to_configured_and_asks_for_a_bind(state: State) -> None:
    story = story_in(state)
    step = story.tell(accepted(CORRECTED, Impact.REBIND))
    assert isinstance(step, Moved)
    assert story.now.state is State.CONFIGURED
    assert (story.now.open, story.now.retry) == (None, None)
    assert RequestBind(reason="the file changed") in step.effects


@pytest.mark.parametrize("state", State)
def test_a_change_that_must_rebind_asks_for_nothing_while_automatic_is_off(state: State) -> None:
    step = story_in(state).tell(accepted(replace(CORRECTED, automatic=False), Impact.REBIND))
    assert step.after.state is State.CONFIGURED
    assert not [effect for effect in step.effects if isinstance(effect, RequestBind)]


def test_a_change_that_must_rebind_cancels_the_open_attempt() -> None:
    step = story_in(State.BINDING).tell(accepted(CORRECTED, Impact.REBIND))
    cancel = CancelBind(bind_id="default-1", attempt=1)
    assert step.effects == (cancel, RequestBind(reason="the file changed"))


def test_a_change_that_must_rebind_cancels_a_pending_retry() -> None:
    step = story_in(State.FAILED).tell(accepted(CORRECTED, Impact.REBIND))
    assert step.effects == (CancelRetry(), RequestBind(reason="the file changed"))


def test_a_change_that_must_rebind_keeps_the_held_binding() -> None:
    """Acquire, prove, then replace: the older binding works on until the new one is there."""
    story = story_in(State.BOUND)
    step = story.tell(accepted(CORRECTED, Impact.REBIND), after=60)
    assert story.now.binding == binding(1)
    verify = ScheduleVerification(bind_id="default-1", due_at=later(900))
    assert step.effects == (RequestBind(reason="the file changed"), verify)


def test_a_site_that_waits_configured_asks_again_when_what_it_signs_in_with_changes() -> None:
    story = story_in(State.CONFIGURED, terms=TERMS)
    step = story.tell(accepted(TERMS, Impact.REBIND))
    assert step.effects == (RequestBind(reason="the file changed"),)


def test_turning_automatic_on_asks_for_a_bind() -> None:
    step = story_in(State.CONFIGURED, terms=MANUAL).tell(accepted(TERMS))
    assert step.effects == (RequestBind(reason="the file changed"),)


def test_a_lesser_change_of_equal_terms_asks_for_nothing() -> None:
    """Another display name is no reason to sign in once more."""
    assert story_in(State.CONFIGURED, terms=TERMS).tell(accepted(TERMS)).effects == ()


def test_the_first_configuration_leads_to_configured_and_asks_for_a_bind() -> None:
    story = Story(accepted())
    assert story.now.state is State.CONFIGURED
    assert (story.now.reason, story.now.terms) == ("the file changed", TERMS)
    assert story.step.effects == (RequestBind(reason="the file changed"),)


def test_a_configuration_that_comes_back_unchanged_finds_the_site_bound() -> None:
    story = story_in(State.UNCONFIGURED, held=True)
    step = story.tell(accepted(MANUAL), after=60)
    assert story.now.state is State.BOUND
    assert step.effects == (ScheduleVerification(bind_id="default-1", due_at=later(900)),)


def test_a_site_that_is_found_bound_again_has_forgotten_its_failures() -> None:
    story = story_in(State.FAILED, held=True)
    story.tell(ConfigWithdrawn(reason="the file is gone"), accepted(MANUAL))
    assert (story.now.state, story.now.failures, story.now.trouble) == (State.BOUND, 0, None)


def test_a_configuration_that_comes_back_changed_finds_the_site_configured() -> None:
    story = story_in(State.UNCONFIGURED, held=True)
    step = story.tell(accepted(CORRECTED))
    assert story.now.state is State.CONFIGURED
    assert story.now.binding == binding(1)
    assert RequestBind(reason="the file changed") in step.effects


@pytest.mark.parametrize("state", [State.CONFIGURED, State.BINDING, State.BOUND, State.FAILED])
def test_a_lesser_change_applies_and_does_not_rebind(state: State) -> None:
    story = story_in(state, held=True)
    before = story.now
    terms = replace(MANUAL, verify_every=60, lost_after=5)
    step = story.tell(accepted(terms), after=10)
    assert story.now == replace(before, terms=terms)
    assert step.effects == (ScheduleVerification(bind_id="default-1", due_at=later(60)),)


def test_a_file_that_is_saved_often_does_not_put_the_check_off() -> None:
    """The next check counts from the last one, and comes at once when it is overdue."""
    story = story_in(State.BOUND)
    due = [story.tell(accepted(MANUAL), after=400).effects for _ in range(3)]
    assert due == [(ScheduleVerification(bind_id="default-1", due_at=later(seconds)),) for seconds in (900, 900, 1200)]


@pytest.mark.parametrize("state", State)
def test_a_rejected_configuration_keeps_the_last_good_one_and_holds_every_finding(state: State) -> None:
    story = story_in(state, held=True)
    before = story.now
    step = story.tell(ConfigRejected(findings=(FINDING, "another")), after=5)
    assert story.now == replace(before, findings=(FINDING, "another"), findings_since=later(5))
    assert step.effects == ()


def test_an_accepted_configuration_clears_the_findings() -> None:
    story = story_in(State.BOUND)
    story.tell(ConfigRejected(findings=(FINDING,)), accepted(MANUAL))
    assert (story.now.findings, story.now.findings_since) == ((), None)


@pytest.mark.parametrize("state", State)
def test_a_withdrawn_configuration_leads_to_unconfigured_and_keeps_the_binding(state: State) -> None:
    story = story_in(state, held=True)
    story.tell(ConfigWithdrawn(reason="the file is bad", findings=(FINDING,)), after=5)
    now = story.now
    assert (now.state, now.reason, now.terms) == (State.UNCONFIGURED, "the file is bad", None)
    assert (now.open, now.retry, now.binding) == (None, None, binding(1))
    assert (now.findings, now.findings_since) == ((FINDING,), later(5))


@pytest.mark.parametrize(
    "state, effects",
    [
        (State.BINDING, (CancelBind(bind_id="default-1", attempt=1),)),
        (State.FAILED, (CancelRetry(),)),
        (State.CONFIGURED, ()),
    ],
)
def test_a_withdrawn_configuration_cancels_what_is_under_way(state: State, effects: tuple[object, ...]) -> None:
    assert story_in(state).tell(ConfigWithdrawn(reason="the file is gone")).effects == effects


# Automatic binding.


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
