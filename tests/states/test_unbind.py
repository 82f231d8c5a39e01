"""The rows of the table about unbinding, and keys that are no longer used."""

from __future__ import annotations

from dataclasses import replace

import pytest

from states import Fault, Ignored, Impact, State, problems
from states.effects import (
    CancelBind,
    CancelRetry,
    CancelVerification,
    RequestBind,
    RevokeKeys,
    ScheduleRetry,
    ScheduleVerification,
    Unbind,
    WipeKeys,
)
from states.events import (
    BindingVerified,
    ConfigWithdrawn,
    KeysRevoked,
    RetryDue,
    RevocationFailed,
    UnbindFinished,
)
from tests.states.examples import (
    TERMS,
    accepted,
    asked,
    bind_id,
    binding,
    failed,
    later,
    story_in,
    succeeded,
    unbind,
    unbind_failed,
)

NOT_BOUND = [state for state in State if state is not State.BOUND]
VERIFIED = BindingVerified(bind_id=bind_id(1))
AUTOMATIC = replace(TERMS, automatic=True)
FINISHED = UnbindFinished(bind_id=bind_id(1))


def check_at(seconds: float, attempt: int = 1) -> ScheduleVerification:
    return ScheduleVerification(bind_id=bind_id(attempt), due_at=later(seconds))


@pytest.mark.parametrize("local_only", [False, True])
@pytest.mark.parametrize("state", [state for state in NOT_BOUND if state is not State.BINDING] + [State.BOUND])
def test_an_unbind_is_carried_out_where_the_site_stands(state: State, local_only: bool) -> None:
    story = story_in(state, held=True)
    step = story.tell(unbind(local_only=local_only))
    assert (story.now.state, story.now.binding) == (state, binding(1))
    assert story.now.unbinding == ("local" if local_only else "remote")
    assert Unbind(bind_id="default-1", local_only=local_only) in step.effects


def test_an_unbind_ends_the_open_attempt() -> None:
    story = story_in(State.BINDING, held=True)
    step = story.tell(unbind())
    assert (story.now.state, story.now.open, story.now.reason) == (State.CONFIGURED, None, "the server moves")
    assert step.effects == (
        CancelBind(bind_id="default-2", attempt=2),
        Unbind(bind_id="default-1", local_only=False),
    )


def test_an_unbind_cancels_the_pending_retry() -> None:
    story = story_in(State.FAILED, held=True)
    step = story.tell(unbind())
    assert (story.now.state, story.now.retry) == (State.FAILED, None)
    assert step.effects == (CancelRetry(), Unbind(bind_id="default-1", local_only=False))
    assert isinstance(story.tell(RetryDue(attempt=3)), Ignored)


@pytest.mark.parametrize("state", [state for state in State if state is not State.UNCONFIGURED])
def test_a_finished_unbind_leads_to_configured_and_wipes_the_keys(state: State) -> None:
    story = story_in(state, held=True)
    step = story.tell(FINISHED)
    now = story.now
    assert (now.state, now.binding, now.unbinding) == (State.CONFIGURED, None, "")
    assert (now.open, now.retry, now.trouble, now.failures) == (None, None, None, 0)
    assert now.unbound_by_operator
    assert CancelVerification() in step.effects
    assert step.effects[-1] == WipeKeys(bind_id="default-1")


def test_a_finished_unbind_says_why_the_site_is_configured() -> None:
    story = story_in(State.BOUND)
    story.tell(unbind(), FINISHED)
    assert story.now.reason == "unbound by operator"


def test_a_finished_unbind_cancels_an_attempt_that_somebody_opened_meanwhile() -> None:
    story = story_in(State.BOUND)
    step = story.tell(unbind(), asked(), FINISHED)
    assert CancelBind(bind_id="default-2", attempt=2) in step.effects


def test_a_finished_unbind_leaves_an_unconfigured_site_unconfigured() -> None:
    story = story_in(State.UNCONFIGURED, held=True)
    step = story.tell(unbind(), FINISHED)
    assert (story.now.state, story.now.binding) == (State.UNCONFIGURED, None)
    assert story.now.unbound_by_operator
    assert step.effects == (CancelVerification(), WipeKeys(bind_id="default-1"))


