"""Layers of an examination, walked one after the other until one fails.

Called by the Graph adapters. Each layer is a coroutine that gives a `Finding` or raises `ProviderFault`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from daemon.ports import Layer, ProviderFault
from daemon.providers.trail import Trail


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a layer says of itself once it was looked at, as `Layer` does. `seconds`: where it was timed elsewhere."""

    detail: str
    status: Literal["passed", "warning", "skipped"] = "passed"
    remedy: str = ""
    seconds: float | None = None


Look = Callable[[], Awaitable[Finding]]


async def walked(steps: Iterable[tuple[str, Look]], *, monotonic: Callable[[], float]) -> tuple[Layer, ...]:
    """Take each step in order; the first `ProviderFault` ends the way and stands in its layer."""
    trail = Trail(monotonic)
    for name, look in steps:
        try:
            with trail.layer(name) as note:
                found = await look()
                note.text = found.detail
        except ProviderFault:
            break
        layer = trail.layers[-1]
        seconds = layer.seconds if found.seconds is None else found.seconds
        trail.layers[-1] = replace(layer, status=found.status, remedy=found.remedy, seconds=seconds)
    return tuple(trail.layers)
