"""What a start makes of the snapshot that it finds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from states import Impact, Retry, State, recall, remember
from states.effects import (
    CancelBind,
    RequestBind,
    RevokeKeys,
    ScheduleRetry,
    ScheduleVerification,
    StartBind,
    Unbind,
)
from states.events import ConfigWithdrawn, Restarted, RetryDue
from tests.states.examples import (
    MANUAL,
    OPERATOR,
    TERMS,
    Story,
    accepted,
    asked,
    binding,
    later,
    lost,
    own_request,
    story_in,
    succeeded,
    unbind,
)

SOON = ScheduleVerification(bind_id="default-1", due_at=later(11))
RECOVERY = RequestBind(reason="recovery: a restart interrupted the bind")


def restarted(story: Story) -> Story:
    """The site as the next process finds it, ten seconds later, before it has read the configuration."""
    found = Story(now=recall(remember(story.now)))
    found.tell(Restarted(), after=10)
    return found


def test_an_open_bind_becomes_configured_and_is_recovered() -> None:
    story = restarted(story_in(State.BINDING, held=True, terms=TERMS))
    now = story.now
    assert (now.state, now.open, now.interrupted) == (State.CONFIGURED, None, True)
    assert (now.reason, now.since) == ("a restart interrupted the bind", later(10))
    assert story.step.effects == (CancelBind(bind_id="default-2", attempt=2), SOON)
    assert story.tell(accepted(at_start=True)).effects == (RECOVERY,)
    step = story.tell(own_request())
    assert step.effects == (StartBind(bind_id="default-3", attempt=3, one_time=False),)
    assert not story.now.interrupted


def test_an_open_bind_waits_for_a_human_when_nothing_binds_by_itself() -> None:
    story = restarted(story_in(State.BINDING, terms=MANUAL))
    assert story.tell(accepted(MANUAL, at_start=True)).effects == ()
    assert (story.now.state, story.now.interrupted) == (State.CONFIGURED, True)


def test_an_open_bind_whose_file_is_bad_at_the_start_is_recovered_after_the_mend() -> None:
    story = restarted(story_in(State.BINDING, terms=TERMS))
    story.tell(ConfigWithdrawn(reason="the file is bad", findings=("config.ini:3: what",)))
    assert story.tell(accepted()).effects == (RECOVERY,)


def test_bind_inputs_that_changed_while_stopped_are_the_reason_that_is_told() -> None:
    story = restarted(story_in(State.BINDING, terms=TERMS))
    changed = replace(accepted(TERMS, Impact.REBIND, at_start=True), reason="changed while stopped")
    assert story.tell(changed).effects == (RequestBind(reason="changed while stopped"),)


def test_a_bound_site_stays_bound_without_a_new_sign_in() -> None:
    story = restarted(story_in(State.BOUND, terms=TERMS))
    assert story.step.effects == (SOON,)
    step = story.tell(accepted(at_start=True))
    assert (story.now.state, story.now.binding) == (State.BOUND, binding(1))
    assert step.effects == ()


def test_a_bound_site_whose_inputs_changed_while_stopped_binds_anew() -> None:
    story = restarted(story_in(State.BOUND, terms=TERMS))
    changed = replace(TERMS, fingerprint="inputs-2")
    event = replace(accepted(changed, Impact.REBIND, at_start=True), reason="changed while stopped")
    assert story.tell(event).effects == (RequestBind(reason="changed while stopped"),)
    assert (story.now.state, story.now.reason) == (State.CONFIGURED, "changed while stopped")
    assert story.now.binding == binding(1)


def test_a_failed_site_arms_its_retry_again_with_its_attempt_and_time() -> None:
    before = story_in(State.FAILED, terms=TERMS)
    story = restarted(before)
    assert story.now == before.now
    assert story.now.retry == Retry(attempt=2, due_at=later(1))
    assert story.step.effects == (ScheduleRetry(attempt=2, due_at=later(1)),)
    assert story.tell(accepted(at_start=True)).effects == ()
    assert story.tell(RetryDue(attempt=2)).after.state is State.BINDING


def test_a_failed_site_without_a_retry_waits_on() -> None:
    story = story_in(State.FAILED, held=True, terms=TERMS)
    story.tell(unbind())
    found = restarted(Story(now=replace(story.now, unbinding="")))
    assert found.step.effects == (SOON,)
    assert found.tell(accepted(at_start=True)).effects == ()
    assert found.now.state is State.FAILED


def test_the_one_sign_in_after_a_lost_binding_survives_a_restart() -> None:
    """It may have waited for its slot when the process ended."""
    story = story_in(State.BOUND, terms=TERMS)
    story.tell(lost(1))
    found = restarted(story)
    step = found.tell(accepted(at_start=True))
    assert step.effects == (RequestBind(reason="binding lost: keys-refused: no longer accepted"),)
    assert found.tell(own_request()).after.state is State.BINDING


def test_a_configured_site_binds_when_its_request_was_lost() -> None:
    """It waited for its slot when the process ended."""
    story = restarted(story_in(State.CONFIGURED, terms=TERMS))
    assert story.tell(accepted(at_start=True)).effects == (RequestBind(reason="the file changed"),)


@pytest.mark.parametrize("state", State)
def test_a_held_binding_is_verified_in_every_state(state: State) -> None:
    assert SOON in restarted(story_in(state, held=True)).step.effects


def test_a_bad_file_leaves_the_binding_held_and_the_findings_told() -> None:
    story = restarted(story_in(State.BOUND, terms=TERMS))
    step = story.tell(ConfigWithdrawn(reason="the file is bad", findings=("config.ini:3: what",)))
    now = story.now
    assert (now.state, now.findings) == (State.UNCONFIGURED, ("config.ini:3: what",))
    assert now.binding == binding(1)
    assert step.effects == ()


def test_a_file_that_is_bad_at_the_first_start_says_so() -> None:
    """The site was unconfigured before and stays so; its reason is the newer one."""
    story = Story(ConfigWithdrawn(reason="config.ini does not exist"))
    assert (story.now.state, story.now.reason) == (State.UNCONFIGURED, "config.ini does not exist")
    assert (story.now.since, story.now.findings_since) == (later(0), None)


def test_an_interrupted_bind_is_forgotten_when_the_site_is_found_bound() -> None:
    story = restarted(story_in(State.BINDING, held=True, terms=TERMS))
    story.tell(ConfigWithdrawn(reason="the file is bad"), accepted())
    assert (story.now.state, story.now.interrupted) == (State.BOUND, False)


@pytest.mark.parametrize("local_only", [False, True])
def test_an_unbind_that_was_under_way_is_carried_on(local_only: bool) -> None:
    story = story_in(State.BOUND)
    story.tell(unbind(local_only=local_only))
    assert restarted(story).step.effects == (Unbind(bind_id="default-1", local_only=local_only),)


def test_keys_that_wait_to_be_revoked_are_tried_again() -> None:
    """In the site's slot: every site may have some when the daemon starts."""
    story = story_in(State.BOUND)
    story.tell(asked(), succeeded(2), succeeded(9))
    found = restarted(story)
    assert found.step.effects[1:] == (
        RevokeKeys(bind_id="default-1", due_at=later(10), in_slot=True),
        RevokeKeys(bind_id="default-9", due_at=later(10), in_slot=True),
    )


def test_attempt_numbers_and_bind_ids_are_unique_across_restarts() -> None:
    story = restarted(story_in(State.BINDING, held=True))
    story.tell(asked())
    assert story.now.open is not None
    assert (story.now.attempt, story.now.open.bind_id, story.now.open.actor) == (3, "default-3", OPERATOR)


def test_a_site_that_was_never_configured_starts_as_it_was() -> None:
    story = restarted(Story())
    assert (story.now, story.step.effects) == (Story().now, ())
