"""What must be done, as orders in the imperative.

The performer carries them out after the journal has the step. Every effect is safe
to repeat: a crash between the record and the act may repeat it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from states.faults import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class StartBind:
    """Run the bind procedure for this attempt."""

    bind_id: str
    attempt: int
    one_time: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelBind:
    """End the open procedure of this attempt; keys that it obtained are revoked."""

    bind_id: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestBind:
    """Post a bind request of the daemon's own, in this site's slot."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRetry:
    """Post `RetryDue(attempt)` when `due_at` has come."""

    attempt: int
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRetry:
    """Forget the scheduled retry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleVerification:
    """Ask the service about the held keys when `due_at` has come; replaces an earlier plan."""

    bind_id: str
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelVerification:
    """Forget the planned verification."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshKeys:
    """Give the held keys a new lifetime with the configured sign-in."""

    bind_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeKeys:
    """End keys that a newer binding replaced; not before `due_at`, and `in_slot` paced over all sites."""

    bind_id: str
    due_at: datetime
    in_slot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeOrphan:
    """End keys of an attempt that nobody waited for any more; `in_slot` paced over all sites."""

    bind_id: str
    due_at: datetime
    in_slot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WipeKeys:
    """Remove keys from the vault so that nothing of them is left in any file."""

    bind_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbind:
    """Revoke the held keys at the service, or leave them there with `local_only`."""

    bind_id: str
    local_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclareLost:
    """Post `BindingLost`: the refusals are many and old enough."""

    bind_id: str
    fault: Fault
    detail: str


Effect = (
    StartBind
    | CancelBind
    | RequestBind
    | ScheduleRetry
    | CancelRetry
    | ScheduleVerification
    | CancelVerification
    | RefreshKeys
    | RevokeKeys
    | RevokeOrphan
    | WipeKeys
    | Unbind
    | DeclareLost
)
