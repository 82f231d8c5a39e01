"""The ports through which the audit trail is sent on: where records and the position come from, and who takes them.

Used by `daemon.engine.forwarding`; implemented by `daemon.store.outbox` and `daemon.providers.audit_receiver`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from daemon.audit_values import ForwardFormat, ForwardPage, Receiver


class Outbox(Protocol):
    """The trail as it is sent on, and the position up to which it was. Every method raises `JournalUnavailable`."""

    @property
    def last_seq(self) -> int:
        """The number of the last committed record; 0 when there is none."""

    async def begin(self, *, now: bool) -> int:
        """The number of the record behind which to go on: as it was kept, else the beginning, or with `now` the end.

        Nothing that is still in the trail lies between it and the next record.
        """

    async def keep(self, position: int) -> None:
        """Make it durable that everything up to this number was delivered."""

    async def page(self, format: ForwardFormat, *, after: int) -> ForwardPage | None:
        """The next records behind that number, a bounded amount of them; None when there are none."""


class Delivered(Protocol):
    """One connection to a receiver. What is raised is a `ProviderFault`."""

    @property
    def ended(self) -> bool:
        """Whether the receiver has ended it, or it was lost."""

    async def send(self, data: bytes) -> None:
        """Send, and return once the other machine has acknowledged every byte (its TCP: the program may lag behind).

        Raises also when the receiver takes nothing for a while.
        """

    def check(self) -> None:
        """Raise why it has `ended`."""

    async def finish(self, *, seconds: float) -> bool:
        """Say that nothing more comes. Whether the receiver then ended it in order, and so has read everything."""


class Receivers(Protocol):
    """Makes connections to receivers."""

    def connected(self, receiver: Receiver, *, lost: Callable[[], None]) -> AbstractAsyncContextManager[Delivered]:
        """A connection, cut at the end of the block; `lost` is called when it ends before. Raises `ProviderFault`."""
