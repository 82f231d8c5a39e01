"""Answers of directories, remembered for a bounded time. Called by `resolving.py`, which says what they rest on."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final

from daemon.ports import Clock, Resolution

MOST_REMEMBERED: Final = 1_000
MOST_MEMBERS_REMEMBERED: Final = 100_000
"""Over all remembered answers: some tens of megabytes."""
NOT_FOUND_FOR: Final = 60.0
"""Seconds that "not found" is remembered at the most: whoever was told so goes and makes the object."""

Question = tuple[str, str, str | None, bool]
"""The site, what is wanted, of which kind, and whether with members."""


@dataclass(frozen=True, slots=True)
class _Remembered:
    resolution: Resolution
    basis: tuple[object, ...]
    at: float


class Memory:
    """Answers by question. Each rests on a `basis`, settings and secrets: with another one it is worthless."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: OrderedDict[Question, _Remembered] = OrderedDict()

    def get(self, question: Question, *, basis: tuple[object, ...], longest: float) -> Resolution | None:
        """The answer with its age, unless it is older than `longest` seconds."""
        found = self._known.get(question)
        if found is None:
            return None
        age = self._clock.monotonic() - found.at
        most = longest if found.resolution.objects else min(longest, NOT_FOUND_FOR)
        if age >= most or found.basis != basis:
            del self._known[question]
            return None
        self._known.move_to_end(question)
        return replace(found.resolution, age_seconds=round(age, 3))

    def keep(self, question: Question, resolution: Resolution, *, basis: tuple[object, ...]) -> None:
        """Remember it in the place of an older one; the ones not asked for longest make room."""
        self._known.pop(question, None)
        self._known[question] = _Remembered(resolution, basis, self._clock.monotonic())
        while len(self._known) > 1 and self._is_too_much():
            self._known.popitem(last=False)

    def _is_too_much(self) -> bool:
        members = sum(len(known.resolution.members or ()) for known in self._known.values())
        return len(self._known) > MOST_REMEMBERED or members > MOST_MEMBERS_REMEMBERED
