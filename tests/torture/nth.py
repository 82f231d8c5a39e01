"""Counts calls and lets the n-th fail: SQLite's own method, for whatever stands between the daemon and the world."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import TypeVar

T = TypeVar("T")


class Manner(Enum):
    """How a call fails."""

    ONCE = "fails once"
    ON = "fails, and so does every later one until it is mended"
    LOST = "is done, and an error is answered all the same"


class Nth:
    """Armed with a number, it lets that call fail. Calls may come from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._quiet = threading.local()
        self._armed = False
        self._at = 0
        self._manner = Manner.ONCE
        self.count = 0
        self.struck: list[str] = []

    def arm(self, at: int, manner: Manner = Manner.ONCE) -> None:
        """Count from now on; the call with the number `at` fails (0: none does)."""
        with self._lock:
            self._armed, self._at, self._manner, self.count = True, at, manner, 0
            self.struck = []

    def mend(self) -> None:
        """Nothing fails any more, and nothing is counted."""
        with self._lock:
            self._armed = False

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What this thread does meanwhile is the test's own: it is neither counted nor does it fail."""
        self._quiet.on = True
        try:
            yield
        finally:
            self._quiet.on = False

    @property
    def is_own(self) -> bool:
        """Whether this thread does something of the test's own."""
        return bool(getattr(self._quiet, "on", False))

    def strikes(self, name: str) -> int:
        """Count a call; its number if it has to fail, else 0."""
        with self._lock:
            if not self._armed or self.is_own:
                return 0
            self.count += 1
            hit = self.count == self._at or (self._manner is Manner.ON and self.count > self._at > 0)
            if hit:
                self.struck.append(name)
            return self.count if hit else 0

    def call(self, name: str, real: Callable[[], T], error: Callable[[int], Exception]) -> T:
        """Make the call, unless it is its turn to fail; then raise `error` of its number."""
        number = self.strikes(name)
        if not number:
            return real()
        if self._manner is Manner.LOST:
            real()
        raise error(number)
