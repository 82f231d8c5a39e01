"""What is done for the audit trail beside writing it: checkpoints, retention, and a look at the whole of it every day.

One object for the composition root, the supervisor and the health answers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final, Protocol

from daemon.audit_ports import Checkpoints, Pruner
from daemon.config.model import DaemonSettings, SecretSource
from daemon.config.secrets import SecretUnreadable
from daemon.engine.checkpoints import Checkpointing
from daemon.engine.retention import Retention
from daemon.engine.signin import Resolve
from daemon.engine.waiting import pause
from daemon.ports import Clock, Journal, JournalUnavailable, Observer, Secret
from states import Problem

_log = logging.getLogger("sitebind.keeping")

WALK_EVERY: Final = 86_400.0
"""Seconds between two walks of the whole chain. One costs 1.5 s for each million records, in trips of 3 ms between
which everybody else has their turn; so `sitebind_audit_chain_intact` is never older than a day."""
WALK_RETRY: Final = 600.0
"""Seconds until it is tried again when it could not be walked."""


class Trail(Journal, Protocol):
    """The journal, as far as it is needed here."""

    @property
    def last_seq(self) -> int:
        """The number of the last committed record; 0 when there is none."""


def keeping_over(
    journal: Trail,
    *,
    checkpoints: Checkpoints,
    pruner: Pruner,
    not_beyond: Callable[[], int | None],
    resolve: Resolve,
    observer: Observer,
    clock: Clock,
) -> Keeping:
    """Both workers over an open journal. `not_beyond` is the last record that may be pruned, None: any."""
    return Keeping(
        journal,
        checkpointing=Checkpointing(checkpoints, resolve=resolve, observer=observer, clock=clock),
        retention=Retention(
            pruner,
            begun_behind=journal.last_seq,
            not_beyond=not_beyond,
            resolve=resolve,
            observer=observer,
            clock=clock,
        ),
        resolve=resolve,
        observer=observer,
        clock=clock,
    )


class Keeping:
    """Owns both workers."""

    def __init__(
        self,
        journal: Journal,
        *,
        checkpointing: Checkpointing,
        retention: Retention,
        resolve: Resolve,
        observer: Observer,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._checkpointing = checkpointing
        self._retention = retention
        self._resolve = resolve
        self._key: SecretSource | None = None
        self._observer = observer
        self._clock = clock
        self._in_doubt = asyncio.Event()

    def apply(self, settings: DaemonSettings) -> None:
        """These settings are in force now."""
        self._checkpointing.apply(settings)
        self._retention.apply(settings)
        if settings.checkpoint_key != self._key:
            self._key = settings.checkpoint_key
            self.doubt()  # the anchor has not been judged by this one

    async def key(self) -> Secret | None:
        """The key that signs anchors now; None where there is none, or it cannot be read, which its users say."""
        try:
            return None if self._key is None else await self._resolve(self._key)
        except SecretUnreadable:
            return None

    def problems(self) -> tuple[Problem, ...]:
        """What cannot be done, while that is so."""
        found = (self._checkpointing.problem(), self._retention.problem())
        return tuple(problem for problem in found if problem is not None)

    def works(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """What is to run until the daemon stops, by name."""
        yield "audit chain check", self._walk()
        yield "checkpoints", self._checkpointing.run()
        yield "retention", self._retention.run()

    async def close(self) -> None:
        """After the last record: a checkpoint for it."""
        await self._checkpointing.close()

    def doubt(self) -> None:
        """Something has changed, or the disk has failed in between: walk the chain anew, and soon."""
        self._in_doubt.set()

    async def _walk(self) -> None:
        """Once after the start, so that tampering while stopped is seen; then every day, and when there is doubt."""
        while True:
            seconds = WALK_EVERY
            try:
                report = await self._journal.verify()
            except JournalUnavailable as error:
                seconds = WALK_RETRY
                _log.error("the audit chain could not be checked: %s. It is tried again in ten minutes", error)
            else:
                self._observer.chain_verified(report)
            await pause(self._clock, seconds, woken=self._in_doubt, name="audit chain check")
            self._in_doubt.clear()
