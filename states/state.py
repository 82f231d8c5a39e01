"""The five states and the snapshot: everything that is true of one site at one moment.

A snapshot is a value. It is made by `states.lifecycle`, stored by the journal and read by everybody else.
Retry waits, warnings and a held binding are data here, never further states.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Literal

from states.faults import Fault


class State(Enum):
    """Where a site stands on its way to being bound."""

    UNCONFIGURED = "unconfigured"
    CONFIGURED = "configured"
    BINDING = "binding"
    BOUND = "bound"
    FAILED = "failed"


Unbinding = Literal["", "remote", "local"]
"""Whether an unbind is under way, and whether the service is asked."""

BIND_STEPS = (
    "configuration",
    "connect",
    "mailbox",
    "directory",
    "discover",
    "authenticate",
    "authorize",
    "register",
)
"""The steps of a bind in their order: prerequisites first, so that keys are issued last."""

StepStatus = Literal["passed", "failed", "skipped", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BindStep:
    """One line of a bind report. `seconds` is how long it took; an empty `remedy`: nothing is to be done."""

    step: str
    status: StepStatus
    seconds: float
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the lifecycle must know of the accepted configuration; durations in seconds.

    `fingerprint` and `credentials` are keyed digests of the bind inputs and of the configured sign-in;
    `credentials` is None when the configuration holds none.
    """

    fingerprint: str
    credentials: str | None
    automatic: bool
    verify_every: int = 900
    lost_after: int = 3
    retry_first: int = 2
    retry_ceiling: int = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBind:
    """The one attempt that is under way."""

    bind_id: str
    attempt: int
    actor: str
    reason: str
    one_time: bool
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """The attempt that the timer will start, and when; `one_time` if it needs the one-time sign-in again."""

    attempt: int
    due_at: datetime
    one_time: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBinding:
    """Keys that were proven and not refused since. The keys themselves lie in the vault under `bind_id`."""

    bind_id: str
    method: str
    account_code: str
    company: str
    region: str
    fingerprint: str
    bound_at: datetime
    verified_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What went wrong last, and since when it has been so."""

    fault: Fault
    detail: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """Consecutive refusals of the held keys by the service."""

    count: int
    fault: Fault
    detail: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One site, whole.

    `attempt` counts every attempt ever made and never goes back; `failures` those that failed in a row.
    """

    site: str
    site_code: str
    state: State
    since: datetime
    reason: str
    attempt: int = 0
    failures: int = 0
    terms: Terms | None = None
    open: OpenBind | None = None
    retry: Retry | None = None
    trouble: Trouble | None = None
    binding: HeldBinding | None = None
    refusals: Refusals | None = None
    missed: Trouble | None = None
    findings: tuple[str, ...] = ()
    findings_since: datetime | None = None
    warnings: tuple[str, ...] = ()
    bind_warnings: tuple[str, ...] = ()
    refused_credentials: str | None = None
    unbound_by_operator: bool = False
    unbinding: Unbinding = ""
    unbind_trouble: Trouble | None = None
    interrupted: bool = False
    revoke_pending: tuple[str, ...] = ()
    revoke_since: datetime | None = None

    @property
    def automatic_binding_applies(self) -> bool:
        """Whether the site may sign in without being asked: see `docs/lifecycle.md`."""
        return (
            self.terms is not None
            and self.terms.automatic
            and self.has_usable_credentials
            and not self.unbound_by_operator
            and not self.unbinding
        )

    @property
    def owes_a_sign_in(self) -> bool:
        """Whether the binding was lost and the one automatic sign-in that follows was not tried yet."""
        return self.state is State.FAILED and self.failures == 0

    @property
    def has_usable_credentials(self) -> bool:
        """Whether the configuration holds a sign-in that the service has not refused."""
        if self.terms is None or self.terms.credentials is None:
            return False
        return self.terms.credentials != self.refused_credentials

    @property
    def binding_matches(self) -> bool:
        """Whether the held binding was made from the bind inputs that are configured now."""
        if self.binding is None or self.terms is None:
            return False
        return self.binding.fingerprint == self.terms.fingerprint

    def holds(self, bind_id: str) -> bool:
        """Whether `bind_id` names the held binding."""
        return self.binding is not None and self.binding.bind_id == bind_id


def first_snapshot(site: str, *, site_code: str, at: datetime) -> Snapshot:
    """A site that was never seen before."""
    return Snapshot(site=site, site_code=site_code, state=State.UNCONFIGURED, since=at, reason="never configured")
