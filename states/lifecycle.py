"""The automaton: one pure call answers every event in every state.

`transitions.Machine` interprets `states.table`; one machine serves every site, and the model that it moves
lives only for the length of a call. The rules of this file: no clock, no chance, no callback; an event that
is refused or ignored leaves the state, the held binding and the open attempt as they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from transitions import Machine

from states.consequences import consequences
from states.effects import Effect
from states.events import DAEMON, BindRequested, Event, UnbindRequested
from states.state import Snapshot, State
from states.succession import forget_late, succeed
from states.table import TABLE, Guard


class Refusal(Enum):
    """Why a request was turned down; the value is the `code` that the API answers."""

    NOT_CONFIGURED = "not-configured"
    BIND_IN_PROGRESS = "bind-in-progress"
    NOTHING_TO_UNBIND = "nothing-to-unbind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """The event was applied. `before.state` may equal `after.state`."""

    before: Snapshot
    after: Snapshot
    event: Event
    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """The event came too late or speaks of something that is not there. Only `revoke_pending` may differ."""

    before: Snapshot
    after: Snapshot
    event: Event
    effects: tuple[Effect, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Somebody asked for what cannot be done now. Nothing happened."""

    before: Snapshot
    event: Event
    refusal: Refusal
    reason: str

    @property
    def after(self) -> Snapshot:
        """The same snapshot: a refusal changes nothing."""
        return self.before

    @property
    def effects(self) -> tuple[Effect, ...]:
        """None: a refusal does nothing."""
        return ()


Step = Moved | Ignored | Refused


class _Model:
    """What the machine moves: a state and nothing else."""

    __slots__ = ("state",)

    def __init__(self, state: State) -> None:
        self.state = state


_Place = tuple[str, State]
"""An event's trigger, and the state that it meets."""


def _guards() -> dict[_Place, tuple[Guard, ...]]:
    """The conditions that stand in the table for each place."""
    found: dict[_Place, tuple[Guard, ...]] = {}
    for row in TABLE:
        place = (row.trigger, row.source)
        found[place] = (*found.get(place, ()), row.guard) if row.guard is not None else found.get(place, ())
    return found


def _machine() -> Machine:
    machine = Machine(model=None, states=State, initial=None, auto_transitions=False)
    for row in TABLE:
        machine.add_transition(row.trigger, row.source, row.target, conditions=row.guard)
    return machine


class Lifecycle:
    """Answers events. Holds no site: one instance serves all of them."""

    def __init__(self) -> None:
        self._machine = _machine()
        self._guards = _guards()
        self._answers: dict[tuple[_Place, tuple[bool, ...]], State | None] = {}

    def apply(self, snapshot: Snapshot, event: Event, *, at: datetime, chance: float) -> Step:
        """Decide what `event` means for `snapshot` at the moment `at`; `chance` in [0, 1) is for jitter."""
        state = self._target(snapshot, event)
        if state is None:
            return _unanswered(snapshot, event, at=at)
        after = succeed(snapshot, state, event, at=at, chance=chance)
        effects = consequences(snapshot, after, event, at=at, chance=chance)
        return Moved(before=snapshot, after=after, event=event, effects=effects)

    def _target(self, snapshot: Snapshot, event: Event) -> State | None:
        """The machine sees a place and what its guards say, and nothing else: it is asked once for each of those."""
        place = (event.trigger, snapshot.state)
        seen = (place, tuple([guard(snapshot, event) for guard in self._guards.get(place, ())]))
        if seen not in self._answers:
            self._answers[seen] = self._moved(snapshot, event)
        return self._answers[seen]

    def _moved(self, snapshot: Snapshot, event: Event) -> State | None:
        known = self._machine.events[event.trigger]
        if snapshot.state.name not in known.transitions:
            return None
        model = _Model(snapshot.state)
        return model.state if known.trigger(model, snapshot, event) else None


def _unanswered(snapshot: Snapshot, event: Event, *, at: datetime) -> Moved | Ignored | Refused:
    if isinstance(event, BindRequested | UnbindRequested) and not _is_stale_request(snapshot, event):
        refusal, reason = _refusal(snapshot, event)
        return Refused(before=snapshot, event=event, refusal=refusal, reason=reason)
    after = forget_late(snapshot, event, at=at)
    effects = consequences(snapshot, after, event, at=at) if after is not snapshot else ()
    return Ignored(before=snapshot, after=after, event=event, effects=effects, reason=_lateness(event))


def _is_stale_request(snapshot: Snapshot, event: Event) -> bool:
    """The daemon's own request waited for its slot and lost its reason: there is nobody to refuse."""
    own = isinstance(event, BindRequested) and event.actor == DAEMON
    return own and snapshot.state not in (State.UNCONFIGURED, State.BINDING)


def _refusal(snapshot: Snapshot, event: Event) -> tuple[Refusal, str]:
    if isinstance(event, UnbindRequested):
        return Refusal.NOTHING_TO_UNBIND, f"site {snapshot.site} holds no binding"
    if snapshot.state is State.BINDING and snapshot.open is not None:
        return (
            Refusal.BIND_IN_PROGRESS,
            f"bind {snapshot.open.bind_id} is open; wait for its end before giving other credentials",
        )
    return Refusal.NOT_CONFIGURED, f"site {snapshot.site} has no usable configuration"


def _lateness(event: Event) -> str:
    return f"{event.trigger.replace('_', ' ')} does not belong to anything that is open or held"
