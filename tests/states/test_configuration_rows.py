"""The rows of the table about configuration, and automatic binding: what a change asks for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from states import Impact, Moved, State
from states.effects import CancelBind, CancelRetry, RequestBind, ScheduleVerification
from states.events import ConfigRejected, ConfigWithdrawn
from tests.states.examples import (
    MANUAL,
    TERMS,
    Story,
    accepted,
    binding,
    later,
    story_in,
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


def test_a_binding_matches_the_settings_that_it_was_made_with() -> None:
    assert story_in(State.BOUND).now.binding_matches
    assert not story_in(State.BOUND).tell(accepted(CORRECTED, Impact.REBIND)).after.binding_matches
    assert not story_in(State.UNCONFIGURED, held=True).now.binding_matches
    assert not story_in(State.CONFIGURED).now.binding_matches
