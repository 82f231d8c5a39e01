"""The port of whoever listens to the engine: metrics, logs, traces."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Protocol

from daemon.audit_values import ChainReport
from states import BindStep, Fault, Step

Upkeep = Literal["checkpoint", "pruning"]
"""What is done for the audit trail beside writing it."""


class Observer(Protocol):
    """Is told about everything once; metrics and logs hang here. Must not block and must not raise."""

    def saw(self, step: Step, *, at: datetime) -> None:
        """A step was journalled (Moved, Ignored) or turned down (Refused)."""

    def bind_step(self, site: str, step: BindStep) -> None:
        """One step of an open bind ended."""

    def bind_ended(self, site: str, *, bind_id: str, result: str, fault: Fault | None, seconds: float | None) -> None:
        """A bind attempt ended: succeeded, failed or cancelled. `seconds` is None where it did not come to an end."""

    def upstream(self, endpoint: str, *, code: str, seconds: float) -> None:
        """A call to the service ended; `code` is the HTTP status or a fault's code."""

    def reloaded(self, *, successful: bool, at: datetime) -> None:
        """The configuration was read again."""

    def recorded(self, count: int) -> None:
        """So many audit records were committed."""

    def journal_failed(self) -> None:
        """A record could not be committed."""

    def chain_verified(self, report: ChainReport) -> None:
        """The audit chain was walked."""

    def checkpointed(self, at: datetime | None) -> None:
        """A checkpoint of the audit trail was written to the second place; None: there is none any more."""

    def upkeep_failed(self, task: Upkeep) -> None:
        """One try to write a checkpoint of the audit trail, or to prune it, failed."""

    def http_request(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """The daemon answered a request; `route` is the pattern, never the raw path."""

    def event_streams(self, *, clients: int, dropped: int = 0) -> None:
        """So many clients follow what happens now; `dropped` more were too slow and were cut off."""

    def forwarded(self, *, position: int | None, waiting: int, failures: int = 0) -> None:
        """Records up to `position` were delivered to the receiver and `waiting` more wait; None: there is none."""
