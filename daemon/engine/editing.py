"""Shows a site's configuration file and changes it: validated, recorded, written whole or not at all, then applied.

Asked by the front door. Everything that touches the disk is done in a thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NoReturn

from daemon.config import filing, secret_files
from daemon.config.edit import Uneditable, edited
from daemon.config.ini import all_problems, reading_of
from daemon.config.model import FileProblem
from daemon.config.secrets import resolve
from daemon.config.textfile import Unreadable
from daemon.engine.config_document import ConfigFile, Showing, finding_of, look
from daemon.engine.config_plan import Plan, merged, planned
from daemon.engine.config_views import (
    ConfigChanged,
    ConfigEdit,
    ConfigManaged,
    ConfigNotWritten,
    ConfigRejected,
    ConfigView,
    FieldFinding,
)
from daemon.engine.configuration import Configuration
from daemon.engine.driver import Driver
from daemon.engine.operations import Caller, ConfigWritten, ReloadAnswer, RequestRefused, UnknownSite
from daemon.engine.performer import REQUEST
from daemon.engine.scheduler import Scheduler
from daemon.ports import Clock, Journal, JournalEntry, JournalUnavailable, Secret, Vault
from states import State
from states.events import BindRequested

_log = logging.getLogger("sitebind.editing")

INTENT, DONE, FAILED = "config_write", "config_written", "config_write_failed"


@dataclass(slots=True)
class _Change:
    """One change under way, and what became of it so far."""

    site: str
    edit: ConfigEdit
    caller: Caller
    etag: str = ""
    backup: str = ""
    options: list[str] = field(default_factory=list)
    written: bool = False


class Editor:
    """One for all sites; one change at a time."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        driver: Driver,
        scheduler: Scheduler,
        journal: Journal,
        vault: Vault,
        clock: Clock,
    ) -> None:
        self._configuration = configuration
        self._driver = driver
        self._scheduler = scheduler
        self._journal = journal
        self._showing = Showing(vault=vault, resolve=resolve)
        self._clock = clock
        self._turn = asyncio.Lock()

    async def view(self, site: str) -> ConfigView:
        """The site's file. Raises `UnknownSite`, and `RequestRefused` where there is none."""
        await self._configuration.first_read()
        return await self._showing.view(site, await self._file(site))

    async def write(self, site: str, edit: ConfigEdit, *, caller: Caller) -> ConfigWritten:
        """Change the file and apply it; see `daemon.engine.operations.Operations.write_config`."""
        await self._configuration.first_read()
        change = _Change(site=site, edit=edit, caller=caller)
        async with self._turn:
            # Who makes the change asks for the bind that it leads to, and need not wait for the site's slot.
            with self._scheduler.withheld((site, REQUEST)):
                reload = await self._applied(change)
                bind_id = await self._bind(change) if reload.outcome == "applied" else None
            if change.written:
                await self._sweep(change)
        return ConfigWritten(etag=change.etag, backup=change.backup, reload=reload, bind_id=bind_id)

    async def _file(self, site: str) -> ConfigFile:
        if site not in self._driver.snapshots:
            raise UnknownSite(site)
        path = self._configuration.sources.get(site)
        if path is None:
            raise RequestRefused("not-configured", f"site {site} has no configuration file any more")
        try:
            return await asyncio.to_thread(look, path, in_folder=path != self._configuration.path)
        except Unreadable as reason:
            words = str(reason)
        raise RequestRefused("not-configured", f"{path.name} cannot be read: {words}")

    async def _applied(self, change: _Change) -> ReloadAnswer:
        try:
            answer = await self._configuration.change(change.caller, lambda: self._write(change))
            return _of_site(change.site, answer)
        except JournalUnavailable as error:
            if not change.written:
                raise
            said = f"the file is written, and is applied when the journal can be written again: {error}"
        return ReloadAnswer(outcome="rejected", findings=(said,))

    async def _write(self, change: _Change) -> None:
        """Everything up to the file in its place. Raises, and then the file is what it was."""
        file = await self._file(change.site)
        change.etag = self._showing.etag(file.content.data)
        if file.managed:
            raise ConfigManaged(file.managed)
        if change.edit.etag != change.etag:
            await self._conflict(change, file)
        plan = planned(change.site, change.edit, file)
        data = _new_text(plan, file)
        if data == file.content.data:
            return
        await self._note(INTENT, change, {"file": file.path.name, "changes": plan.told})
        try:
            change.backup = await asyncio.to_thread(_put, file, data, plan.secrets, at=self._clock.now())
        except filing.NotWritten as reason:
            refusal = reason
        else:
            change.written, change.etag = True, self._showing.etag(data)
            change.options = [f"[{one['section']}] {one['option']}" for one in plan.told]
            await self._note_result(DONE, change, {"file": file.path.name, "backup": change.backup})
            return
        await self._note_result(FAILED, change, {"file": file.path.name, "reason": str(refusal)})
        if isinstance(refusal, filing.Overtaken):
            await self._conflict(change, await self._file(change.site))
        raise ConfigManaged(str(refusal)) if refusal.managed else ConfigNotWritten(str(refusal))

    async def _conflict(self, change: _Change, file: ConfigFile) -> NoReturn:
        view = await self._showing.view(change.site, file)
        raise ConfigChanged(view, merged(change.edit, view))

    async def _sweep(self, change: _Change) -> None:
        """Secrets that were replaced are of no use any more; what stays behind goes at the next change."""
        path, in_use = self._configuration.sources.get(change.site), self._configuration.watched()
        if path is None:
            return
        try:
            await asyncio.to_thread(secret_files.sweep, path, change.site, in_use=in_use)
        except OSError as reason:
            _log.warning("secrets of site %s that were replaced could not be removed: %s", change.site, reason)

    async def _bind(self, change: _Change) -> str | None:
        """The bind that the change leads to. Where it cannot be recorded now, the site asks for it in its slot."""
        now = self._driver.snapshots[change.site]
        if now.open is None and now.state is State.CONFIGURED and now.automatic_binding_applies:
            reason = f"changed: {', '.join(change.options)}"
            event = BindRequested(actor=change.caller.actor, request_id=change.caller.request_id, reason=reason)
            try:
                now = (await self._driver.ask(change.site, event)).after
                self._scheduler.cancel((change.site, REQUEST))
            except JournalUnavailable as error:
                _log.warning("site %s binds in its own slot: the bind could not be recorded: %s", change.site, error)
        return None if now.open is None else now.open.bind_id

    async def _note_result(self, event: str, change: _Change, detail: dict[str, object]) -> None:
        try:
            await self._note(event, change, detail)
        except JournalUnavailable as error:
            _log.error("%s of site %s could not be recorded: %s", event, change.site, error)

    async def _note(self, event: str, change: _Change, detail: dict[str, object]) -> None:
        state = self._driver.snapshots[change.site].state.value
        entry = JournalEntry(
            at=self._clock.now(),
            site=change.site,
            actor=change.caller.actor,
            event=event,
            before=state,
            after=state,
            request_id=change.caller.request_id,
            detail=detail,
        )
        await self._journal.append(entry)


