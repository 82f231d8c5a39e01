"""The rows of the table about the held binding: verified, refreshed, refused, lost, unbound."""

from __future__ import annotations

from dataclasses import replace

import pytest

from states import Fault, Ignored, State
from states.effects import (
    CancelVerification,
    DeclareLost,
    RefreshKeys,
    RequestBind,
    RevokeKeys,
    ScheduleVerification,
    StartBind,
)
from states.events import (
    BindingRefreshed,
    BindingVerified,
)
from tests.states.examples import (
    MANUAL,
    TERMS,
    Story,
    accepted,
    asked,
    bind_id,
    binding,
    failed,
    later,
    lost,
    missed,
    own_request,
    refused,
    story_in,
    succeeded,
    unbind,
)

NOT_BOUND = [state for state in State if state is not State.BOUND]
VERIFIED = BindingVerified(bind_id=bind_id(1))
DAY = 86_400


def check_at(seconds: float, attempt: int = 1) -> ScheduleVerification:
    return ScheduleVerification(bind_id=bind_id(attempt), due_at=later(seconds))


def bound_until(seconds: float, terms: object = TERMS) -> Story:
    return Story(accepted(terms), asked(), succeeded(1, expires_at=later(seconds)))  # type: ignore[arg-type]


# Verified and refreshed.


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("kind", [BindingVerified, BindingRefreshed])
def test_accepted_keys_get_new_times_in_every_state(
    state: State, kind: type[BindingVerified | BindingRefreshed]
) -> None:
    story = story_in(state, held=True)
    story.tell(refused(1), missed(1))
    step = story.tell(kind(bind_id=bind_id(1), expires_at=later(DAY)), after=60)
    assert story.now.state is state
    assert story.now.binding == replace(binding(1), verified_at=later(60), expires_at=later(DAY))
    assert (story.now.refusals, story.now.missed) == (None, None)
    assert step.effects == (check_at(960),)


def test_an_answer_that_names_no_expiry_keeps_the_known_one() -> None:
    story = bound_until(DAY)
    story.tell(VERIFIED, after=60)
    assert story.now.binding is not None
    assert story.now.binding.expires_at == later(DAY)


def test_keys_are_refreshed_ahead_of_their_expiry() -> None:
    """Two checks ahead, so that one that goes wrong leaves time for another."""
    story = bound_until(3000)
    assert story.tell(VERIFIED, after=1199).effects == (check_at(1199 + 900),)
    assert story.tell(VERIFIED, after=1).effects == (check_at(2100), RefreshKeys(bind_id="default-1"))


def test_keys_are_not_refreshed_without_a_usable_sign_in() -> None:
    story = bound_until(1000, replace(TERMS, credentials=None))
    assert story.tell(VERIFIED, after=60).effects == (check_at(960),)


def test_a_refresh_that_was_refused_waits_for_the_next_check() -> None:
    """It is a sign-in; the keys themselves are still good."""
    story = bound_until(1000)
    assert RefreshKeys(bind_id="default-1") in story.tell(VERIFIED, after=10).effects
    story.tell(refused(1, Fault.PERMISSION_MISSING))
    assert story.tell(VERIFIED, after=30).effects == (check_at(940),)
    assert RefreshKeys(bind_id="default-1") in story.tell(VERIFIED, after=900).effects


def test_expired_keys_are_refreshed_when_the_service_says_so() -> None:
    step = bound_until(1000).tell(refused(1, Fault.BINDING_EXPIRED), after=1000)
    assert step.effects == (RefreshKeys(bind_id="default-1"), check_at(1030))


def test_expired_keys_without_a_sign_in_are_only_checked_again() -> None:
    """A refresh still needs the password."""
    step = bound_until(1000, replace(TERMS, credentials=None)).tell(refused(1, Fault.BINDING_EXPIRED), after=1000)
    assert step.effects == (check_at(1030),)


def test_a_sign_in_that_the_refresh_found_refused_is_not_tried_again() -> None:
    story = bound_until(1000)
    story.tell(refused(1, Fault.CREDENTIALS_REFUSED, credentials="sign-in-1"), after=990)
    assert not story.now.has_usable_credentials
    step = story.tell(refused(1, Fault.BINDING_EXPIRED), after=30)
    assert step.effects == (check_at(1050),)


# Missed.


@pytest.mark.parametrize("state", State)
def test_keys_that_could_not_be_asked_about_are_still_held(state: State) -> None:
    story = story_in(state, held=True)
    step = story.tell(missed(1), after=10)
    assert (story.now.state, story.now.binding) == (state, binding(1))
    assert step.effects == (check_at(310),)
    story.tell(missed(1), after=300)
    assert story.now.missed is not None
    assert story.now.missed.since == later(10)


@pytest.mark.parametrize(
    "verify_every, retry_after, wait",
    [
        pytest.param(900, None, 300, id="the ceiling of retries"),
        pytest.param(60, None, 60, id="a check that is due sooner anyway"),
        pytest.param(60, 120, 120, id="what the service asked for"),
        pytest.param(900, 120, 300, id="the service asked for less"),
    ],
)
def test_a_missed_check_is_made_up_for_soon(verify_every: int, retry_after: int | None, wait: int) -> None:
    story = Story(accepted(replace(MANUAL, verify_every=verify_every)), asked(), succeeded(1))
    assert story.tell(missed(1, retry_after=retry_after)).effects == (check_at(wait),)


