"""The binds that are open right now: their steps so far, and who waits for their end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from states import BindStep


@dataclass(slots=True)
class _Live:
    site: str
    steps: list[BindStep] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class LiveBinds:
    """Kept by bind id from the first step until the end was recorded."""

    def __init__(self) -> None:
        self._open: dict[str, _Live] = {}
        self._listener: Callable[[str, str, BindStep], None] | None = None

    def listen(self, listener: Callable[[str, str, BindStep], None]) -> None:
        """Tell `listener` of every step that ends: site, bind id, step."""
        self._listener = listener

    def begin(self, bind_id: str, *, site: str) -> None:
        """A bind was recorded as open; a second call for the same bind is well."""
        self._open.setdefault(bind_id, _Live(site))

    def add(self, bind_id: str, step: BindStep) -> None:
        """One more step ended."""
        live = self._open.get(bind_id)
        if live is None:
            return
        live.steps.append(step)
        if self._listener is not None:
            self._listener(live.site, bind_id, step)

    def steps(self, bind_id: str) -> tuple[BindStep, ...]:
        """The steps so far; none for a bind that is not open."""
        live = self._open.get(bind_id)
        return tuple(live.steps) if live else ()

    def end(self, bind_id: str) -> None:
        """The end was recorded: wake who waits."""
        live = self._open.pop(bind_id, None)
        if live is not None:
            live.ended.set()

    async def wait(self, bind_id: str) -> None:
        """Wait for the end; a bind that is not open is over."""
        live = self._open.get(bind_id)
        if live is not None:
            await live.ended.wait()
