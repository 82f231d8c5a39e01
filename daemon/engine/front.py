"""The engine's front door: what the HTTP API and, through it, the command line and the page may ask."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import daemon
from daemon.config.model import DaemonSettings
from daemon.engine.configuration import Configuration
from daemon.engine.driver import Driver
from daemon.engine.live import LiveBinds
from daemon.engine.operations import (
    Caller,
    Check,
    Health,
    OneTimeSignIn,
    ReloadAnswer,
    RequestRefused,
    SiteView,
    UnknownBind,
    UnknownSite,
)
from daemon.engine.recording import report_of
from daemon.engine.scheduler import Scheduler
from daemon.engine.signin import ONE_TIME_SECONDS, OneTimeSignIns
from daemon.ports import AuditRecord, BindReport, Clock, Journal, Secret
from states import Problem, Refused, Snapshot, State, Step, is_ready, problems
from states.events import BindRequested


class FrontDoor:
    """Implements `daemon.engine.operations.Operations`."""

    def __init__(
        self,
        *,
        driver: Driver,
        configuration: Configuration,
        journal: Journal,
        live: LiveBinds,
        one_time: OneTimeSignIns,
        scheduler: Scheduler,
        clock: Clock,
        token: Callable[[], Secret | None],
        vault_problem: Callable[[], str | None],
    ) -> None:
        self._driver = driver
        self._configuration = configuration
        self._journal = journal
        self._live = live
        self._one_time = one_time
        self._scheduler = scheduler
        self._clock = clock
        self._token = token
        self._vault_problem = vault_problem
        self._host = socket.gethostname()
        self._began = clock.now()
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
            problems=(*self._own_problems(), *problems(now, at=at)),
            ready=is_ready(now, at=at),
        )

    def _own_problems(self) -> tuple[Problem, ...]:
        """What only the process knows, and what touches every site."""
        found: list[Problem] = []
        if self._driver.journal_trouble is not None:
            text, since = self._driver.journal_trouble
            found.append(
                Problem(
                    code="journal-not-writable",
                    severity="error",
                    text=text,
                    remedy="Make room or make the database writable; waiting records are written then by themselves.",
                    since=since,
                )
            )
        if self._configuration.daemon_findings:
            found.append(
                Problem(
                    code="configuration-rejected",
                    severity="warning",
                    text=" | ".join(self._configuration.daemon_findings),
                    remedy="Mend [daemon]; it is read again when it is saved. The last good settings stay in force.",
                    since=self._configuration.daemon_findings_since,
                )
            )
        locked = self._vault_problem()
        if locked is not None:
            found.append(
                Problem(
                    code="vault-locked",
                    severity="error",
                    text=locked,
                    remedy="Put the vault's key back where the text says and restart; without it unbind and bind anew.",
                    since=self._began,
                )
            )
        return tuple(found)

    async def rebind(
        self, site: str, *, caller: Caller, reason: str, one_time: OneTimeSignIn | None = None
    ) -> BindReport:
        """Ask for a bind; a plain request joins an open one."""
        self._known(site)
        await self._configuration.first_read()  # a bind at the start must not miss the settings of its site
        event = BindRequested(
            actor=caller.actor,
            request_id=caller.request_id,
            reason=reason,
            one_time=one_time is not None,
        )
        step = await (self._driver.ask(site, event) if one_time is None else self._ask_with(one_time, site, event))
        if isinstance(step, Refused):
            raise self._refusal(step)
        opened = step.after.open
        if opened is None:  # the table opens a bind or refuses; nothing else answers a request
            raise RequestRefused("not-configured", step.after.reason)
        return report_of(site, opened)

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

    async def wait_for_bind(self, site: str, bind_id: str, *, seconds: float) -> BindReport:
        """The report when the bind has ended, or as it stands after `seconds`."""
        waiting = (
            asyncio.create_task(self._live.wait(bind_id), name=f"wait for {bind_id}"),
            asyncio.create_task(self._clock.sleep(seconds), name=f"wait at most {seconds} s for {bind_id}"),
        )
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        return await self.bind(site, bind_id)

    async def binds(self, site: str, *, limit: int = 50) -> list[BindReport]:
        """Reports, newest first; the open one shows its steps so far."""
        self._known(site)
        return [self._current(report) for report in await self._journal.reports(site, limit=limit)]

    async def bind(self, site: str, bind_id: str) -> BindReport:
        """One report."""
        self._known(site)
        report = await self._journal.report(site, bind_id)
        if report is None:
            raise UnknownBind(bind_id)
        return self._current(report)

    def _current(self, report: BindReport) -> BindReport:
        if report.state != "open":
            return report
        opened = self._driver.snapshots[report.site].open
        if opened is None or opened.bind_id != report.id:
            return report
        return replace(report, steps=self._live.steps(report.id))

    async def reload(self, *, caller: Caller) -> ReloadAnswer:
        """Read the configuration again now."""
        return await self._configuration.reload(caller)

    async def audit(self, *, site: str | None, after: int, limit: int) -> list[AuditRecord]:
        """Audit records with `seq > after`."""
        if site is not None:
            self._known(site)
        return await self._journal.audit(site=site, after=after, limit=limit)

    def healthy(self) -> Health:
        """About the process and its loop only: being able to answer is the proof."""
        checks = [Check(name="event-loop", status="pass")]
        if self._driver.journal_trouble is not None:
            checks.append(Check(name="journal", status="warn", text=self._driver.journal_trouble[0]))
        if (locked := self._vault_problem()) is not None:
            checks.append(Check(name="vault", status="warn", text=locked))
        return Health(ok=True, checks=tuple(checks))

    def ready(self, site: str | None = None) -> Health:
        """Whether every site (or the one named) holds a usable binding."""
        snapshots = [self._known(site)] if site else self._configured()
        if not snapshots:
            text = "no site is configured"
            return Health(ok=False, checks=(Check(name="configuration", status="fail", text=text),))
        at = self._clock.now()
        checks = [(is_ready(now, at=at), now) for now in sorted(snapshots, key=lambda now: now.site)]
        return Health(ok=all(ok for ok, _ in checks), checks=tuple(_site_check(ok, now) for ok, now in checks))

    def _configured(self) -> list[Snapshot]:
        """Every site but those whose file was taken away: they are nobody's business any more."""
        known = self._driver.snapshots.values()
        return [now for now in known if now.state is not State.UNCONFIGURED or now.findings]


def _site_check(ok: bool, now: Snapshot) -> Check:  # noqa: FBT001 - a pair from the line above
    name, text = f"site {now.site}", f"{now.state.value}: {now.reason}"
    if not ok:
        return Check(name=name, status="fail", text=text)
    if now.state is State.BOUND:
        return Check(name=name, status="pass", text="bound")
    return Check(name=name, status="warn", text=f"{text}; the earlier binding is still held")
