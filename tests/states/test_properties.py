"""What holds whatever happens, in whatever order.

Each property sees 80 histories of 20 to 60 events, the same ones on every run (`tests/conftest.py`).
"""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from states import (
    Ignored,
    Moved,
    Refused,
    Snapshot,
    State,
    Step,
    detail_of,
    is_ready,
    problems,
    recall,
    remember,
)
from states.effects import CancelBind, CancelRetry, RequestBind, ScheduleRetry, StartBind, WipeKeys
from states.events import (
    BindFailed,
    BindingLost,
    BindSucceeded,
    KeysRevoked,
    OrphanFound,
    RetryDue,
    UnbindFinished,
)
from tests.states.histories import HISTORIES, LONGEST, History, steps_of

bounded = settings(max_examples=80)


def effects_of(step: Step, kind: type) -> list[object]:
    return [effect for effect in step.effects if isinstance(effect, kind)]


def test_the_histories_reach_every_state_and_every_event() -> None:
    """Else the properties below would prove little."""
    seen: set[tuple[State, str]] = set()

    @bounded
    @given(HISTORIES)
    def look(history: History) -> None:
        seen.update((s.before.state, s.event.trigger) for s in steps_of(history) if isinstance(s, Moved))

    look()
    assert {state for state, _ in seen} == set(State)
    assert len({trigger for _, trigger in seen}) == 20
    assert len(seen) >= 70


@bounded
@given(HISTORIES)
def test_at_most_one_bind_is_ever_open(history: History) -> None:
    """Starts, ends and cancellations, counted as the performer sees them, never overlap."""
    running = {history.start.open.bind_id} if history.start.open else set()
    for step in steps_of(history):
        running -= {effect.bind_id for effect in step.effects if isinstance(effect, CancelBind)}
        if isinstance(step, Moved) and isinstance(step.event, BindSucceeded | BindFailed):
            running.clear()
        running |= {effect.bind_id for effect in step.effects if isinstance(effect, StartBind)}
        opened = step.after.open
        assert (step.after.state is State.BINDING) is (opened is not None)
        assert running == ({opened.bind_id} if opened else set())


@bounded
@given(HISTORIES)
def test_no_retry_follows_a_fault_that_does_not_heal(history: History) -> None:
    for step in steps_of(history):
        if isinstance(step.event, BindFailed) and not step.event.fault.heals_by_itself:
            assert not effects_of(step, ScheduleRetry)
            assert step.after.retry is None or isinstance(step, Ignored)
        if step.after.retry is not None:
            assert step.after.state is State.FAILED
            assert step.after.trouble is not None
            assert step.after.trouble.fault.heals_by_itself


@bounded
@given(HISTORIES)
def test_the_timer_of_the_retry_is_always_the_one_on_the_snapshot(history: History) -> None:
    """What the performer has armed and what the snapshot tells are never two things."""
    armed = history.start.retry.attempt if history.start.retry else None
    for step in steps_of(history):
        for effect in step.effects:
            if isinstance(effect, CancelRetry):
                armed = None
            elif isinstance(effect, ScheduleRetry):
                armed = effect.attempt
        assert armed == (step.after.retry.attempt if step.after.retry else None)


@bounded
@given(HISTORIES)
def test_a_late_answer_changes_nothing_but_the_keys_to_revoke(history: History) -> None:
    for step in steps_of(history):
        if isinstance(step, Refused):
            assert step.after is step.before
        if isinstance(step, Ignored):
            assert without_pending(step.after) == without_pending(step.before)
            if not isinstance(step.event, BindSucceeded):
                assert step.after is step.before
                assert step.effects == ()


def without_pending(snapshot: Snapshot) -> dict[str, object]:
    return {**remember(snapshot), "revoke_pending": None, "revoke_since": None}


@bounded
@given(HISTORIES)
def test_attempt_numbers_never_go_back_and_every_bind_id_is_new(history: History) -> None:
    started: list[str] = []
    for step in steps_of(history):
        assert step.after.attempt >= step.before.attempt
        started += [effect.bind_id for effect in step.effects if isinstance(effect, StartBind)]
    assert len(started) == len(set(started))


@bounded
@given(HISTORIES)
def test_no_keys_are_ever_orphaned(history: History) -> None:
    """Whatever was obtained is held, or waits to be revoked, or was confirmed to be gone."""
    alive = {history.start.binding.bind_id} if history.start.binding else set()
    for step in steps_of(history):
        if isinstance(step.event, BindSucceeded):
            alive.add(step.event.binding.bind_id)
        if isinstance(step, Moved) and isinstance(step.event, OrphanFound):
            alive.add(step.event.bind_id)
        alive -= {effect.bind_id for effect in step.effects if isinstance(effect, WipeKeys)}
        held = {step.after.binding.bind_id} if step.after.binding else set()
        assert alive == held | set(step.after.revoke_pending)
        assert (step.after.revoke_since is not None) is bool(step.after.revoke_pending)


