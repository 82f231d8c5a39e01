"""The audit trail, sent on to a receiver as it happens: at least once, in order, however often either side falls.

Started and ended by the supervisor, told by the journal and by the settings. Nothing waits for it: it reads the trail
from the database, a page at a time, and a receiver that is away only lets the position stand still.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from daemon.audit_ports import Outbox, Receivers
from daemon.audit_values import ForwardFormat, Receiver
from daemon.config.model import DaemonSettings
from daemon.engine.delivery import Delivery, Progress
from daemon.engine.lasting import LastingProblem
from daemon.engine.operations import Check
from daemon.engine.tasks import Tasks
from daemon.engine.waiting import pause
from daemon.ports import AuditRecord, Clock, JournalUnavailable, Observer, ProviderFault
from states import Fault, Problem, delay_before

_log = logging.getLogger("sitebind.forwarding")

RETRY_FIRST: Final = 1.0
RETRY_CEILING: Final = 60.0
FAREWELL: Final = 5.0
"""Seconds that a stop spends on what is not sent yet, the record of the stop itself among it."""

_REMEDIES: Final[Mapping[Fault, str]] = {
    Fault.NAME_NOT_RESOLVED: "Correct the host in [daemon] audit_forward, or the DNS of this host.",
    Fault.UNREACHABLE: (
        "Start the receiver; check host and port in [daemon] audit_forward, and the firewalls on the way."
    ),
    Fault.TIMED_OUT: (
        "Look at the receiver: with a full disk or queue it reads no more. A firewall on the way may drop silently."
    ),
    Fault.CONNECTION_LOST: (
        "Look at the receiver's own log for why it ends the connection: a restart, messages too long for it (allow "
        "64 KiB), TLS where audit_forward says tcp://, or a certificate of ours that it wants to see "
        "(audit_forward_certificate)."
    ),
    Fault.TLS_FAILED: (
        "The receiver must speak TLS 1.2 or 1.3 at this port. If it wants a certificate of ours, set [daemon] "
        "audit_forward_certificate and audit_forward_key."
    ),
    Fault.CERTIFICATE_UNTRUSTED: (
        "Name the CA of the receiver's certificate in [daemon] audit_forward_ca; the certificate must be for the host "
        "that stands in audit_forward."
    ),
    Fault.CA_FILE_UNREADABLE: "Let the daemon's user read that file; it holds the CAs in PEM form.",
    Fault.SECRET_UNREADABLE: "Let the daemon's user read both files; they are PEM, and the key has no passphrase.",
}
_BY_ITSELF: Final = "Nothing is lost: records are sent when the receiver takes them, and are not pruned before."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    receiver: Receiver
    format: ForwardFormat
    from_now: bool


@dataclass(frozen=True, slots=True)
class _Failure:
    detail: str
    remedy: str


class Forwarder:
    """Idle until `apply` names a receiver."""

    def __init__(
        self, receivers: Receivers, *, outbox: Outbox, observer: Observer, clock: Clock, chance: Callable[[], float]
    ) -> None:
        self._receivers = receivers
        self._outbox = outbox
        self._observer = observer
        self._clock = clock
        self._chance = chance
        self._plan: _Plan | None = None
        self._progress: Progress | None = None
        self._lasting = LastingProblem("audit-forward-failing", "the audit trail is sent on", clock=clock)
        self._failures = 0
        self._stood_at = 0
        self._changed = asyncio.Event()
        self._woken = asyncio.Event()
        self._closing = asyncio.Event()
        self._tasks = Tasks()

    def apply(self, settings: DaemonSettings) -> None:
        """Send to the receiver of these settings from now on. What is under way to another one is sent to it again."""
        plan = _plan_of(settings)
        if plan == self._plan:
            return
        self._plan, self._lasting.problem, self._failures = plan, None, 0
        if plan is None:
            self._progress = None
        self._changed.set()
        self._tell()

    def recorded(self, count: int, records: Iterator[AuditRecord]) -> None:
        """A listener of the journal: so many records were committed."""
        if self._plan is not None:
            self._woken.set()
            self._tell()

    def delivered(self) -> int | None:
        """The number up to which the receiver has the records, whatever happens next; None where there is none."""
        if self._plan is None:
            return None
        return 0 if self._progress is None else self._progress.kept

    def problem(self) -> Problem | None:
        """Why records wait, while they do because of the receiver."""
        problem = self._lasting.problem
        if problem is None:
            return None
        waiting = self._waiting()
        said = f"{waiting} record{'s' if waiting != 1 else ''} wait{'s' if waiting == 1 else ''} for it"
        return replace(problem, text=f"{problem.text}. {said}.")

    def check(self) -> Check | None:
        """A line for the health answer; None where there is no receiver."""
        problem, progress = self.problem(), self._progress
        if problem is not None:
            return Check(name="audit-forward", status="warn", text=problem.text)
        if self._plan is None or progress is None:
            return None
        said = f"sent to {self._plan.receiver} up to record {progress.sent}, {self._waiting()} wait"
        return Check(name="audit-forward", status="pass", text=said)

    def start(self, *, failed: Callable[[BaseException], None]) -> None:
        """Begin; a defect is told to `failed`."""
        self._tasks.start(self._run(), name="audit forwarding", failed=failed)

    async def close(self) -> None:
        """Send what was recorded until now, as far as that is quickly done, and end."""
        self._closing.set()
        self._woken.set()
        if self._plan is None:
            self._changed.set()
        with suppress(TimeoutError):  # what was not sent is sent after the next start
            async with asyncio.timeout(FAREWELL):
                await self._tasks.settle()
        await self._tasks.close(seconds=FAREWELL)

    async def _run(self) -> None:
        while not self._closing.is_set():
            self._changed.clear()
            plan, changed = self._plan, asyncio.create_task(self._changed.wait(), name="audit forwarding: new settings")
            sending = asyncio.create_task(self._forward(plan), name="audit forwarding: sending") if plan else changed
            try:
                await asyncio.wait({changed, sending}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                changed.cancel()
                sending.cancel()
                await asyncio.wait({changed, sending})
            if not sending.cancelled():
                sending.result()

    async def _forward(self, plan: _Plan) -> None:
        """Connection after connection, until the daemon stops."""
        while True:
            failure = await self._tried(plan)
            if failure is not None:
                self._failed(plan, failure)
            if self._closing.is_set():
                return
            if failure is not None:
                delay = delay_before(self._failures, chance=self._chance(), first=RETRY_FIRST, ceiling=RETRY_CEILING)
                await pause(self._clock, delay, woken=self._closing, name="audit forwarding")

    async def _tried(self, plan: _Plan) -> _Failure | None:
        try:
            await self._deliver(plan)
        except ProviderFault as fault:
            return _Failure(fault.detail, _REMEDIES.get(fault.fault, fault.fault.remedy))
        except JournalUnavailable as error:
            return _Failure(str(error), "Mend what the text names; it is tried again by itself.")
        except Exception as error:  # noqa: BLE001 - logged and told; sites are bound all the same
            _log.exception("sending the audit trail met a defect")
            return _Failure(f"{type(error).__name__}, a defect in sitebind", "Please report the log's traceback.")
        return None

    async def _deliver(self, plan: _Plan) -> None:
        progress = self._progress
        if progress is None:
            begin = await self._outbox.begin(now=plan.from_now)
            progress = self._progress = Progress(sent=begin, delivered=begin, kept=begin)
        progress.sent = progress.delivered
        self._tell()
        await self._until_something_waits(progress)
        if progress.sent >= self._outbox.last_seq:
            return  # the daemon stops
        async with self._receivers.connected(plan.receiver, lost=self._woken.set) as connection:
            await Delivery(
                connection,
                progress,
                outbox=self._outbox,
                format=plan.format,
                clock=self._clock,
                woken=self._woken,
                closing=self._closing,
                moved=self._moved,
            ).run()

    async def _until_something_waits(self, progress: Progress) -> None:
        while progress.sent >= self._outbox.last_seq and not self._closing.is_set():
            self._woken.clear()
            await self._woken.wait()

    def _moved(self) -> None:
        """It works again when something was delivered; that it was sent only says that somebody listens."""
        progress = self._progress
        if progress is not None and progress.delivered > self._stood_at:
            self._lasting.over()
            self._failures = 0
        self._tell()

    def _failed(self, plan: _Plan, failure: _Failure) -> None:
        self._failures += 1
        text = f"The audit trail cannot be sent to {plan.receiver}: {failure.detail}"
        self._lasting.failed(text, f"{failure.remedy} {_BY_ITSELF}")
        self._stood_at = self._progress.delivered if self._progress is not None else 0
        if self._progress is not None:
            self._progress.sent = self._progress.delivered
        self._tell(failures=1)

    def _waiting(self) -> int:
        return max(0, self._outbox.last_seq - (self._progress.sent if self._progress is not None else 0))

    def _tell(self, *, failures: int = 0) -> None:
        position = None if self._plan is None else 0 if self._progress is None else self._progress.delivered
        self._observer.forwarded(position=position, waiting=self._waiting(), failures=failures)


def _plan_of(settings: DaemonSettings) -> _Plan | None:
    if settings.audit_forward is None:
        return None
    receiver = replace(
        settings.audit_forward,
        ca=str(settings.audit_forward_ca or ""),
        certificate=str(settings.audit_forward_certificate or ""),
        key=str(settings.audit_forward_key or ""),
    )
    from_now = settings.audit_forward_from == "now"
    return _Plan(receiver=receiver, format=settings.audit_forward_format, from_now=from_now)
