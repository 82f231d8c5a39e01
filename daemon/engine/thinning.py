"""Keeps anybody from filling the disk with refusals: of each caller one record a minute, with a count.

The first of a key is recorded at once, so that it is seen; what follows is counted, and one record with the count
is written a minute after the last one, with that moment as its time. So two records of a key are never less than a
minute apart, except at a stop. Used by the driver for requests that the lifecycle refuses and by
`daemon.engine.access` for calls that the HTTP API refuses.
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
"""So many keys have a record of their own in a minute; all others share one, at the minute's end."""

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

    def count(self, kind: str, entry: JournalEntry) -> None:
        self.kinds[kind] += 1
        self.first = self.first or entry
        self.last = entry

    def put_back(self, earlier: _Window) -> None:
        """Take over what another one held and could not record."""
        self.kinds += earlier.kinds
        self.first = earlier.first or self.first
        self.last = self.last or earlier.last

    def summed(self, at: datetime) -> JournalEntry | None:
        """One entry for all that was counted; None where nothing was."""
        if self.first is None or self.last is None:
            return None
        detail = {
            **self.last.detail,
            "count": self.kinds.total(),
            "kinds": dict(sorted(self.kinds.items())),
            "first_at": self.first.at.isoformat(timespec="milliseconds"),
            "last_at": self.last.at.isoformat(timespec="milliseconds"),
        }
        return replace(self.last, at=at, detail=detail)


class Thinned:
    """At most one record a minute for each key. `purpose` tells two of these apart in the scheduler."""

    def __init__(self, purpose: str, *, journal: Recorder, clock: Clock, timers: Timers, tasks: Tasks) -> None:
        self._purpose = purpose
        self._journal = journal
        self._clock = clock
        self._timers = timers
        self._tasks = tasks
        self._windows: dict[str, _Window] = {}
        self._closed = False

    def admits(self, key: str, kind: str, entry: JournalEntry) -> bool:
        """Whether the caller is to record `entry` now. Otherwise it is counted, and recorded with the others."""
        window = self._windows.get(key)
        if window is None and len(self._windows) < MOST_KEYS:
            self._open(key)
            return True
        if window is None:
            # Recorded under its own name now, this one could be so again as soon as there is room for it.
            window, entry = self._windows.get(OTHERS) or self._open(OTHERS), replace(entry, actor=OTHERS)
        window.count(kind, entry)
        return False

    def record(self, key: str, kind: str, entry: JournalEntry) -> None:
        """As `admits`, and the record is written by a task of this object's owner."""
        if self.admits(key, kind, entry):
            alone = _Window()
            alone.count(kind, entry)
            self._tasks.start(self._write(key, alone, entry), name=f"record: {entry.event}")

    async def close(self) -> None:
        """Record everything that was only counted; at a stop."""
        self._closed = True
        windows, self._windows = self._windows, {}
        for key, window in windows.items():
            entry = window.summed(self._clock.now())
            if entry is not None:
                await self._write(key, window, entry)

    def _open(self, key: str) -> _Window:
        window = self._windows[key] = _Window()
        due = self._clock.now() + timedelta(seconds=WINDOW_SECONDS)
        self._timers.at(due, ("", f"{self._purpose}: {key}"), lambda: self._over(key))
        return window

    def _over(self, key: str) -> None:
        window = self._windows.pop(key, None)
        entry = None if window is None else window.summed(self._clock.now())
        if window is None or entry is None:
            return
        self._open(key)
        self._tasks.start(self._write(key, window, entry), name=f"record: {entry.event} with a count")

    async def _write(self, key: str, window: _Window, entry: JournalEntry) -> None:
        try:
            await self._journal.append(entry)
        except JournalUnavailable as error:
            if self._closed:
                times = window.kinds.total()
                _log.error("%d refusals could not be recorded before the stop and are lost: %s", times, error)
                return
            _log.error("refusals could not be recorded and are kept until they can: %s", error)
            (self._windows.get(key) or self._open(key)).put_back(window)
