"""No pair of state and event is left undefined, and an answer that applies nothing changes nothing."""

from __future__ import annotations

import pytest

from states import EVENTS, TABLE, Event, Fault, Ignored, Moved, Refusal, Refused, State
from states.effects import RevokeOrphan
from states.events import (
    BindFailed,
    BindingRefreshed,
    BindingVerified,
    KeysRevoked,
    OrphanFound,
    RetryDue,
    RevocationFailed,
    UnbindFinished,
)
from tests.states.examples import (
    LIFECYCLE,
    asked,
    failed,
    later,
    lost,
    missed,
    one_of_each_event,
    refused,
    story_in,
    succeeded,
    unbind,
    unbind_failed,
)


def test_the_examples_hold_one_of_each_event() -> None:
    """A new event must join the examples, or the tests below would not see it."""
    assert tuple(type(event) for event in one_of_each_event()) == EVENTS


def test_every_event_has_rows_and_every_row_has_an_event() -> None:
    assert {row.trigger for row in TABLE} == {event.trigger for event in EVENTS}


@pytest.mark.parametrize("held", [False, True], ids=["nothing held", "held"])
@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", one_of_each_event(), ids=lambda event: event.trigger)
def test_every_event_is_answered_in_every_state(state: State, event: Event, held: bool) -> None:
    """The answer is of one of three kinds, holds what it answers, and two equal questions get equal answers."""
    now = story_in(state, held=held).now
    step = LIFECYCLE.apply(now, event, at=later(5), chance=0.5)
    assert isinstance(step, Moved | Ignored | Refused)
    assert (step.before, step.event) == (now, event)
    assert step == LIFECYCLE.apply(now, event, at=later(5), chance=0.5)


@pytest.mark.parametrize("held", [False, True], ids=["nothing held", "held"])
@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", one_of_each_event(), ids=lambda event: event.trigger)
def test_an_event_that_moves_takes_a_row_of_the_table(state: State, event: Event, held: bool) -> None:
    step = LIFECYCLE.apply(story_in(state, held=held).now, event, at=later(5), chance=0.5)
    if isinstance(step, Moved):
        rows = {(row.trigger, row.source, row.target) for row in TABLE}
        assert (event.trigger, step.before.state, step.after.state) in rows
    else:
        assert step.after.state is state


def refusals() -> list[tuple[State, Event, Refusal, str]]:
    nothing = [(state, unbind(), Refusal.NOTHING_TO_UNBIND, "holds no binding") for state in State]
    return [
        *(row for row in nothing if row[0] is not State.BOUND),
        (State.UNCONFIGURED, asked(), Refusal.NOT_CONFIGURED, "no usable configuration"),
        (State.UNCONFIGURED, asked(one_time=True), Refusal.NOT_CONFIGURED, "no usable configuration"),
        (State.BINDING, asked(one_time=True), Refusal.BIND_IN_PROGRESS, "default-1 is open"),
    ]


@pytest.mark.parametrize("state, event, refusal, said", refusals())
def test_a_refused_event_leaves_everything_unchanged(state: State, event: Event, refusal: Refusal, said: str) -> None:
    """The very same snapshot, no orders, and a reason that a person understands."""
    now = story_in(state).now
    step = LIFECYCLE.apply(now, event, at=later(5), chance=0.5)
    assert isinstance(step, Refused)
    assert step.after is now
    assert step.effects == ()
    assert step.refusal is refusal
    assert said in step.reason


LATE = (
    failed(7),
    BindFailed(attempt=0, fault=Fault.CREDENTIALS_REFUSED, detail="late", credentials="sign-in-1"),
    RetryDue(attempt=7),
    BindingVerified(bind_id="default-7"),
    BindingRefreshed(bind_id="default-7"),
    refused(7),
    missed(7),
    lost(7),
    UnbindFinished(bind_id="default-7"),
    unbind_failed(7),
    KeysRevoked(bind_id="default-7"),
    RevocationFailed(bind_id="default-7", fault=Fault.UNREACHABLE, detail="late"),
)


@pytest.mark.parametrize("held", [False, True], ids=["nothing held", "held"])
@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", LATE, ids=lambda event: event.trigger)
def test_a_late_or_stale_result_is_ignored_and_said_to_be(state: State, event: Event, held: bool) -> None:
    now = story_in(state, held=held).now
    step = LIFECYCLE.apply(now, event, at=later(5), chance=0.5)
    assert isinstance(step, Ignored)
    assert step.after is now
    assert step.effects == ()
    assert step.reason.startswith(event.trigger.replace("_", " "))


@pytest.mark.parametrize("held", [False, True], ids=["nothing held", "held"])
@pytest.mark.parametrize("state", State)
def test_the_keys_of_a_late_success_wait_to_be_revoked(state: State, held: bool) -> None:
    """The only thing that a late success leaves; the held binding and the open attempt are not touched."""
    story = story_in(state, held=held)
    before = story.now
    step = story.tell(succeeded(7), after=5)
    assert isinstance(step, Ignored)
    assert step.effects == (RevokeOrphan(bind_id="default-7", due_at=later(5)),)
    assert story.now.revoke_pending == (*before.revoke_pending, "default-7")
    assert (story.now.state, story.now.binding, story.now.open) == (before.state, before.binding, before.open)


def test_orphaned_keys_stay_pending_until_the_service_confirms() -> None:
    story = story_in(State.CONFIGURED)
    story.tell(succeeded(7), after=5)
    story.tell(RevocationFailed(bind_id="default-7", fault=Fault.UNREACHABLE, detail="no way there"), after=5)
    assert story.now.revoke_pending == ("default-7",)
    assert story.now.revoke_since == later(5)
    story.tell(KeysRevoked(bind_id="default-7"), after=300)
    assert story.now.revoke_pending == ()
    assert story.now.revoke_since is None


def test_a_success_that_is_told_twice_does_not_revoke_the_keys_in_use() -> None:
    story = story_in(State.BOUND)
    step = story.tell(succeeded(1))
    assert isinstance(step, Ignored)
    assert (step.after, step.effects) == (step.before, ())


def test_a_late_success_that_is_told_twice_is_revoked_once() -> None:
    story = story_in(State.CONFIGURED)
    story.tell(succeeded(7))
    assert story.tell(succeeded(7), after=5).effects == ()
    assert story.now.revoke_pending == ("default-7",)


def test_keys_that_no_record_speaks_of_are_revoked() -> None:
    story = story_in(State.BOUND)
    step = story.tell(OrphanFound(bind_id="default-9"))
    assert step.effects == (RevokeOrphan(bind_id="default-9", due_at=later(0)),)
    assert story.now.revoke_pending == ("default-9",)


def test_keys_found_at_a_start_are_revoked_in_the_slot_of_their_site() -> None:
    """A kill may leave some for every site."""
    step = story_in(State.BOUND).tell(OrphanFound(bind_id="default-9", at_start=True))
    assert step.effects == (RevokeOrphan(bind_id="default-9", due_at=later(0), in_slot=True),)


def test_keys_in_use_are_no_orphans() -> None:
    """Neither the held keys nor those that the open attempt is proving just now."""
    story = story_in(State.BINDING, held=True)
    for attempt in (1, 2):
        step = story.tell(OrphanFound(bind_id=f"default-{attempt}"))
        assert isinstance(step, Ignored)
        assert step.after.revoke_pending == ()