@bounded
@given(HISTORIES)
def test_keys_are_wiped_only_after_they_are_known_to_be_gone(history: History) -> None:
    for step in steps_of(history):
        wiped = [effect.bind_id for effect in step.effects if isinstance(effect, WipeKeys)]
        if isinstance(step, Moved) and isinstance(step.event, KeysRevoked | UnbindFinished):
            assert wiped == [step.event.bind_id]
        else:
            assert wiped == []


@bounded
@given(HISTORIES)
def test_a_held_binding_is_dropped_only_when_it_is_lost_unbound_or_replaced(history: History) -> None:
    for step in steps_of(history):
        before, after = step.before.binding, step.after.binding
        if before is None or (after is not None and after.bind_id == before.bind_id):
            continue
        assert isinstance(step, Moved)
        if after is None:
            assert isinstance(step.event, BindingLost | UnbindFinished)
        else:
            assert isinstance(step.event, BindSucceeded)
            assert before.bind_id in step.after.revoke_pending


@bounded
@given(HISTORIES)
def test_held_keys_never_wait_to_be_revoked(history: History) -> None:
    """The performer would end the keys that are in use."""
    for step in steps_of(history):
        held = step.after.binding
        assert held is None or held.bind_id not in step.after.revoke_pending


@bounded
@given(HISTORIES)
def test_nothing_binds_by_itself_where_it_may_not(history: History) -> None:
    """A request of the daemon's own is made, and followed, only while automatic binding applies."""
    for step in steps_of(history):
        if effects_of(step, RequestBind):
            assert step.after.automatic_binding_applies
        own = step.event.actor == "daemon" and not isinstance(step.event, RetryDue)
        if own and effects_of(step, StartBind):
            assert step.before.automatic_binding_applies


@bounded
@given(HISTORIES)
def test_no_retry_waits_with_a_sign_in_that_was_just_refused(history: History) -> None:
    """Only one with a one-time sign-in may go on."""
    for step in steps_of(history):
        if step.after.refused_credentials not in (None, step.before.refused_credentials):
            assert step.after.retry is None or step.after.retry.one_time


@bounded
@given(HISTORIES)
def test_a_snapshot_comes_back_from_memory_as_it_was(history: History) -> None:
    for step in steps_of(history):
        text = json.dumps(remember(step.after), allow_nan=False)
        assert recall(json.loads(text)) == step.after


@bounded
@given(HISTORIES, st.integers(0, LONGEST))
def test_a_restored_snapshot_behaves_as_the_one_that_was_stored(history: History, cut: int) -> None:
    stored = history.start
    for step in steps_of(replace(history, happenings=history.happenings[:cut])):
        stored = step.after
    restored = recall(json.loads(json.dumps(remember(stored))))
    rest = replace(history, happenings=history.happenings[cut:])
    assert list(steps_of(rest, now=restored)) == list(steps_of(rest, now=stored))


@bounded
@given(HISTORIES)
def test_every_site_has_an_answer_to_how_it_is(history: History) -> None:
    """Whatever the history: no error, a code and a remedy for each problem, and a bound, trusted site is ready."""
    for step in steps_of(history):
        at = step.after.since
        found = problems(step.after, at=at)
        assert all(problem.code and problem.text and problem.remedy for problem in found)
        if step.after.state is State.FAILED:
            assert step.after.trouble is not None
            assert step.after.trouble.fault.code in {problem.code for problem in found}
        if is_ready(step.after, at=at):
            assert step.after.binding is not None
            assert step.after.state is not State.UNCONFIGURED


@bounded
@given(HISTORIES)
def test_no_audit_detail_holds_a_float(history: History) -> None:
    """The audit hashes canonical JSON, and floats have none."""
    for step in steps_of(history):
        text = json.dumps(detail_of(step.event), sort_keys=True, separators=(",", ":"))
        json.loads(text, parse_float=no_float)


def no_float(text: str) -> float:
    message = f"a float in an audit record: {text}"
    raise AssertionError(message)


@bounded
@given(HISTORIES)
def test_an_unbound_site_stays_unbound_until_somebody_asks(history: History) -> None:
    for step in steps_of(history):
        if step.before.unbound_by_operator and not step.after.unbound_by_operator:
            assert step.event.trigger == "bind_requested"
            assert step.event.actor != "daemon"
