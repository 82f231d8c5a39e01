"""One parser under fire."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`meets` gives bytes to the parser; `may_raise` is what the parser's documentation says that it raises."""

    name: str
    what: str
    meets: Callable[[bytes], object]
    may_raise: tuple[type[Exception], ...] = ()
    seeds: tuple[bytes, ...] = ()

    def __call__(self, data: bytes) -> None:
        with suppress(*self.may_raise):
            self.meets(data)
