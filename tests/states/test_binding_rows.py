"""The rows of the table about attempts: requests, results, retries."""

from __future__ import annotations

from dataclasses import replace

import pytest

from states import Fault, Ignored, Moved, OpenBind, Refusal, Refused, Retry, State, Trouble
from states.effects import (
    CancelRetry,
    RevokeKeys,
    RevokeOrphan,
    ScheduleRetry,
    ScheduleVerification,
    StartBind,
)
from states.events import BindFailed, BindSucceeded, ConfigWithdrawn, RetryDue
from tests.states.examples import (
    MANUAL,
    OPERATOR,
    Story,
    accepted,
    asked,
    binding,
    failed,
    later,
    missed,
    refused,
    story_in,
    succeeded,
    unbind,
    unbind_failed,
)

HEALS = [fault for fault in Fault if fault.heals_by_itself]
NEEDS_A_HUMAN = [fault for fault in Fault if not fault.heals_by_itself]


@pytest.mark.parametrize("one_time", [False, True])
def test_a_request_opens_the_next_attempt(one_time: bool) -> None:
    story = story_in(State.CONFIGURED)
    step = story.tell(asked(one_time=one_time), after=5)
    opened = OpenBind(
        bind_id="default-1",
        attempt=1,
        actor=OPERATOR,
        reason="asked by curl",
        one_time=one_time,
        started_at=later(5),
    )
    assert (story.now.state, story.now.attempt, story.now.open) == (State.BINDING, 1, opened)
    assert (story.now.since, story.now.reason) == (later(5), "asked by curl")
    assert step.effects == (StartBind(bind_id="default-1", attempt=1, one_time=one_time),)


def test_a_request_while_bound_keeps_the_held_binding() -> None:
    story = story_in(State.BOUND)
    step = story.tell(asked())
    assert (story.now.state, story.now.binding) == (State.BINDING, binding(1))
    assert step.effects == (StartBind(bind_id="default-2", attempt=2, one_time=False),)


def test_a_request_while_failed_cancels_the_pending_retry() -> None:
    story = story_in(State.FAILED)
    step = story.tell(asked())
    assert (story.now.state, story.now.retry) == (State.BINDING, None)
    assert step.effects == (CancelRetry(), StartBind(bind_id="default-2", attempt=2, one_time=False))


def test_a_request_joins_the_open_attempt() -> None:
    """The answer names the open attempt; nothing else happens."""
    story = story_in(State.BINDING)
    step = story.tell(asked(), after=5)
    assert isinstance(step, Moved)
    assert step.after == step.before
    assert step.after.open is not None
    assert step.after.open.bind_id == "default-1"
    assert step.effects == ()


def test_a_request_without_a_configuration_is_refused_with_the_findings() -> None:
    """The findings stand on the snapshot that the refusal carries."""
    story = Story(ConfigWithdrawn(reason="the file is bad", findings=("config.ini:3: what",)))
    step = story.tell(asked())
    assert isinstance(step, Refused)
    assert step.refusal is Refusal.NOT_CONFIGURED
    assert step.after.findings == ("config.ini:3: what",)


def test_a_success_holds_the_new_binding_and_starts_verification() -> None:
    story = story_in(State.BINDING)
    done = BindSucceeded(attempt=1, binding=binding(1, at=later(5)), warnings=("role may not read the account",))
    step = story.tell(done, after=5)
    now = story.now
    assert (now.state, now.binding, now.open) == (State.BOUND, done.binding, None)
    assert (now.reason, now.bind_warnings) == ("asked by curl", done.warnings)
    assert step.effects == (ScheduleVerification(bind_id="default-1", due_at=later(905)),)


def test_a_success_replaces_the_older_binding_and_has_it_revoked() -> None:
    story = story_in(State.BINDING, held=True)
    step = story.tell(succeeded(2), after=5)
    assert story.now.binding == binding(2)
    assert story.now.revoke_pending == ("default-1",)
    assert step.effects == (
        ScheduleVerification(bind_id="default-2", due_at=later(905)),
        RevokeKeys(bind_id="default-1", due_at=later(5)),
    )


def test_a_success_ends_all_earlier_trouble() -> None:
    story = story_in(State.BOUND)
    story.tell(refused(1), missed(1), unbind(), unbind_failed(1), asked(), failed(2), asked(), succeeded(3))
    now = story.now
    assert (now.failures, now.trouble, now.refusals, now.missed) == (0, None, None, None)
    assert (now.unbinding, now.unbind_trouble) == ("", None)


