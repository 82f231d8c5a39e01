"""The configuration in force, and the one code path by which it changes.

A start, an edit, an atomic rename, a ConfigMap swap, SIGHUP and `POST /-/reload` all end in `reload`. It is
single-flight: who asks while one runs shares the next one. Each site gets an event of its own, so a typo in
one file leaves every other site alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from daemon.config.impact import changes_between, daemon_changes, worst
from daemon.config.model import DaemonSettings, Reading, SiteFile, SiteSettings
from daemon.config.secrets import watched_files
from daemon.engine.differences import (
    all_of,
    daemon_entry,
    first_impact,
    is_gone,
    placed,
    slot_order,
    with_rotated,
    with_what_runs,
)
from daemon.engine.driver import Driver
from daemon.engine.fingerprints import Fingerprints, Marks
from daemon.engine.operations import Caller, ReloadAnswer, SettingChange
from daemon.engine.reload_answer import SiteAnswer, names_of, summed, told
from daemon.ports import Clock, Journal, JournalUnavailable, Observer, VaultLocked
from states import DAEMON, Change, Event, Impact, Snapshot, State, Terms, first_snapshot
from states.events import ConfigAccepted, ConfigRejected, ConfigWithdrawn

_log = logging.getLogger("sitebind.configuration")

_AT_ONCE = 256


class Configuration:
    """Knows the settings in force; asks the driver before it adopts others."""

    def __init__(
        self,
        path: Path,
        *,
        read: Callable[[Path], Reading],
        daemon: DaemonSettings,
        driver: Driver,
        journal: Journal,
        fingerprints: Fingerprints,
        observer: Observer,
        clock: Clock,
        new_site_code: Callable[[], str],
        daemon_changed: Callable[[DaemonSettings], Awaitable[None]],
    ) -> None:
        self.path = path
        self._read = read
        self._driver = driver
        self._journal = journal
        self._fingerprints = fingerprints
        self._observer = observer
        self._clock = clock
        self._new_site_code = new_site_code
        self._daemon_changed = daemon_changed
        self._marks: dict[str, Marks] = {}
        self._daemon_marks: Marks = {}
        self._daemon_told: tuple[Change, ...] = ()
        self._waiting: asyncio.Task[ReloadAnswer] | None = None
        self._running: set[asyncio.Task[ReloadAnswer]] = set()
        self._turn = asyncio.Lock()
        self._started = False
        self._applied_at: datetime | None = None
        self.around_reloads: Callable[[Caller], AbstractContextManager[None]] = lambda _caller: nullcontext()
        self.daemon = daemon
        self.daemon_findings: tuple[str, ...] = ()
        self.daemon_findings_since = clock.now()
        self.sites: dict[str, SiteSettings] = {}
        self.sources: dict[str, Path] = {}

    async def reload(self, caller: Caller) -> ReloadAnswer:
        """Read and apply now. Raises `daemon.ports.JournalUnavailable`; sites recorded before that stay applied."""
        if self._waiting is None:
            self._waiting = self._start(self._in_turn(caller), name="reload")
        return await asyncio.shield(self._waiting)

    async def change(self, caller: Caller, write: Callable[[], Awaitable[None]]) -> ReloadAnswer:
        """Let `write` change files, then reload, in one turn: the answer holds the changes, whoever notices them too.

        Raises what `write` raises, and then nothing is reloaded; it must leave the files alone when it raises.
        """
        return await asyncio.shield(self._start(self._changed(caller, write), name="configuration change"))

    def _start(self, work: Coroutine[Any, Any, ReloadAnswer], *, name: str) -> asyncio.Task[ReloadAnswer]:
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def first_read(self) -> None:
        """Return when the configuration was applied once. Raises `JournalUnavailable` when it cannot be."""
        while not self._started:
            await self.reload(Caller(actor=DAEMON))

    def watched(self) -> set[Path]:
        """The configuration itself and every file that the settings in force depend on."""
        found = {self.path, *watched_files(self.daemon)}
        for settings in self.sites.values():
            found |= watched_files(settings)
        return found

    async def close(self, *, seconds: float) -> None:
        """Wait for a reload that is under way; one that does not end in time is cancelled."""
        for cancelling in (False, True):
            for task in self._running if cancelling else ():
                task.cancel()
            if self._running:
                await asyncio.wait(tuple(self._running), timeout=seconds)

    async def _in_turn(self, caller: Caller) -> ReloadAnswer:
        async with self._turn:
            self._waiting = None
            return await self._told(caller)

    async def _changed(self, caller: Caller, write: Callable[[], Awaitable[None]]) -> ReloadAnswer:
        async with self._turn:
            await write()
            return await self._told(caller)

    async def _told(self, caller: Caller) -> ReloadAnswer:
        try:
            with self.around_reloads(caller):
                answer = await self._reload(caller)
        except Exception:
            self._observer.reloaded(successful=False, at=self._clock.now())
            raise
        at = self._clock.now()
        self._observer.reloaded(successful=answer.outcome != "rejected", at=at)
        if answer.outcome == "applied" or answer.changes:
            self._applied_at = at
        return replace(answer, in_force_since=self._applied_at)

    async def _reload(self, caller: Caller) -> ReloadAnswer:
        reading = await asyncio.to_thread(self._read, self.path)
        await self._fingerprints.prepare()
        answers = [await self._apply_daemon(reading, caller)]
        files = sorted(placed(reading, self.path, self._driver.snapshots), key=lambda file: slot_order(file.id))
        self.sources = {file.id: file.source for file in files}
        at_start = not self._started
        for begin in range(0, len(files), _AT_ONCE):
            part = files[begin : begin + _AT_ONCE]
            answers += await all_of([self._apply_one(f, caller, at_start=at_start) for f in part])
        answers += await self._withdraw_missing({file.id for file in files}, reading, caller)
        self._started = True
        return summed(answers)

    async def _apply_daemon(self, reading: Reading, caller: Caller) -> SiteAnswer:
        findings = tuple(str(p) for p in reading.problems if p.severity == "error")
        changes, marks = await self._changes_of_daemon(reading.daemon)
        news = tuple(change for change in changes if change not in self._daemon_told)
        if news or (findings and findings != self.daemon_findings):
            await self._journal.append(daemon_entry(news, findings, caller, at=self._clock.now()))
        if findings != self.daemon_findings:
            self.daemon_findings, self.daemon_findings_since = findings, self._clock.now()
        if reading.daemon is not None and (news or not self._started):
            # What needs a restart is not in force before it, and is told by every reload until then.
            self.daemon = reading.daemon if not self._started else with_what_runs(reading.daemon, self.daemon)
            await self._daemon_changed(self.daemon)
        if reading.daemon is not None:
            self._daemon_marks = marks
            self._daemon_told = tuple(change for change in changes if change.impact is Impact.RESTART)
        return SiteAnswer(changes=told("", changes), findings=findings, touched=bool(news))

    async def _changes_of_daemon(self, new: DaemonSettings | None) -> tuple[tuple[Change, ...], Marks]:
        if new is None:
            return (), {}
        marks = await self._fingerprints.marks(new)
        if not self._started:
            return (), marks
        return with_rotated(daemon_changes(self.daemon, new), self._daemon_marks, marks), marks

    async def _apply_one(self, file: SiteFile, caller: Caller, *, at_start: bool) -> SiteAnswer:
        """One site; a defect that only its settings wake must not keep the others from theirs."""
        try:
            return await self._apply_site(file, caller, at_start=at_start)
        except JournalUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - logged, and a finding
            _log.exception("the settings of site %s could not be applied", file.id)
            said = f"{file.source.name}: {type(error).__name__}, a defect in sitebind; the log holds the traceback"
            return SiteAnswer(site=file.id, findings=(said,))

    async def _apply_site(self, file: SiteFile, caller: Caller, *, at_start: bool) -> SiteAnswer:
        now = self._snapshot(file.id)
        if file.settings is None:
            return await self._unusable(now, file, caller, at_start=at_start)
        try:
            terms, marks = await self._fingerprints.take(file.settings)
        except VaultLocked as error:
            return await self._reject(now, (f"{file.source.name}: {error}",), caller, at_start=at_start)
        changes = self._changes(file.settings, marks)
        event = self._accept(now, file, terms, changes, caller=caller, at_start=at_start)
        # The settings come first: the event's effects may start a bind that asks for them.
        before = self.sites.get(file.id)
        self.sites[file.id] = file.settings
        if event is not None:
            try:
                await self._driver.ask(file.id, event)
            except Exception:  # what could not be recorded is not in force
                self.sites.pop(file.id)
                self.sites.update({} if before is None else {file.id: before})
                raise
        self._marks[file.id] = marks
        return SiteAnswer(changes=told(file.id, changes), touched=event is not None)

    async def _unusable(self, now: Snapshot, file: SiteFile, caller: Caller, *, at_start: bool) -> SiteAnswer:
        findings = tuple(map(str, file.errors))
        if not at_start and await asyncio.to_thread(is_gone, file.source):
            return await self._withdraw(now, findings, caller)
        return await self._reject(now, findings, caller, at_start=at_start)

    def _snapshot(self, site: str) -> Snapshot:
        if site not in self._driver.snapshots:
            self._driver.adopt(first_snapshot(site, site_code=self._new_site_code(), at=self._clock.now()))
        return self._driver.snapshots[site]

    def _changes(self, settings: SiteSettings, marks: Marks) -> tuple[Change, ...]:
        """Options that differ, and secrets whose text changed behind an unchanged reference."""
        old = self.sites.get(settings.id)
        if old is None:
            return ()
        return with_rotated(changes_between(old, settings), self._marks.get(settings.id, {}), marks)

    def _accept(
        self,
        now: Snapshot,
        file: SiteFile,
        terms: Terms,
        changes: tuple[Change, ...],
        *,
        caller: Caller,
        at_start: bool,
    ) -> ConfigAccepted | None:
        warnings = tuple(map(str, file.warnings))
        if at_start or now.terms is None or file.id not in self.sites:
            impact, reason = first_impact(now, terms)
        elif changes or terms != now.terms:
            impact = worst(changes) if changes else Impact.APPLY
            reason = f"changed: {names_of(changes)}" if changes else "what the secrets resolve to changed"
        elif now.findings or warnings != now.warnings:
            impact, reason = Impact.APPLY, "the file was mended"
        else:
            return None
        return ConfigAccepted(
            actor=caller.actor,
            request_id=caller.request_id,
            terms=terms,
            impact=impact,
            reason=reason,
            changes=changes,
            warnings=warnings,
            at_start=at_start,
        )

    async def _reject(self, now: Snapshot, findings: tuple[str, ...], caller: Caller, *, at_start: bool) -> SiteAnswer:
        event: Event
        if at_start:
            reason = "the configuration had errors when the daemon started"
            event = ConfigWithdrawn(actor=caller.actor, request_id=caller.request_id, reason=reason, findings=findings)
        elif now.findings == findings:
            return SiteAnswer(site=now.site, findings=findings)
        else:
            event = ConfigRejected(actor=caller.actor, request_id=caller.request_id, findings=findings)
        await self._driver.ask(now.site, event)
        return SiteAnswer(site=now.site, findings=findings, touched=True)

    async def _withdraw_missing(self, found: set[str], reading: Reading, caller: Caller) -> list[SiteAnswer]:
        """Sites whose file is gone. When the whole cannot be read, every site keeps its last good settings."""
        gone = [now for now in self._driver.snapshots.values() if now.site not in found]
        general = tuple(str(p) for p in reading.problems if p.severity == "error")
        if general and not reading.sites and not await asyncio.to_thread(is_gone, self.path):
            return [await self._reject(now, general, caller, at_start=not self._started) for now in gone]
        return [await self._withdraw(now, general, caller) for now in gone]

    async def _withdraw(self, now: Snapshot, findings: tuple[str, ...], caller: Caller) -> SiteAnswer:
        if now.terms is None and (self._started or now.state is State.UNCONFIGURED):
            return SiteAnswer()
        event = ConfigWithdrawn(
            actor=caller.actor, request_id=caller.request_id, reason="its configuration file is gone", findings=findings
        )
        await self._driver.ask(now.site, event)
        change = SettingChange(site=now.site, section="site", option="id", result="applied")
        return SiteAnswer(changes=(change,), touched=True)
