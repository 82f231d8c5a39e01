"""An engine in memory behind the real `Operations`: the real lifecycle decides, a test plays the service."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from daemon.config.model import DaemonSettings, SecretSource
from daemon.engine.clock import SystemClock
from daemon.engine.config_views import ConfigEdit, ConfigView, FieldFinding, OptionView
from daemon.engine.feed import Feed
from daemon.engine.happenings import Following, Kind
from daemon.engine.history import ChainStatus, StateHistory, intervals_of
from daemon.engine.operations import (
    Caller,
    Check,
    ConfigWritten,
    Health,
    OneTimeSignIn,
    ReloadAnswer,
    RequestRefused,
    SiteView,
    UnknownBind,
    UnknownSite,
)
from daemon.ports import (
    AuditFilter,
    AuditRecord,
    Backup,
    BindReport,
    Clock,
    ExportFormat,
    JournalUnavailable,
    Rekeyed,
    Secret,
)
from states import (
    BindStep,
    Event,
    Fault,
    HeldBinding,
    Impact,
    Lifecycle,
    Refused,
    Snapshot,
    Step,
    Terms,
    first_snapshot,
    is_ready,
    problems,
)
from states.events import (
    BindFailed,
    BindRequested,
    BindSucceeded,
    ConfigAccepted,
    ConfigWithdrawn,
    UnbindFailed,
    UnbindFinished,
    UnbindRequested,
)
from tests.web import memory_trail
from tests.web.memory_access import MemoryAccess

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
TERMS = Terms(fingerprint="inputs", credentials="sign-in", automatic=False)
STEP = BindStep(step="connect", status="passed", seconds=0.25, detail="127.0.0.1:443", remedy="")
NOTHING = "0" * 64
CONFIG = ConfigView(
    site="default",
    file="config.ini",
    etag='"1"',
    managed="",
    options=(
        OptionView(
            section="account", option="smtp_address", value="a@b.c", default="", given=True, secret=False,
            impact="rebind", meaning="Primary SMTP address",
        ),
        OptionView(
            section="account", option="password", value="", default="", given=True, secret=True, impact="rebind",
            meaning="The password", kind="file", reference="file:secrets/x", fingerprint="0123abcd", set_at=NOON,
        ),
        OptionView(
            section="binding", option="automatic", value="", default="yes", given=False, secret=False, impact="apply",
            meaning="Bind without being asked", choices=("yes", "no"),
        ),
    ),
    findings=(
        FieldFinding(
            section="binding", option="password", line=None, severity="warning", text="is not set", remedy="set it"
        ),
    ),
)  # fmt: skip


class MemoryEngine:
    """Implements `daemon.engine.operations.Operations`; time passes a second with every event."""

    def __init__(self, *sites: str, clock: Clock | None = None) -> None:
        self.settings = DaemonSettings(port=0)
        self.token: Secret | None = None
        self.access = MemoryAccess(clock or SystemClock())
        self.journal_down = False
        self.broken: Exception | None = None
        self.well = True
        self.reload_answer = ReloadAnswer(outcome="unchanged")
        self.seen: list[tuple[str, Caller, str, OneTimeSignIn | None]] = []
        self.reloads: list[Caller] = []
        self.examined: list[tuple[str, Caller, bool]] = []
        self.rekeys: list[tuple[Caller, SecretSource | None]] = []
        self.backups: list[tuple[Caller, Backup]] = []
        self.backup_refusal: Exception | None = None
        self.rekey_refusal: Exception | None = None
        self.config_refusal: Exception | None = None
        self.config_written = ConfigWritten(etag='"2"', backup="", reload=ReloadAnswer(outcome="unchanged"))
        self.edits: list[tuple[str, Caller, ConfigEdit]] = []
        self.unbinds: list[tuple[str, Caller, str, bool]] = []
        self.records: list[AuditRecord] = []
        self.exports: list[tuple[Caller, ExportFormat, AuditFilter]] = []
        self.export_breaks: Exception | None = None
        self.chains: list[bool] = []
        self.chain_status = ChainStatus(intact=True, records=0, head=NOTHING, checked_at=NOON)
        self._lifecycle = Lifecycle()
        self._snapshots: dict[str, Snapshot] = {}
        self._reports: dict[str, list[BindReport]] = {}
        self.feed = Feed(trail=_Records(self.records), snapshots=self._snapshots, clock=clock or SystemClock())
        self.feed.attach(self.site)
        self.asked = asyncio.Event()
        self._ended = asyncio.Condition()
        for site in sites:
            self.add(site)

    # What a test does.

    def add(self, site: str, *, configured: bool = True) -> None:
        """Make a site known, configured unless said otherwise."""
        self._snapshots[site] = first_snapshot(site, site_code="c0de", at=NOON)
        self._reports[site] = []
        if configured:
            self.apply(site, ConfigAccepted(terms=TERMS, impact=Impact.REBIND, reason="first configuration"))

    def withdraw(self, site: str, finding: str) -> None:
        """Take the site's configuration away."""
        self.apply(site, ConfigWithdrawn(reason="bad file", findings=(finding,)))

    async def succeed(self, site: str) -> None:
        """End the open bind well."""
        open_bind = self._open(site)
        binding = HeldBinding(
            bind_id=open_bind.id,
            method="cloud",
            account_code="CXX1",
            company="Müller & Söhne",
            region="eu",
            fingerprint=TERMS.fingerprint,
            bound_at=self._at(),
            verified_at=self._at(),
            expires_at=self._at() + timedelta(days=90),
        )
        self.apply(site, BindSucceeded(attempt=open_bind.attempt, binding=binding))
        await self._close(site, replace(open_bind, state="succeeded"))

    async def fail(self, site: str, fault: Fault) -> None:
        """End the open bind badly."""
        open_bind = self._open(site)
        self.apply(site, BindFailed(attempt=open_bind.attempt, fault=fault, detail="as the test wants it"))
        await self._close(site, replace(open_bind, state="failed", fault=fault))

    async def unbound(self, site: str, *, fault: Fault | None = None, left_behind: str = "") -> None:
        """End the unbind that is under way, badly with a fault."""
        held = self._known(site).binding
        assert held is not None
        if fault is not None:
            self.apply(site, UnbindFailed(bind_id=held.bind_id, fault=fault, detail="as the test wants it"))
        else:
            self.apply(site, UnbindFinished(bind_id=held.bind_id, left_behind=left_behind))
        async with self._ended:
            self._ended.notify_all()

    def apply(self, site: str, event: Event) -> Step:
        """Let the real lifecycle answer, and keep and record what it says."""
        step = self._lifecycle.apply(self._snapshots[site], event, at=self._at(), chance=0.5)
        self._snapshots[site] = step.after
        if not isinstance(step, Refused):
            self._record(site, step)
            self.feed.saw(step)
        return step

    # What the web layer asks.

    def api_token(self) -> Secret | None:
        return self.token

    def site_ids(self) -> list[str]:
        return sorted(self._snapshots)

    def sites(self) -> list[SiteView]:
        return [self.site(site) for site in self.site_ids()]

    def site(self, site: str) -> SiteView:
        if self.broken is not None:
            raise self.broken
        now = self._known(site)
        held = now.binding
        return SiteView(
            id=site,
            state=now.state,
            since=now.since,
            reason=now.reason,
            server_name="server1",
            display_name="Server 1",
            site_code=now.site_code,
            region=held.region if held else "",
            company=held.company if held else "",
            version="0",
            binding=held,
            retry_at=now.retry.due_at if now.retry else None,
            problems=problems(now, at=self._at()),
            ready=is_ready(now, at=self._at()),
            unbinding=bool(now.unbinding),
        )

    async def rebind(
        self, site: str, *, caller: Caller, reason: str, one_time: OneTimeSignIn | None = None
    ) -> BindReport:
        self._known(site)
        if self.journal_down:
            raise JournalUnavailable("the disk that holds sitebind.db is full; free some space")
        self.seen.append((site, caller, reason, one_time))
        self.asked.set()
        step = self.apply(
            site,
            BindRequested(
                actor=caller.actor,
                request_id=caller.request_id,
                reason=reason,
                one_time=one_time is not None,
            ),
        )
        open_bind = step.after.open
        if isinstance(step, Refused):
            raise RequestRefused(
                step.refusal.value,
                step.reason,
                findings=step.after.findings,
                bind_id=open_bind.bind_id if open_bind else None,
            )
        assert open_bind is not None
        if step.before.open is None:
            self._reports[site].insert(
                0,
                BindReport(
                    id=open_bind.bind_id,
                    site=site,
                    attempt=open_bind.attempt,
                    actor=open_bind.actor,
                    reason=open_bind.reason,
                    state="open",
                    started_at=open_bind.started_at,
                    steps=(STEP,),
                ),
            )
        return self._open(site)

    async def unbind(self, site: str, *, caller: Caller, reason: str, local_only: bool = False) -> SiteView:
        self._known(site)
        if self.journal_down:
            raise JournalUnavailable("the disk that holds sitebind.db is full; free some space")
        step = self.apply(
            site,
            UnbindRequested(actor=caller.actor, request_id=caller.request_id, reason=reason, local_only=local_only),
        )
        if isinstance(step, Refused):
            raise RequestRefused(step.refusal.value, step.reason)
        self.unbinds.append((site, caller, reason, local_only))
        self.asked.set()
        return self.site(site)

    async def wait_for_unbind(self, site: str, *, seconds: float) -> SiteView:
        try:
            async with asyncio.timeout(seconds), self._ended:
                while self.site(site).unbinding:
                    await self._ended.wait()
        except TimeoutError:
            pass
        return self.site(site)

    async def wait_for_bind(self, site: str, bind_id: str, *, seconds: float) -> BindReport:
        try:
            async with asyncio.timeout(seconds), self._ended:
                while (await self.bind(site, bind_id)).state == "open":
                    await self._ended.wait()
        except TimeoutError:
            pass
        return await self.bind(site, bind_id)

    async def binds(self, site: str, *, limit: int = 50) -> list[BindReport]:
        self._known(site)
        return self._reports[site][:limit]

    async def bind(self, site: str, bind_id: str) -> BindReport:
        self._known(site)
        for report in self._reports[site]:
            if report.id == bind_id:
                return report
        raise UnknownBind(bind_id)

    async def doctor(
        self, site: str, *, caller: Caller, sign_in: bool = False, told: Callable[[BindStep], None] | None = None
    ) -> tuple[BindStep, ...]:
        self._known(site)
        if sign_in and self.journal_down:
            raise JournalUnavailable("the disk that holds sitebind.db is full; free some space")
        self.examined.append((site, caller, sign_in))
        layers = (STEP, replace(STEP, step="tls", status="failed", detail="a stranger signed", remedy="Ask."))
        for layer in layers:
            if told is not None:
                told(layer)
        return layers

    async def rekey_vault(self, *, caller: Caller, source: SecretSource | None = None) -> Rekeyed:
        if self.rekey_refusal is not None:
            raise self.rekey_refusal
        self.rekeys.append((caller, source))
        return Rekeyed(records=2, left=(), old_key="0123456789abcdef", new_key="fedcba9876543210")

    async def record_backup(self, backup: Backup, *, caller: Caller) -> int:
        if self.backup_refusal is not None:
            raise self.backup_refusal
        self.backups.append((caller, backup))
        return 7

    async def config(self, site: str) -> ConfigView:
        self._known(site)
        return replace(CONFIG, site=site)

    async def write_config(self, site: str, edit: ConfigEdit, *, caller: Caller) -> ConfigWritten:
        self._known(site)
        if self.config_refusal is not None:
            raise self.config_refusal
        self.edits.append((site, caller, edit))
        return self.config_written

    async def reload(self, *, caller: Caller) -> ReloadAnswer:
        if self.journal_down:
            raise JournalUnavailable("the disk that holds sitebind.db is full; free some space")
        self.reloads.append(caller)
        return self.reload_answer

    async def audit(self, wanted: AuditFilter) -> list[AuditRecord]:
        if wanted.site is not None:
            self._known(wanted.site)
        return memory_trail.found(self.records, wanted)

    async def export_audit(self, wanted: AuditFilter, format: ExportFormat, *, caller: Caller) -> AsyncIterator[bytes]:
        records = await self.audit(wanted)
        if self.journal_down:
            raise JournalUnavailable("the disk that holds sitebind.db is full; free some space")
        self.exports.append((caller, format, wanted))
        return memory_trail.pieces(records, format, broken=self.export_breaks)

    async def chain(self, *, fresh: bool = False) -> ChainStatus:
        self.chains.append(fresh)
        return self.chain_status

    async def state_history(self, site: str, since: datetime) -> StateHistory:
        self._known(site)
        intervals = intervals_of(record for record in self.records if record.site == site)
        return StateHistory(site=site, since=since, until=self._at(), intervals=intervals)

    def follow(
        self, *, site: str | None, after: int | None, only: frozenset[Kind], cut: Callable[[], None]
    ) -> Following:
        if site is not None:
            self._known(site)
        return self.feed.follow(site=site, after=after, only=only, cut=cut)

    def healthy(self) -> Health:
        status = "pass" if self.well else "fail"
        return Health(ok=self.well, checks=(Check(name="loop", status=status, text="turns"),))

    def ready(self, site: str | None = None) -> Health:
        asked = [self.site(site)] if site is not None else self.sites()
        checks = tuple(
            Check(name=view.id, status="pass" if view.ready else "fail", text=view.state.value) for view in asked
        )
        return Health(ok=bool(asked) and all(view.ready for view in asked), checks=checks)

    def _known(self, site: str) -> Snapshot:
        if site not in self._snapshots:
            raise UnknownSite(site)
        return self._snapshots[site]

    def _open(self, site: str) -> BindReport:
        return next(report for report in self._reports[site] if report.state == "open")

    async def _close(self, site: str, ended: BindReport) -> None:
        finished = replace(ended, finished_at=self._at())
        self._reports[site] = [finished if r.id == ended.id else r for r in self._reports[site]]
        async with self._ended:
            self._ended.notify_all()

    def _at(self) -> datetime:
        return NOON + timedelta(seconds=len(self.records))

    def _record(self, site: str, step: Step) -> None:
        previous = self.records[-1].hash if self.records else NOTHING
        seq = len(self.records) + 1
        self.records.append(
            AuditRecord(
                seq=seq,
                at=f"2026-03-04T12:00:{seq % 60:02}.000000+00:00",
                site=site,
                actor=step.event.actor,
                event=step.event.trigger,
                before=step.before.state.value,
                after=step.after.state.value,
                request_id=step.event.request_id,
                detail={"n": seq},
                previous_hash=previous,
                hash=hashlib.sha256(f"{previous}{seq}".encode()).hexdigest(),
            )
        )
        self.feed.recorded(1, iter(self.records[-1:]))


class _Records:
    """The audit trail as the feed wants it."""

    def __init__(self, records: list[AuditRecord]) -> None:
        self._records = records

    @property
    def last_seq(self) -> int:
        return len(self._records)

    @property
    def first_seq(self) -> int:
        return 1

    async def audit(self, *, site: str | None = None, after: int = 0, limit: int = 100) -> list[AuditRecord]:
        return [r for r in self._records if r.seq > after and site in (None, r.site)][:limit]