def test_the_first_check_of_short_lived_keys_comes_when_they_expire() -> None:
    story = story_in(State.BINDING)
    step = story.tell(succeeded(1, expires_at=later(120)))
    assert step.effects == (ScheduleVerification(bind_id="default-1", due_at=later(120)),)


@pytest.mark.parametrize("fault", HEALS)
def test_a_fault_that_heals_by_itself_is_retried(fault: Fault) -> None:
    story = story_in(State.BINDING, held=True)
    step = story.tell(failed(2, fault), after=5, chance=0.5)
    retry = Retry(attempt=3, due_at=later(6))
    now = story.now
    assert (now.state, now.binding, now.retry, now.open) == (State.FAILED, binding(1), retry, None)
    assert now.reason == f"{fault.code}: it did not work"
    assert step.effects == (ScheduleRetry(attempt=3, due_at=later(6)),)


@pytest.mark.parametrize("fault", NEEDS_A_HUMAN)
def test_a_fault_that_does_not_heal_waits_for_a_human(fault: Fault) -> None:
    """A retry loop locks accounts."""
    story = story_in(State.BINDING, held=True)
    step = story.tell(BindFailed(attempt=2, fault=fault, detail="no", retry_after=3), after=5)
    now = story.now
    assert (now.state, now.binding, now.retry) == (State.FAILED, binding(1), None)
    assert now.trouble == Trouble(fault=fault, detail="no", since=later(5))
    assert step.effects == ()


def test_failures_in_a_row_wait_longer_and_longer_up_to_the_ceiling() -> None:
    story = Story(accepted(replace(MANUAL, retry_first=2, retry_ceiling=10)), asked())
    waits = []
    for attempt in range(1, 7):
        story.tell(failed(attempt), chance=1.0)
        assert story.now.retry is not None
        waits.append((story.now.retry.due_at - story.clock).total_seconds())
        story.tell(RetryDue(attempt=attempt + 1), after=waits[-1])
    assert waits == [2, 4, 8, 10, 10, 10]


def test_a_success_ends_the_row_of_failures() -> None:
    story = story_in(State.FAILED)
    story.tell(asked(), succeeded(2), asked(), failed(3), chance=1.0)
    assert story.now.failures == 1


def test_the_service_may_ask_for_a_longer_wait_and_the_jitter_comes_on_top() -> None:
    """At the moment that it named, not all waiting sites come back at once."""
    story = story_in(State.BINDING)
    slow_down = BindFailed(attempt=1, fault=Fault.THROTTLED, detail="too many", retry_after=60)
    step = story.tell(slow_down, chance=0.5)
    assert step.effects == (ScheduleRetry(attempt=2, due_at=later(61)),)


def test_the_same_fault_again_keeps_its_since_and_another_one_does_not() -> None:
    story = Story(accepted(MANUAL), asked(), failed(1))
    story.tell(RetryDue(attempt=2), failed(2), after=60)
    assert story.now.trouble is not None
    assert story.now.trouble.since == later(0)
    story.tell(RetryDue(attempt=3), failed(3, Fault.TIMED_OUT), after=60)
    assert story.now.trouble.since == later(120)


def test_only_the_expected_retry_starts_an_attempt() -> None:
    story = story_in(State.FAILED)
    assert isinstance(story.tell(RetryDue(attempt=1)), Ignored)
    assert isinstance(story.tell(RetryDue(attempt=3)), Ignored)
    step = story.tell(RetryDue(attempt=2), after=5)
    now = story.now
    assert (now.state, now.attempt, now.retry, now.reason) == (State.BINDING, 2, None, "retry due")
    assert now.open is not None
    assert now.open.actor == "daemon"
    assert step.effects == (CancelRetry(), StartBind(bind_id="default-2", attempt=2, one_time=False))


def test_a_retry_after_a_one_time_sign_in_needs_it_again() -> None:
    story = Story(accepted(MANUAL), asked(one_time=True), failed(1))
    assert story.now.retry is not None
    assert story.now.retry.one_time
    step = story.tell(RetryDue(attempt=2))
    assert StartBind(bind_id="default-2", attempt=2, one_time=True) in step.effects


def test_a_plain_request_after_a_one_time_sign_in_uses_the_configured_one() -> None:
    story = Story(accepted(MANUAL), asked(one_time=True), failed(1), asked(), failed(2))
    assert story.now.retry is not None
    assert not story.now.retry.one_time


def test_a_late_success_does_not_put_off_the_check_of_the_held_keys() -> None:
    step = story_in(State.BOUND).tell(succeeded(7), after=500)
    assert step.effects == (RevokeOrphan(bind_id="default-7", due_at=later(500)),)
