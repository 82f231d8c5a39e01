"""Layers of an examination, walked one after the other until one fails.

Called by the adapters of mailboxes and of Graph. Each layer is a coroutine that gives a `Finding` or raises
`ProviderFault`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from daemon.ports import Layer, MailboxAccess, ProviderFault
from daemon.providers.trail import Trail
from states import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a layer says of itself once it was looked at, as `Layer` does. `seconds`: where it was timed elsewhere."""

    detail: str
    status: Literal["passed", "warning", "skipped"] = "passed"
    remedy: str = ""
    seconds: float | None = None


Look = Callable[[], Awaitable[Finding]]


def demand_sign_in(access: MailboxAccess) -> None:
    """For a mailbox in Microsoft 365: raise `ProviderFault` where no credentials may be sent, before any are."""
    if access.requires_authentication:
        return
    detail = "no credentials are sent ([account] requires_authentication = no), and Microsoft 365 shows nothing without"
    raise ProviderFault(Fault.MAILBOX_SIGN_IN_OMITTED, detail)


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