def _of_site(site: str, answer: ReloadAnswer) -> ReloadAnswer:
    """What became of this site: errors in the files of others are not those of this change."""
    findings = answer.by_site.get(site, ())
    changes = tuple(change for change in answer.changes if change.site == site)
    if answer.outcome != "rejected" or findings:
        return replace(answer, changes=changes, findings=findings)
    return ReloadAnswer(outcome="applied" if changes else "unchanged", changes=changes)


def _new_text(plan: Plan, file: ConfigFile) -> bytes:
    """The text with the changes, by the rules of `check-config`. Raises `ConfigRejected` with everything found."""
    if plan.findings:
        raise ConfigRejected(tuple(plan.findings))
    if not plan.changes:
        return file.content.data
    try:
        data = edited(file.content.data, plan.changes)
    except Uneditable as reason:
        refusal = reason
    else:
        return _validated(data, file)
    section, option = refusal.key
    said = FieldFinding(
        section=section, option=option, line=None, severity="error", text=str(refusal), remedy=refusal.hint
    )
    raise ConfigRejected((said, *map(finding_of, file.problems)))


def _validated(data: bytes, file: ConfigFile) -> bytes:
    reading = reading_of(file.path, replace(file.content, data=data), in_folder=file.in_folder)
    found: tuple[FileProblem, ...] = tuple(all_problems(reading))
    if any(problem.severity == "error" for problem in found):
        raise ConfigRejected(tuple(map(finding_of, found)))
    return data


def _put(file: ConfigFile, data: bytes, secrets: Mapping[str, Secret], *, at: datetime) -> str:
    """Secrets first, so that the new text never refers to one that is not there; the backup's name. Blocks."""
    try:
        for name, secret in secrets.items():
            secret_files.store(file.path, name, secret)
        backup = filing.keep(file.path, file.content.data, at=at)
        filing.replace(file.path, data, over=file.content.data)
    except filing.NotWritten:
        secret_files.discard(file.path, secrets)
        raise
    return backup