@pytest.mark.parametrize("state", [state for state in State if state is not State.BINDING])
def test_a_failed_unbind_keeps_the_keys_and_says_why(state: State) -> None:
    story = story_in(state, held=True)
    if story.now.terms is not None:
        story.now = replace(story.now, terms=AUTOMATIC)
    step = story.tell(unbind(), unbind_failed(1))
    assert (story.now.state, story.now.binding, story.now.unbinding) == (state, binding(1), "")
    assert story.now.unbind_trouble is not None
    assert story.now.unbind_trouble.fault is Fault.UNREACHABLE
    planned = [effect for effect in step.effects if isinstance(effect, ScheduleVerification)]
    assert [check.bind_id for check in planned] == ["default-1"]
    # What the site was about to do when it was to be unbound goes on: a bind, or its next try.
    others = [type(effect) for effect in step.effects if effect not in planned]
    assert others == {State.CONFIGURED: [RequestBind], State.FAILED: [ScheduleRetry]}.get(state, [])


def test_a_failed_unbind_gives_the_retry_back_that_it_took() -> None:
    """The bind had failed by a trouble that heals: nobody would try again otherwise."""
    story = story_in(State.BOUND)
    story.now = replace(story.now, terms=AUTOMATIC)
    story.tell(asked(), failed(2, Fault.UNREACHABLE))
    given_up = story.tell(unbind()).after.retry
    step = story.tell(unbind_failed(1))
    assert given_up is None
    assert step.after.retry is not None
    assert any(isinstance(effect, ScheduleRetry) for effect in step.effects)


def test_an_unbind_is_not_turned_on_the_binding_that_replaced_its_own() -> None:
    """Else the next start would end a binding that somebody asked for after the unbind."""
    story = story_in(State.BOUND)
    story.tell(unbind(), asked(), succeeded(2))
    assert story.now.unbinding == ""
    assert isinstance(story.tell(FINISHED), Ignored)
    assert story.now.binding == binding(2)


def test_an_unbind_here_only_goes_on_when_the_one_before_it_fails() -> None:
    """The service's answer to the first comes after the second was asked for."""
    story = story_in(State.BOUND)
    story.tell(unbind(), unbind(local_only=True), unbind_failed(1))
    assert story.now.unbinding == "local"
    story.tell(FINISHED)
    assert (story.now.binding, story.now.unbind_trouble) == (None, None)


def test_what_stays_valid_at_the_service_is_in_the_reason() -> None:
    story = story_in(State.BOUND)
    story.tell(unbind(local_only=True), UnbindFinished(bind_id=bind_id(1), left_behind="the keys are still valid"))
    assert story.now.reason == "unbound by operator; the keys are still valid"


@pytest.mark.parametrize("local_only", [False, True])
def test_an_unbind_asks_about_pending_keys_again_at_once(local_only: bool) -> None:
    """Except where the service is not to be asked at all: those wait for their next turn."""
    story = story_in(State.BOUND)
    story.tell(asked(), succeeded(2))
    step = story.tell(unbind(local_only=local_only), after=10)
    again = RevokeKeys(bind_id="default-1", due_at=later(10))
    assert (again in step.effects) is not local_only


@pytest.mark.parametrize("state", [State.BOUND, State.FAILED, State.CONFIGURED])
def test_an_unbind_that_is_under_way_is_said_once(state: State) -> None:
    story = story_in(state, held=True)
    story.tell(unbind())
    assert [problem.code for problem in problems(story.now, at=later(1))].count("unbind-pending") == 1


# Keys that are no longer used.


def test_confirmed_revocations_leave_the_list_and_the_vault() -> None:
    story = story_in(State.BOUND)
    story.tell(asked(), succeeded(2), asked(), succeeded(3), after=10)
    assert story.now.revoke_pending == ("default-1", "default-2")
    step = story.tell(KeysRevoked(bind_id="default-1"), after=10)
    assert (story.now.revoke_pending, story.now.revoke_since) == (("default-2",), later(10))
    assert step.effects == (WipeKeys(bind_id="default-1"),)


def test_a_failed_revocation_is_tried_again() -> None:
    story = story_in(State.BOUND)
    story.tell(asked(), succeeded(2))
    again = RevocationFailed(bind_id="default-1", fault=Fault.UNREACHABLE, detail="no way there")
    step = story.tell(again, after=10)
    assert story.now.revoke_pending == ("default-1",)
    assert step.effects == (RevokeKeys(bind_id="default-1", due_at=later(310), in_slot=True),)


def test_a_site_whose_file_is_gone_still_looks_after_its_keys() -> None:
    story = story_in(State.BOUND, terms=TERMS)
    story.tell(ConfigWithdrawn(reason="the file is gone"))
    assert story.tell(VERIFIED, after=5).effects == (check_at(905),)
    story.tell(accepted(replace(TERMS, fingerprint="inputs-2"), Impact.REBIND))
    assert story.now.state is State.CONFIGURED
