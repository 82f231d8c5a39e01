"""Random histories: events that are often relevant, since their numbers are drawn near the current ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import product

from hypothesis import strategies as st

from states import Event, Fault, Impact, Snapshot, State, Step, Terms
from states.events import (
    DAEMON,
    BindFailed,
    BindingLost,
    BindingRefreshed,
    BindingVerified,
    BindRequested,
    BindSucceeded,
    ConfigAccepted,
    ConfigRejected,
    ConfigWithdrawn,
    KeysRevoked,
    OrphanFound,
    Restarted,
    RetryDue,
    RevocationFailed,
    SignInRefused,
    UnbindFailed,
    UnbindFinished,
    UnbindRequested,
    VerificationMissed,
    VerificationRefused,
)
from tests.states.examples import LIFECYCLE, NOON, OPERATOR, Story, binding, story_in
from tests.states.examples import TERMS as STORY_TERMS

BYTES = 4
SHORTEST, LONGEST = 20, 60  # without a least length, most would hold few


@dataclass(frozen=True, slots=True)
class Happening:
    """An event that is yet to meet its site: `back` counts attempts back from the newest, -1 is the next."""

    event: Event
    back: int
    seconds: int
    chance: float


@dataclass(frozen=True, slots=True)
class History:
    """Where a site stands, and what happens to it."""

    start: Snapshot
    happenings: list[Happening]


def _every(kind: Callable[..., Event], **choices: Iterable[object]) -> tuple[Event, ...]:
    """One event for each combination of the choices."""
    return tuple(kind(**dict(zip(choices, chosen, strict=True))) for chosen in product(*choices.values()))


CREDENTIALS = (None, "sign-in-1", "sign-in-2")
EXPIRIES = (None, NOON + timedelta(minutes=20), NOON + timedelta(days=5))
TERMS = tuple(
    Terms(fingerprint=fingerprint, credentials=credentials, automatic=automatic, lost_after=lost_after)
    for fingerprint in ("inputs-1", "inputs-2")
    for credentials in CREDENTIALS
    for automatic in (True, False)
    for lost_after in (1, 3)
)
WHY = {"reason": ["it is time"]}
ABOUT = {"bind_id": [""], "fault": Fault, "detail": ["it did not work"]}  # `aimed` writes the real id
SUCCESSES = tuple(
    BindSucceeded(attempt=0, binding=replace(binding(expires_at=expires_at), fingerprint=fingerprint))
    for expires_at in EXPIRIES
    for fingerprint in ("inputs-1", "inputs-2")
)
# How often a kind of event comes; what keeps a history going comes more often than what stops it.
KINDS: tuple[tuple[int, tuple[Event, ...]], ...] = (
    (1, _every(Restarted)),
    (3, _every(ConfigAccepted, terms=TERMS, impact=Impact, **WHY, at_start=[False, True])),
    (1, _every(ConfigRejected, findings=[("config.ini:3: what",)])),
    (1, _every(ConfigWithdrawn, **WHY)),
    (6, _every(BindRequested, **WHY, one_time=[False, False, True], actor=[DAEMON, OPERATOR])),
    (6, SUCCESSES),
    (
        4,
        _every(
            BindFailed,
            attempt=[0],
            fault=Fault,
            detail=["no"],
            retry_after=[None, 90],
            credentials=CREDENTIALS,
        ),
    ),
    (4, _every(RetryDue, attempt=[0])),
    (2, _every(BindingVerified, bind_id=[""], expires_at=EXPIRIES)),
    (1, _every(BindingRefreshed, bind_id=[""], expires_at=EXPIRIES)),
    (3, _every(VerificationRefused, **ABOUT, credentials=CREDENTIALS)),
    (1, _every(VerificationMissed, **ABOUT, retry_after=[None, 90])),
    (1, _every(BindingLost, **ABOUT)),
    (1, _every(SignInRefused, fault=Fault, detail=["no"], credentials=["sign-in-1", "sign-in-2"])),
    (2, _every(UnbindRequested, **WHY, local_only=[False, True])),
    (1, _every(UnbindFinished, bind_id=[""])),
    (1, _every(UnbindFailed, **ABOUT)),
    (1, _every(OrphanFound, bind_id=[""])),
    (2, _every(KeysRevoked, bind_id=[""])),
    (1, _every(RevocationFailed, **ABOUT)),
)
_OFTEN = tuple(events for weight, events in KINDS for _ in range(weight))
_BACK = (0, 0, 0, 0, 1, 1, 2, -1)
_SECONDS = (0, 1, 40, 900)


def _happening(kind: int, high: int, low: int, circumstances: int) -> Happening:
    """Four bytes make one event, which is far quicker to draw than a tree of choices."""
    events = _OFTEN[kind % len(_OFTEN)]
    rest, back = divmod(circumstances, len(_BACK))
    eighths, seconds = divmod(rest, len(_SECONDS))
    return Happening(events[(high * 256 + low) % len(events)], _BACK[back], _SECONDS[seconds], eighths / 8)


def _happenings(drawn: bytes) -> list[Happening]:
    return [_happening(*drawn[i : i + BYTES]) for i in range(0, len(drawn) - BYTES + 1, BYTES)]


STARTS = (
    Story().now,
    *(story_in(state, held=held, terms=STORY_TERMS).now for state in State for held in (False, True)),
)


HISTORIES = st.builds(
    History,
    start=st.sampled_from(STARTS),
    happenings=st.binary(min_size=BYTES * SHORTEST, max_size=BYTES * LONGEST).map(_happenings),
)
"""A site in any state, and 20 to 60 events."""


def _id_near(event: Event, now: Snapshot, attempt: int) -> str:
    """The keys that such an event is mostly about, where there are any; else those of a near attempt."""
    if attempt == now.attempt:
        if isinstance(event, KeysRevoked | RevocationFailed) and now.revoke_pending:
            return now.revoke_pending[0]
        if not isinstance(event, OrphanFound) and now.binding is not None:
            return now.binding.bind_id
    return f"{now.site}-{attempt}"


def aimed(happening: Happening, now: Snapshot) -> Event:
    """The event with the number of an attempt near the newest one."""
    event, attempt = happening.event, max(0, now.attempt - happening.back)
    if isinstance(event, BindSucceeded | OrphanFound):
        attempt = min(attempt, now.attempt)  # no keys come from an attempt that was never made
    match event:
        case BindSucceeded():
            own = replace(event.binding, bind_id=f"{now.site}-{attempt}")
            return replace(event, attempt=attempt, binding=own)
        case RetryDue():
            return replace(event, attempt=attempt + 1)
        case BindFailed():
            return replace(event, attempt=attempt)
        case _ if hasattr(event, "bind_id"):
            return replace(event, bind_id=_id_near(event, now, attempt))  # type: ignore[call-arg]
        case _:
            return event


def steps_of(history: History, *, now: Snapshot | None = None) -> Iterator[Step]:
    """Let the history happen to its site, or to `now`; every answer in turn."""
    at, now = NOON, now or history.start
    for happening in history.happenings:
        at += timedelta(seconds=happening.seconds)
        step = LIFECYCLE.apply(now, aimed(happening, now), at=at, chance=happening.chance)
        yield step
        now = step.after