# Refused, and lost.


@pytest.mark.parametrize("state", State)
def test_a_refusal_is_counted_and_asked_about_again_in_every_state(state: State) -> None:
    story = story_in(state, held=True)
    step = story.tell(refused(1), after=10)
    now = story.now
    assert (now.state, now.binding) == (state, binding(1))
    assert now.refusals is not None
    assert (now.refusals.count, now.refusals.since) == (1, later(10))
    assert step.effects == (check_at(40),)


def test_enough_refusals_spread_over_time_mean_that_the_binding_is_lost() -> None:
    story = story_in(State.BOUND)
    assert story.tell(refused(1), after=10).effects == (check_at(40),)
    assert story.tell(refused(1), after=30).effects == (check_at(70),)
    declared = DeclareLost(bind_id="default-1", fault=Fault.KEYS_REFUSED, detail="no longer accepted")
    assert story.tell(refused(1), after=30).effects == (declared,)
    assert story.now.state is State.BOUND


def test_many_refusals_in_one_moment_are_not_believed() -> None:
    story = story_in(State.BOUND)
    for _ in range(5):
        assert story.tell(refused(1), after=5).effects == (check_at((story.clock - later(0)).seconds + 30),)


def test_one_acceptance_starts_the_count_again() -> None:
    story = story_in(State.BOUND)
    story.tell(refused(1))
    story.tell(refused(1), after=30)
    story.tell(VERIFIED, after=30)
    assert story.tell(refused(1), after=30).effects == (check_at(120),)


def test_a_configuration_may_believe_the_first_refusal() -> None:
    story = Story(accepted(replace(MANUAL, lost_after=1)), asked(), succeeded(1))
    assert isinstance(story.tell(refused(1)).effects[0], DeclareLost)


def test_without_a_configuration_the_default_count_applies() -> None:
    story = story_in(State.UNCONFIGURED, held=True)
    effects = [story.tell(refused(1), after=30).effects[0] for _ in range(3)]
    assert [type(effect) for effect in effects] == [ScheduleVerification, ScheduleVerification, DeclareLost]


def test_refused_keys_during_an_unbind_are_no_loss() -> None:
    """The service may take long to confirm what it has done already."""
    story = story_in(State.BOUND, terms=TERMS)
    story.tell(unbind())
    for _ in range(4):
        assert isinstance(story.tell(refused(1), after=30).effects[0], ScheduleVerification)


def test_a_lost_binding_is_dropped_and_one_automatic_sign_in_follows() -> None:
    story = story_in(State.BOUND, terms=TERMS)
    step = story.tell(lost(1), after=10)
    now = story.now
    assert (now.state, now.binding, now.revoke_pending) == (State.FAILED, None, ("default-1",))
    assert now.reason == "keys-refused: no longer accepted"
    assert now.trouble is not None
    assert now.trouble.fault is Fault.KEYS_REFUSED
    assert step.effects == (
        CancelVerification(),
        RequestBind(reason="binding lost: keys-refused"),
        RevokeKeys(bind_id="default-1", due_at=later(10)),
    )
    assert story.tell(own_request()).effects == (StartBind(bind_id="default-2", attempt=2, one_time=False),)


def test_the_one_automatic_sign_in_is_one() -> None:
    """When it fails it is like any other failed attempt."""
    story = story_in(State.BOUND, terms=TERMS)
    story.tell(lost(1), own_request(), failed(2, Fault.ACCOUNT_LOCKED, credentials="sign-in-1"))
    assert story.step.effects == ()
    assert isinstance(story.tell(own_request()), Ignored)
    assert story.now.state is State.FAILED


@pytest.mark.parametrize("terms", [MANUAL, replace(TERMS, credentials=None)], ids=["automatic off", "no sign-in"])
def test_a_lost_binding_waits_for_a_human_when_nothing_may_sign_in(terms: object) -> None:
    story = story_in(State.BOUND, terms=terms)  # type: ignore[arg-type]
    step = story.tell(lost(1))
    assert story.now.state is State.FAILED
    assert step.effects == (CancelVerification(), RevokeKeys(bind_id="default-1", due_at=later(0)))


@pytest.mark.parametrize("state", NOT_BOUND)
def test_a_binding_that_is_lost_elsewhere_is_dropped_and_nothing_else(state: State) -> None:
    """What keeps the site from signing in is still the trouble to tell."""
    story = story_in(state, held=True, terms=TERMS)
    before = story.now
    step = story.tell(lost(1))
    pending = {"revoke_pending": ("default-1",), "revoke_since": later(0)}
    assert story.now == replace(before, binding=None, **pending)  # type: ignore[arg-type]
    assert step.effects == (CancelVerification(), RevokeKeys(bind_id="default-1", due_at=later(0)))


def test_a_binding_that_is_lost_during_an_unbind_is_not_replaced() -> None:
    """Already gone at the service counts as finished: the operator has what was asked for."""
    story = story_in(State.BOUND, terms=TERMS)
    step = story.tell(unbind(), lost(1))
    assert (story.now.unbinding, story.now.unbound_by_operator) == ("", True)
    assert RequestBind(reason="binding lost: keys-refused") not in step.effects
