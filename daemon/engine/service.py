"""What the service manager hears of a daemon's life: ready, reloading, its state in one line, stopping.

Made by the composition root where somebody listens, and only there.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from daemon.engine.operations import Caller
from daemon.ports import Clock
from states import DAEMON, Snapshot, State, Step

_MOST_OFTEN = 1.0
"""Seconds between two lines: thousands of sites that move at once are told together."""

_ORDER = (State.BOUND, State.BINDING, State.CONFIGURED, State.UNCONFIGURED, State.FAILED)


def status_line(snapshots: Iterable[Snapshot], *, trouble: str | None) -> str:
    """Such as `3 sites: 2 bound, 1 failed`; `trouble` is why the journal cannot be written."""
    states = Counter(now.state for now in snapshots)
    count = states.total()
    parts = ", ".join(f"{states[state]} {state.value}" for state in _ORDER if states[state])
    said = f"{count} site{'s' if count != 1 else ''}: {parts}" if count else "no site yet"
    return f"{said}; the journal cannot be written: {trouble}" if trouble else said


class Service:
    """Tells `tell` (one message a call) what there is to know; `describe` gives the line of the moment."""

    def __init__(self, tell: Callable[..., None], *, describe: Callable[[], str], clock: Clock) -> None:
        self._tell = tell
        self._describe = describe
        self._clock = clock
        self._changed = asyncio.Event()
        self._told = ""
        self._stopping = False

    def ready(self) -> None:
        """The API answers."""
        self._say("READY=1")

    def stopping(self) -> None:
        """The stop begins: nothing more is told after this."""
        self._tell("STOPPING=1", "STATUS=stopping")
        self._stopping = True

    def alive(self) -> None:
        """Feed the watchdog, and look whether the line has changed by something that is no step of a site."""
        if not self._stopping:
            self._tell("WATCHDOG=1")
            self._changed.set()

    @contextmanager
    def reload(self, caller: Caller) -> Iterator[None]:
        """A reload takes place within. The first reading is none: the daemon has not run without it."""
        again = caller.actor != DAEMON and not self._stopping
        if again:
            self._tell("RELOADING=1", f"MONOTONIC_USEC={int(self._clock.monotonic() * 1_000_000)}")
        try:
            yield
        finally:
            if again:
                self._say("READY=1")

    def saw(self, step: Step) -> None:
        """A listener of the driver's steps."""
        if step.before.state is not step.after.state:
            self._changed.set()

    async def run(self) -> None:
        """Keep the line up to date until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._describe() != self._told:
                self._say()
                await self._clock.sleep(_MOST_OFTEN)

    def _say(self, *assignments: str) -> None:
        if not self._stopping:
            self._told = self._describe()
            self._tell(*assignments, f"STATUS={self._told}")
