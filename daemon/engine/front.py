"""The engine's front door: what the HTTP API and, through it, the command line and the page may ask."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta

import daemon
from daemon.config.model import DaemonSettings, SecretSource, SiteSettings
from daemon.config.secrets import resolve
from daemon.engine.auditing import Auditing
from daemon.engine.chart import both
from daemon.engine.config_views import ConfigEdit, ConfigView
from daemon.engine.configuration import Configuration
from daemon.engine.driver import Driver
from daemon.engine.editing import Editor
from daemon.engine.feed import Feed
from daemon.engine.happenings import Following, Kind
from daemon.engine.history import ChainStatus, StateHistory
from daemon.engine.live import LiveBinds
from daemon.engine.operations import (
    Caller,
    ConfigWritten,
    Health,
    Lookup,
    OneTimeSignIn,
    ReloadAnswer,
    RequestRefused,
    SiteView,
    Unfolding,
    UnknownSite,
)
from daemon.engine.practice import Practice
from daemon.engine.process_problems import ProcessProblems
from daemon.engine.readiness import configured, readiness
from daemon.engine.recording import report_of
from daemon.engine.reports import Reports
from daemon.engine.resolving import Resolver
from daemon.engine.scheduler import Scheduler
from daemon.engine.signin import ONE_TIME_SECONDS, OneTimeSignIns
from daemon.engine.unbinding import Unbinds
from daemon.engine.vault_keys import rekey
from daemon.ports import (
    AuditFilter,
    AuditRecord,
    Backup,
    BindReport,
    Clock,
    ExportFormat,
    Journal,
    Observer,
    Rekeyed,
    Resolution,
    Secret,
    Vault,
)
from states import BindStep, Refused, Snapshot, State, Step, is_ready, problems
from states.events import BindRequested


class FrontDoor:
    """Implements `daemon.engine.operations.Operations`."""

    def __init__(
        self,
        *,
        driver: Driver,
        configuration: Configuration,
        editor: Editor,
        journal: Journal,
        live: LiveBinds,
        one_time: OneTimeSignIns,
        scheduler: Scheduler,
        practice: Practice,
        resolver: Resolver,
        clock: Clock,
        token: Callable[[], Secret | None],
        vault: Vault,
        own_problems: ProcessProblems,
        feed: Feed,
        observer: Observer,
    ) -> None:
        self._driver = driver
        self._configuration = configuration
        self._editor = editor
        self._one_time = one_time
        self._scheduler = scheduler
        self._practice = practice
        self._resolver = resolver
        self._clock = clock
        self._token = token
        self._vault = vault
        self._feed = feed
        self._own_problems = own_problems
        self._unbinds = Unbinds(driver, clock)
        self._reports = Reports(journal, live=live, clock=clock, known=self._known)
        self._auditing = Auditing(journal, clock, known=self._known, walked=observer.chain_verified)
        self._host = socket.gethostname()
        self._one_at_a_time = asyncio.Lock()

    @property
    def settings(self) -> DaemonSettings:
        """The [daemon] settings in force."""
        return self._configuration.daemon

    def api_token(self) -> Secret | None:
        """The resolved `api_token`, or None when none is configured."""
        return self._token()

    def site_ids(self) -> list[str]:
        """The ids of every site, sorted."""
        return sorted(self._driver.snapshots)

    def sites(self) -> list[SiteView]:
        """Every site, in order of id."""
        return [self._view(self._driver.snapshots[site]) for site in self.site_ids()]

    def site(self, site: str) -> SiteView:
        """One site. Raises `UnknownSite`."""
        return self._view(self._known(site))

    def _known(self, site: str) -> Snapshot:
        if site not in self._driver.snapshots:
            raise UnknownSite(site)
        return self._driver.snapshots[site]

    def _view(self, now: Snapshot) -> SiteView:
        at, settings, binding = self._clock.now(), self._configuration.sites.get(now.site), now.binding
        return SiteView(
            id=now.site,
            state=now.state,
            since=now.since,
            reason=now.reason,
            server_name=self._host,
            display_name=(settings.display_name if settings else "") or self._host,
            site_code=now.site_code,
            region=binding.region if binding else "",
            company=binding.company if binding else "",
            version=daemon.__version__,
            binding=binding,
            retry_at=now.retry.due_at if now.retry else None,
            problems=(*self._own_problems.of(now.site), *problems(now, at=at)),
            ready=is_ready(now, at=at),
            unbinding=bool(now.unbinding),
        )

    async def rebind(
        self, site: str, *, caller: Caller, reason: str, one_time: OneTimeSignIn | None = None
    ) -> BindReport:
        """Ask for a bind; a plain request joins an open one."""
        self._known(site)
        await self._configuration.first_read()  # a bind at the start must not miss the settings of its site
        if one_time is not None:
            self._demand_a_password_sign_in(site)
        event = BindRequested(
            actor=caller.actor, request_id=caller.request_id, reason=reason, one_time=one_time is not None
        )
        step = await (self._driver.ask(site, event) if one_time is None else self._ask_with(one_time, site, event))
        if isinstance(step, Refused):
            raise self._refusal(step)
        opened = step.after.open
        if opened is None:  # the table opens a bind or refuses; nothing else answers a request
            raise RequestRefused("not-configured", step.after.reason)
        return report_of(site, opened)

    def _demand_a_password_sign_in(self, site: str) -> None:
        settings = self._configuration.sites.get(site)
        if settings is not None and settings.binding.authentication_type == "application":
            raise RequestRefused(
                "signs-in-as-application",
                f"site {site} signs in as an application with its client id and secret; an e-mail address and a "
                "password are of no use to it. Ask for a bind without them",
            )

    async def _ask_with(self, one_time: OneTimeSignIn, site: str, event: BindRequested) -> Step:
        """One at a time, so that two requests never mix up whose credentials are offered."""
        async with self._one_at_a_time:
            with self._one_time.offer(site, one_time):
                step = await self._driver.ask(site, event)
        due = self._clock.now() + timedelta(seconds=ONE_TIME_SECONDS + 1)
        self._scheduler.at(due, (site, "forget one-time sign-in"), self._one_time.forget_old)
        return step

    def _refusal(self, step: Refused) -> RequestRefused:
        now = step.before
        bind_id = now.open.bind_id if now.open else None
        return RequestRefused(step.refusal.value, step.reason, findings=now.findings, bind_id=bind_id)

    async def unbind(self, site: str, *, caller: Caller, reason: str, local_only: bool = False) -> SiteView:
        """End the association; answers when the intent is recorded."""
        self._known(site)
        step = await self._unbinds.ask(site, caller=caller, reason=reason, local_only=local_only)
        if isinstance(step, Refused):
            raise self._refusal(step)
        return self._view(step.after)

    async def wait_for_unbind(self, site: str, *, seconds: float) -> SiteView:
        """The site when no unbind is under way, or as it stands after `seconds`."""
        self._known(site)
        await self._unbinds.wait(site, seconds=seconds)
        return self.site(site)

    async def wait_for_bind(self, site: str, bind_id: str, *, seconds: float) -> BindReport:
        """The report when the bind has ended, or as it stands after `seconds`."""
        return await self._reports.ended(site, bind_id, seconds=seconds)

    async def binds(self, site: str, *, limit: int = 50) -> list[BindReport]:
        """Reports, newest first; the open one shows its steps so far."""
        return await self._reports.newest(site, limit=limit)

    async def bind(self, site: str, bind_id: str) -> BindReport:
        """One report."""
        return await self._reports.one(site, bind_id)

    async def doctor(
        self, site: str, *, caller: Caller, sign_in: bool = False, told: Callable[[BindStep], None] | None = None
    ) -> tuple[BindStep, ...]:
        """Examine every layer between this server and a working binding."""
        self._known(site)
        followers = self._feed.telling_layers(site, run=caller.request_id or "")
        heard = followers if told is None else both(told, followers)
        return await self._practice.examine(site, caller=caller, sign_in=sign_in, told=heard)

    async def lookup(self, site: str, lookup: Lookup) -> Resolution:
        """Look an address or a group up in the site's directory."""
        return await self._resolver.lookup(self._usable(site), lookup)

    async def unfold(self, site: str, lookup: Lookup) -> Unfolding:
        """As `lookup`, with the members as they come."""
        return await self._resolver.unfold(self._usable(site), lookup)

    def _usable(self, site: str) -> SiteSettings:
        now, settings = self._known(site), self._configuration.sites.get(site)
        if settings is None or now.state is State.UNCONFIGURED:
            reason = f"site {site} has no usable configuration: {now.reason}"
            raise RequestRefused("not-configured", reason, findings=now.findings)
        return settings

    async def reload(self, *, caller: Caller) -> ReloadAnswer:
        """Read the configuration again now."""
        return await self._configuration.reload(caller)

    async def config(self, site: str) -> ConfigView:
        """The site's configuration file, without its secrets."""
        return await self._editor.view(site)

    async def write_config(self, site: str, edit: ConfigEdit, *, caller: Caller) -> ConfigWritten:
        """Change the site's file and apply it."""
        return await self._editor.write(site, edit, caller=caller)

    async def rekey_vault(self, *, caller: Caller, source: SecretSource | None = None) -> Rekeyed:
        """Seal every record of the vault with another key."""
        return await rekey(self._vault, caller=caller, source=source, resolve=resolve, clock=self._clock)

    async def record_backup(self, backup: Backup, *, caller: Caller) -> int:
        """Record a backup that was made of the database."""
        return await self._auditing.backup_made(backup, caller=caller)

    async def audit(self, wanted: AuditFilter) -> list[AuditRecord]:
        """The audit records that are wanted."""
        return await self._auditing.records(wanted)

    async def export_audit(self, wanted: AuditFilter, format: ExportFormat, *, caller: Caller) -> AsyncIterator[bytes]:
        """The same to be kept."""
        return await self._auditing.export(wanted, format, caller=caller)

    async def chain(self, *, fresh: bool = False) -> ChainStatus:
        """Whether the audit chain is intact."""
        return await self._auditing.chain(fresh=fresh)

    async def state_history(self, site: str, since: datetime) -> StateHistory:
        """In which states the site was since a time."""
        return await self._auditing.history(site, since)

    def follow(
        self, *, site: str | None, after: int | None, only: frozenset[Kind], cut: Callable[[], None]
    ) -> Following:
        """Hear of everything as it happens."""
        if site is not None:
            self._known(site)
        return self._feed.follow(site=site, after=after, only=only, cut=cut)

    def healthy(self) -> Health:
        """About the process and its loop only."""
        return Health(ok=True, checks=self._own_problems.checks())

    def ready(self, site: str | None = None) -> Health:
        """Whether every site (or the one named) holds a usable binding."""
        snapshots = [self._known(site)] if site else configured(self._driver.snapshots.values())
        return readiness(snapshots, at=self._clock.now())
