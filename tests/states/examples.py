"""Values to test with: one site's story, told event by event, and one of each event."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from states import Fault, HeldBinding, Impact, Lifecycle, Snapshot, State, Step, Terms, first_snapshot
from states.events import (
    BindFailed,
    BindingLost,
    BindingRefreshed,
    BindingVerified,
    BindRequested,
    BindSucceeded,
    ConfigAccepted,
    ConfigRejected,
    ConfigWithdrawn,
    Event,
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

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
TERMS = Terms(fingerprint="inputs-1", credentials="sign-in-1", automatic=True)
MANUAL = replace(TERMS, automatic=False)
OPERATOR = "http:127.0.0.1"
LIFECYCLE = Lifecycle()


def later(seconds: float) -> datetime:
    """So many seconds past noon, where every story begins."""
    return NOON + timedelta(seconds=seconds)


def bind_id(attempt: int) -> str:
    return f"default-{attempt}"


def binding(attempt: int = 1, *, at: datetime = NOON, expires_at: datetime | None = None) -> HeldBinding:
    return HeldBinding(
        bind_id=bind_id(attempt),
        method="cloud",
        account_code="C0A0",
        company="Example Ltd",
        region="eu",
        fingerprint=TERMS.fingerprint,
        bound_at=at,
        verified_at=at,
        expires_at=expires_at,
    )


def accepted(terms: Terms = TERMS, impact: Impact = Impact.APPLY, *, at_start: bool = False) -> ConfigAccepted:
    return ConfigAccepted(terms=terms, impact=impact, reason="the file changed", at_start=at_start)


def asked(*, one_time: bool = False) -> BindRequested:
    """A person asks for a bind."""
    return BindRequested(actor=OPERATOR, reason="asked by curl", one_time=one_time)


def own_request() -> BindRequested:
    """The daemon's own request, after it waited for its slot."""
    return BindRequested(reason="the file changed")


def succeeded(attempt: int = 1, *, at: datetime = NOON, expires_at: datetime | None = None) -> BindSucceeded:
    return BindSucceeded(attempt=attempt, binding=binding(attempt, at=at, expires_at=expires_at))


def failed(attempt: int = 1, fault: Fault = Fault.UNREACHABLE, *, credentials: str | None = None) -> BindFailed:
    return BindFailed(attempt=attempt, fault=fault, detail="it did not work", credentials=credentials)


def refused(
    attempt: int = 1, fault: Fault = Fault.KEYS_REFUSED, *, credentials: str | None = None
) -> VerificationRefused:
    return VerificationRefused(
        bind_id=bind_id(attempt), fault=fault, detail="no longer accepted", credentials=credentials
    )


def missed(attempt: int = 1, *, retry_after: int | None = None) -> VerificationMissed:
    return VerificationMissed(
        bind_id=bind_id(attempt), fault=Fault.UNREACHABLE, detail="no way there", retry_after=retry_after
    )


def lost(attempt: int = 1) -> BindingLost:
    return BindingLost(bind_id=bind_id(attempt), fault=Fault.KEYS_REFUSED, detail="no longer accepted")


def unbind(*, local_only: bool = False) -> UnbindRequested:
    return UnbindRequested(actor=OPERATOR, reason="the server moves", local_only=local_only)


def unbind_failed(attempt: int = 1) -> UnbindFailed:
    return UnbindFailed(bind_id=bind_id(attempt), fault=Fault.UNREACHABLE, detail="no way there")


class Story:
    """One site through its events; `now` is its snapshot, `step` the last answer, `clock` runs from noon."""

    def __init__(self, *events: Event, now: Snapshot | None = None) -> None:
        self.now = now or first_snapshot("default", site_code="4f2a", at=NOON)
        self.clock = NOON
        self.step: Step
        self.tell(*events)

    def tell(self, *events: Event, after: float = 0, chance: float = 0.5) -> Step:
        """Let the events happen `after` so many seconds, all at once; the answer to the last one."""
        self.clock += timedelta(seconds=after)
        for event in events:
            self.step = LIFECYCLE.apply(self.now, event, at=self.clock, chance=chance)
            self.now = self.step.after
        return self.step if events else None  # type: ignore[return-value]


def story_in(state: State, *, held: bool = False, terms: Terms = MANUAL) -> Story:
    """A site that came into `state` by events; with `held`, attempt 1 left it a binding."""
    start = (accepted(terms), asked(), succeeded(1)) if held else (accepted(terms),)
    attempt = 2 if held else 1
    to: dict[State, tuple[Event, ...]] = {
        State.UNCONFIGURED: (ConfigWithdrawn(reason="the file is gone"),),
        State.CONFIGURED: (accepted(terms, Impact.REBIND),),
        State.BINDING: (asked(),),
        State.BOUND: () if held else (asked(), succeeded(1)),
        State.FAILED: (asked(), failed(attempt)),
    }
    story = Story(*start, *to[state])
    assert story.now.state is state
    return story


def one_of_each_event() -> tuple[Event, ...]:
    return (
        Restarted(),
        accepted(),
        ConfigRejected(findings=("config.ini:3: [binding] emial: unknown option",)),
        ConfigWithdrawn(reason="the file is gone"),
        asked(),
        succeeded(),
        failed(),
        RetryDue(attempt=2),
        BindingVerified(bind_id=bind_id(1)),
        BindingRefreshed(bind_id=bind_id(1)),
        refused(),
        missed(),
        lost(),
        SignInRefused(fault=Fault.CREDENTIALS_REFUSED, detail="wrong password", credentials="sign-in-1"),
        unbind(),
        UnbindFinished(bind_id=bind_id(1)),
        unbind_failed(),
        OrphanFound(bind_id="default-9"),
        KeysRevoked(bind_id=bind_id(1)),
        RevocationFailed(bind_id=bind_id(1), fault=Fault.UNREACHABLE, detail="no way there"),
    )
