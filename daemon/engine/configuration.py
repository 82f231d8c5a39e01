"""The configuration in force, and the one code path by which it changes.

A start, an edit, an atomic rename, a ConfigMap swap, SIGHUP and `POST /-/reload` all end in `reload`. It is
single-flight: who asks while one runs shares the next one. Each site gets an event of its own, so a typo in
one file leaves every other site alone.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from daemon.config.impact import changes_between, daemon_changes, worst
from daemon.config.model import DaemonSettings, Reading, SiteFile, SiteSettings
from daemon.config.secrets import watched_files
from daemon.engine.driver import Driver
from daemon.engine.fingerprints import Fingerprints, Marks
from daemon.engine.operations import Caller, ReloadAnswer, SettingChange
from daemon.engine.reload_answer import SiteAnswer, names_of, summed, told
from daemon.ports import Clock, Journal, JournalEntry, JournalUnavailable, Observer, VaultLocked
from states import Change, Event, Impact, Snapshot, State, Terms, first_snapshot
from states.events import ConfigAccepted, ConfigRejected, ConfigWithdrawn

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
        self._path = path
        self._read = read
        self._driver = driver
        self._journal = journal
        self._fingerprints = fingerprints
        self._observer = observer
        self._clock = clock
        self._new_site_code = new_site_code
        self._daemon_changed = daemon_changed
        self._marks: dict[str, Marks] = {}
        self._waiting: asyncio.Task[ReloadAnswer] | None = None
        self._running: set[asyncio.Task[ReloadAnswer]] = set()
        self._turn = asyncio.Lock()
        self._started = False
        self.daemon = daemon
        self.daemon_findings: tuple[str, ...] = ()
        self.daemon_findings_since = clock.now()
        self.sites: dict[str, SiteSettings] = {}

    async def reload(self, caller: Caller) -> ReloadAnswer:
        """Read and apply now. Raises `daemon.ports.JournalUnavailable`; sites recorded before that stay applied."""
        if self._waiting is None:
            self._waiting = asyncio.create_task(self._in_turn(caller), name="reload")
            self._running.add(self._waiting)
            self._waiting.add_done_callback(self._running.discard)
        return await asyncio.shield(self._waiting)

    def watched(self) -> set[Path]:
        """The configuration itself and every file that the settings in force depend on."""
        found = {self._path, *watched_files(self.daemon)}
        for settings in self.sites.values():
            found |= watched_files(settings)
        return found

    async def close(self) -> None:
        """Wait for a reload that is under way."""
        if self._running:
            await asyncio.wait(tuple(self._running))

    async def _in_turn(self, caller: Caller) -> ReloadAnswer:
        async with self._turn:
            self._waiting = None
            answer = await self._reload(caller)
        self._observer.reloaded(successful=answer.outcome != "rejected", at=self._clock.now())
        return answer

    async def _reload(self, caller: Caller) -> ReloadAnswer:
        reading = await asyncio.to_thread(self._read, self._path)
        answers = [await self._apply_daemon(reading, caller)]
        files = sorted(self._placed(reading), key=lambda file: slot_order(file.id))
        at_start = not self._started
        for begin in range(0, len(files), _AT_ONCE):
            part = files[begin : begin + _AT_ONCE]
            answers += await asyncio.gather(*(self._apply_site(f, caller, at_start=at_start) for f in part))
        answers += await self._withdraw_missing({file.id for file in files}, reading, caller)
        self._started = True
        return summed(answers)

    def _placed(self, reading: Reading) -> list[SiteFile]:
        """The files with the ids that their findings belong to.

        A single file that cannot be read does not say its site's id: it speaks of the site that it held.
        """
        if len(reading.sites) != 1 or reading.sites[0].settings is not None:
            return list(reading.sites)
        file = reading.sites[0]
        known = [now.site for now in self._driver.snapshots.values() if now.terms is not None]
        if file.source != self._path or file.id in known or not known:
            return [file]
        return [replace(file, id=site) for site in known]

    async def _apply_daemon(self, reading: Reading, caller: Caller) -> SiteAnswer:
        findings = tuple(str(p) for p in reading.problems if p.severity == "error")
        changes = daemon_changes(self.daemon, reading.daemon) if reading.daemon and self._started else ()
        if changes or (findings and findings != self.daemon_findings):
            await self._journal.append(self._daemon_entry(changes, findings, caller))
        if findings != self.daemon_findings:
            self.daemon_findings, self.daemon_findings_since = findings, self._clock.now()
        if reading.daemon is not None and (changes or not self._started):
            self.daemon = reading.daemon
            await self._daemon_changed(reading.daemon)
        return SiteAnswer(changes=told("", changes), findings=findings, touched=bool(changes))

    def _daemon_entry(self, changes: tuple[Change, ...], findings: tuple[str, ...], caller: Caller) -> JournalEntry:
        told = [{"section": c.section, "option": c.option, "result": c.impact.value} for c in changes]
        return JournalEntry(
            at=self._clock.now(),
            site="",
            actor=caller.actor,
            event="config_rejected" if findings else "config_accepted",
            before="",
            after="",
            request_id=caller.request_id,
            detail={"findings": list(findings)} if findings else {"changes": told},
        )

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
            except JournalUnavailable:
                self._put_back(file.id, before)
                raise
        self._marks[file.id] = marks
        return SiteAnswer(changes=told(file.id, changes), touched=event is not None)

    def _put_back(self, site: str, before: SiteSettings | None) -> None:
        """What could not be recorded is not in force."""
        if before is None:
            del self.sites[site]
        else:
            self.sites[site] = before

    async def _unusable(self, now: Snapshot, file: SiteFile, caller: Caller, *, at_start: bool) -> SiteAnswer:
        findings = tuple(map(str, file.errors))
        if not at_start and not await asyncio.to_thread(file.source.exists):
            return await self._withdraw(now, findings, caller)
        return await self._reject(now, findings, caller, at_start=at_start)

    def _snapshot(self, site: str) -> Snapshot:
        if site not in self._driver.snapshots:
            now = self._clock.now()
            self._driver.adopt(first_snapshot(site, site_code=self._new_site_code(), at=now))
        return self._driver.snapshots[site]

    def _changes(self, settings: SiteSettings, marks: Marks) -> tuple[Change, ...]:
        """Options that differ, and secrets whose text changed behind an unchanged reference."""
        old = self.sites.get(settings.id)
        if old is None:
            return ()
        changes = changes_between(old, settings)
        named = {(change.section, change.option) for change in changes}
        before = self._marks.get(settings.id, {})
        rotated = [key for key, mark in marks.items() if before.get(key) != mark and key not in named]
        return (*changes, *(Change(section=s, option=o, impact=Impact.REBIND) for s, o in rotated))

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
            impact, reason = _first_impact(now, terms)
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
            return SiteAnswer(findings=findings)
        else:
            event = ConfigRejected(actor=caller.actor, request_id=caller.request_id, findings=findings)
        await self._driver.ask(now.site, event)
        return SiteAnswer(findings=findings, touched=True)

    async def _withdraw_missing(self, found: set[str], reading: Reading, caller: Caller) -> list[SiteAnswer]:
        """Sites whose file is gone. When the whole cannot be read, every site keeps its last good settings."""
        gone = [now for now in self._driver.snapshots.values() if now.site not in found]
        general = tuple(str(p) for p in reading.problems if p.severity == "error")
        if general and not reading.sites and await asyncio.to_thread(self._path.exists):
            return [await self._reject(now, general, caller, at_start=not self._started) for now in gone]
        return [await self._withdraw(now, general, caller) for now in gone]

    async def _withdraw(self, now: Snapshot, findings: tuple[str, ...], caller: Caller) -> SiteAnswer:
        if now.terms is None and (self._started or now.state is State.UNCONFIGURED):
            return SiteAnswer()
        event = ConfigWithdrawn(
            actor=caller.actor,
            request_id=caller.request_id,
            reason="its configuration file is gone",
            findings=findings,
        )
        await self._driver.ask(now.site, event)
        change = SettingChange(site=now.site, section="site", option="id", result="applied")
        return SiteAnswer(changes=(change,), touched=True)


def slot_order(site: str) -> bytes:
    """A stable order that has nothing to do with the alphabet, so that pacing spreads related sites."""
    return hashlib.sha256(site.encode()).digest()


def _first_impact(now: Snapshot, terms: Terms) -> tuple[Impact, str]:
    if now.terms is not None:
        if now.terms.fingerprint == terms.fingerprint:
            return Impact.APPLY, "started; the configuration is unchanged"
        return Impact.REBIND, "changed while stopped"
    if now.binding is not None and now.binding.fingerprint == terms.fingerprint:
        return Impact.APPLY, "the configuration is back, as the binding was made with"
    return (
        Impact.REBIND,
        "first configuration" if now.attempt == 0 else "the configuration is back, and changed",
    )
