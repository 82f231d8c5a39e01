"""Keeps anybody from filling the disk with refusals: of each kind one record a minute, with a count.

The first of a key is recorded at once, so that it is seen; what follows within the minute is counted, and one
record with the count is written when the minute is over. Used by the driver for requests that the lifecycle
refuses and by `daemon.engine.access` for calls that the HTTP API refuses.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from daemon.engine.tasks import Tasks
from daemon.ports import Clock, JournalEntry, JournalUnavailable

_log = logging.getLogger("sitebind.refusals")

WINDOW_SECONDS: Final = 60.0
MOST_KEYS: Final = 20
"""So many keys have a record of their own in a minute; all others share one."""

OTHERS: Final = "others"


class Recorder(Protocol):
    """The part of the journal that is needed here."""

    async def append(self, entry: JournalEntry) -> int:
        """Make `entry` durable. Raises `JournalUnavailable`."""


class Timers(Protocol):
    """The part of the scheduler that is needed here."""

    def at(self, due_at: datetime, key: tuple[str, str], action: Callable[[], None]) -> None:
        """Do `action` at `due_at`."""


@dataclass(slots=True)
class _Window:
    """What was not recorded on its own since the key's last record."""

    kinds: Counter[str] = field(default_factory=Counter)
    first: JournalEntry | None = None
    last: JournalEntry | None = None


class Thinned:
    """At most one record a minute for each key. `purpose` tells two of these apart in the scheduler."""

    def __init__(self, purpose: str, *, journal: Recorder, clock: Clock, timers: Timers, tasks: Tasks) -> None:
        self._purpose = purpose
        self._journal = journal
        self._clock = clock
        self._timers = timers
        self._tasks = tasks
        self._windows: dict[str, _Window] = {}

    def admits(self, key: str, kind: str, entry: JournalEntry) -> bool:
        """Whether the caller is to record `entry` now. Otherwise it is counted, and recorded with the others."""
        if key not in self._windows and len(self._windows) >= MOST_KEYS:
            key, entry = OTHERS, replace(entry, actor=OTHERS)
        window = self._windows.get(key)
        if window is None:
            self._windows[key] = _Window()
            self._arm(key)
            return True
        self._count(window, kind, entry)
        return False

    def record(self, key: str, kind: str, entry: JournalEntry) -> None:
        """As `admits`, and the record is written by a task of this object's owner."""
        if self.admits(key, kind, entry):
            self._tasks.start(self._write(key, {kind: 1}, entry), name=f"record: {entry.event}")

    async def close(self) -> None:
        """Record everything that was only counted; at a stop."""
        windows, self._windows = self._windows, {}
        for key, window in windows.items():
            if window.last is not None:
                await self._write(key, dict(window.kinds), _summed(window))

    def _count(self, window: _Window, kind: str, entry: JournalEntry, *, times: int = 1) -> None:
        window.kinds[kind] += times
        window.first = window.first or entry
        window.last = entry

    def _arm(self, key: str) -> None:
        due = self._clock.now() + timedelta(seconds=WINDOW_SECONDS)
        self._timers.at(due, ("", f"{self._purpose}: {key}"), lambda: self._over(key))

    def _over(self, key: str) -> None:
        window = self._windows.pop(key, None)
        if window is None or window.last is None:
            return
        self._windows[key] = _Window()
        self._arm(key)
        work = self._write(key, dict(window.kinds), _summed(window))
        self._tasks.start(work, name=f"record: {window.last.event} with a count")

    async def _write(self, key: str, kinds: dict[str, int], entry: JournalEntry) -> None:
        try:
            await self._journal.append(entry)
        except JournalUnavailable as error:
            _log.error("refusals could not be recorded and are kept until they can: %s", error)
            window = self._windows.get(key)
            if window is None:
                window = self._windows[key] = _Window()
                self._arm(key)
            for kind, times in kinds.items():
                self._count(window, kind, entry, times=times)


def _summed(window: _Window) -> JournalEntry:
    """One entry for all that a window counted."""
    if window.first is None or window.last is None:
        raise ValueError("an empty window has nothing to record")
    detail = {
        **window.last.detail,
        "count": window.kinds.total(),
        "kinds": dict(sorted(window.kinds.items())),
        "first_at": window.first.at.isoformat(timespec="milliseconds"),
    }
    return replace(window.last, detail=detail)
