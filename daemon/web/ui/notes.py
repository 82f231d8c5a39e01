"""What a page has to say after it was sent elsewhere: "Applied", "A bind has begun".

Kept in memory under an unguessable name in the address, shown once, and forgotten after a while.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final, Literal

from daemon.ports import Clock

_MOST: Final = 256
_SECONDS: Final = 300.0

Kind = Literal["well", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One notice: a sentence, and lines below it."""

    text: str
    lines: tuple[str, ...] = ()
    kind: Kind = "well"


class Notes:
    """The notices that nobody has read yet."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, Note]] = {}

    def leave(self, note: Note) -> str:
        """Keep it; its name, for `?note=`."""
        now = self._clock.monotonic()
        for name in [name for name, (at, _) in self._kept.items() if now - at > _SECONDS]:
            del self._kept[name]
        while len(self._kept) >= _MOST:
            del self._kept[next(iter(self._kept))]
        name = secrets.token_urlsafe(9)
        self._kept[name] = (now, note)
        return name

    def take(self, name: str) -> Note | None:
        """The notice of that name, if it was left and not yet read."""
        at, note = self._kept.pop(name, (0.0, None))
        return note if note is not None and self._clock.monotonic() - at <= _SECONDS else None
