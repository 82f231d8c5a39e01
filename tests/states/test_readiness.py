"""When held keys will expire, and whether a site is ready."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from states import Event, Fault, Problem, State, Terms, is_ready, problems
from states.events import Restarted
from tests.states.examples import (
    TERMS,
    Story,
    accepted,
    asked,
    later,
    missed,
    refused,
    story_in,
    succeeded,
)

DAY = 86_400
LONG_AFTER = later(121)
NO_SIGN_IN = replace(TERMS, credentials=None)


def bound(terms: Terms = TERMS, *, expires_at: datetime | None = None) -> Story:
    return Story(accepted(terms), asked(), succeeded(1, expires_at=expires_at))


def found(story: Story, *, at: datetime = LONG_AFTER) -> dict[str, Problem]:
    return {problem.code: problem for problem in problems(story.now, at=at)}


def told(story: Story, *events: Event) -> Story:
    story.tell(*events)
    return story


@pytest.mark.parametrize("days, severity", [(1, "error"), (5, "warning"), (14, "warning")])
def test_an_expiry_that_nothing_can_prevent_is_told_two_weeks_ahead(days: int, severity: str) -> None:
    """In the last three days it is an error."""
    story = bound(NO_SIGN_IN, expires_at=later(days * DAY))
    assert found(story)["binding-expires"].severity == severity


def test_an_expiry_in_the_far_future_is_no_problem_yet() -> None:
    assert found(bound(NO_SIGN_IN, expires_at=later(15 * DAY))) == {}


def test_an_expiry_that_a_refresh_prevents_is_no_problem() -> None:
    """Half a day is a usual lifetime: the warning would never go away."""
    assert found(bound(TERMS, expires_at=later(DAY / 2))) == {}


def test_an_expiry_is_told_when_the_configured_sign_in_was_refused() -> None:
    story = bound(TERMS, expires_at=later(DAY / 2))
    story.tell(refused(1, Fault.CREDENTIALS_REFUSED, credentials=TERMS.credentials))
    assert found(story)["binding-expires"].severity == "error"


@pytest.mark.parametrize(
    "terms, remedy", [(TERMS, "It is refreshed with the configured sign-in"), (NO_SIGN_IN, "Configure the password")]
)
def test_an_expired_binding_is_an_error(terms: Terms, remedy: str) -> None:
    problem = found(bound(terms, expires_at=later(60)), at=later(60))["binding-expires"]
    assert problem.severity == "error"
    assert problem.text == "The binding expired at 2025-03-01 12:01 UTC."
    assert problem.remedy.startswith(remedy)


# Ready.


@pytest.mark.parametrize("state", State)
def test_a_site_is_ready_when_it_is_configured_and_holds_a_binding(state: State) -> None:
    """Also while it failed to replace it: that is a warning, not an outage."""
    assert is_ready(story_in(state, held=True).now, at=LONG_AFTER) is (state is not State.UNCONFIGURED)


@pytest.mark.parametrize("state", [state for state in State if state is not State.BOUND])
def test_a_site_without_a_binding_is_not_ready(state: State) -> None:
    assert not is_ready(story_in(state).now, at=LONG_AFTER)


def test_a_site_whose_keys_were_refused_is_not_ready_until_they_are_accepted() -> None:
    assert not is_ready(told(bound(), refused(1)).now, at=LONG_AFTER)


def test_a_site_whose_keys_could_not_be_asked_about_is_ready() -> None:
    assert is_ready(told(bound(), missed(1)).now, at=LONG_AFTER)


def test_a_binding_that_is_restored_at_a_start_counts_until_it_is_refused() -> None:
    assert is_ready(told(bound(), Restarted()).now, at=LONG_AFTER)


def test_a_site_is_ready_up_to_the_moment_at_which_its_keys_expire() -> None:
    now = bound(expires_at=later(60)).now
    assert is_ready(now, at=later(59))
    assert not is_ready(now, at=later(60))
