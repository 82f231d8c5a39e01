"""Access with everything in memory: the real tokens and the real thinning over lists, on a clock that tests move."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from daemon.engine.access import Access
from daemon.engine.tasks import Tasks
from daemon.ports import ApiToken, Clock, JournalEntry, JournalUnavailable


class MemoryJournal:
    """The audit trail as a list; `down` makes it unavailable."""

    def __init__(self) -> None:
        self.entries: list[JournalEntry] = []
        self.down = False

    async def append(self, entry: JournalEntry) -> int:
        if self.down:
            raise JournalUnavailable("the disk that holds sitebind.db is full; free some space")
        self.entries.append(entry)
        return len(self.entries)

    def events(self) -> list[str]:
        return [entry.event for entry in self.entries]


class MemoryTokens:
    """Implements `daemon.ports.TokenStore`."""

    def __init__(self, journal: MemoryJournal) -> None:
        self._journal = journal
        self.kept: dict[str, ApiToken] = {}

    async def all(self) -> list[ApiToken]:
        return list(self.kept.values())

    async def add(self, token: ApiToken, *, entry: JournalEntry) -> None:
        await self._journal.append(entry)
        self.kept[token.id] = token

    async def remove(self, token_id: str, *, entry: JournalEntry) -> None:
        await self._journal.append(entry)
        del self.kept[token_id]

    async def used(self, moments: Mapping[str, datetime]) -> None:
        if self._journal.down:
            raise JournalUnavailable("the disk is full")
        for token_id, at in moments.items():
            self.kept[token_id] = replace(self.kept[token_id], last_used_at=at)


class Timers:
    """Timers that a test fires."""

    def __init__(self) -> None:
        self.waiting: dict[tuple[str, str], Callable[[], None]] = {}

    def at(self, due_at: datetime, key: tuple[str, str], action: Callable[[], None]) -> None:
        self.waiting[key] = action

    def fire(self) -> None:
        waiting, self.waiting = self.waiting, {}
        for action in waiting.values():
            action()


class MemoryAccess(Access):
    """With all its parts at hand."""

    def __init__(self, clock: Clock) -> None:
        self.journal, self.timers, self.work = MemoryJournal(), Timers(), Tasks()
        self.store = MemoryTokens(self.journal)
        super().__init__(self.store, journal=self.journal, clock=clock, timers=self.timers, tasks=self.work)

    async def minute_over(self) -> None:
        """Let a window end, and what it counted be recorded."""
        await self.work.settle()
        self.timers.fire()
        await self.work.settle()
