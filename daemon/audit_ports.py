"""The ports of what happens with the audit trail beside its being written: it is sent on, sealed and pruned.

Sending: where records and the position come from, and who takes them; used by `daemon.engine.forwarding`, implemented
by `daemon.store.outbox` and `daemon.providers.audit_receiver`. Sealing and pruning: used by
`daemon.engine.checkpoints` and `retention`, implemented by `daemon.store.checkpoints` and `pruning`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from daemon.audit_values import ForwardFormat, ForwardPage, Receiver, Seal
from daemon.values import Secret


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

    @property
    def stands(self) -> bool:
        """Whether the receiver has not begun to end it, as the system knows this moment: never later than `ended`."""

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


class SealingFailed(Exception):
    """A checkpoint or an anchor could not be signed or kept. `str()` says why, `remedy` what to do."""

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(why)
        self.remedy = remedy


class Checkpoints(Protocol):
    """Signed statements of where the trail ends, in a second place."""

    @property
    def last_seq(self) -> int:
        """The number of the last committed record; 0 when there is none."""

    async def write(self, file: Path, *, key: Secret, at: datetime, seconds: float) -> int:
        """Sign where the trail ends now and append that durably; the record's number.

        Raises `SealingFailed`, also when the place does not answer within so many seconds.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Prunable:
    """Whole days of records that can go: `count` of them, the last one's number and hash; all before the day."""

    last: int
    hash: str
    count: int
    before: str


class Pruner(Protocol):
    """Removes old records so that the rest can still be verified. Every method raises `JournalUnavailable`."""

    async def believed(self, *, begun_behind: int) -> datetime | None:
        """The time that was kept, else when the last record up to this number was written; None: neither is there."""

    async def believe(self, at: datetime) -> None:
        """Keep this time durably, as the one from which the next start goes on."""

    async def finish(self) -> int:
        """Go on with a pruning that was interrupted, and return how many records that removed."""

    async def prunable(self, before: str, *, not_beyond: int | None) -> Prunable | None:
        """The records of whole days before the day `before` (`2026-03-04`), none with a greater number.

        Raises `SealingFailed` where the chain up to there, and the link behind it, is not as it was written.
        """

    async def prune(self, what: Prunable, *, key: Secret, at: datetime) -> Seal:
        """Record it and sign where the trail begins then, in one transaction; then remove. Raises `SealingFailed`."""
