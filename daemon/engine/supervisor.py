"""Starts the engine in order, keeps it running, and stops it in order within a bounded time.

Order of a start: journal and vault (by the composition root), stored sites, timers, HTTP, configuration,
watching. Order of a stop: HTTP, watching, timers, acts, waiting records, the checkpoint of the
last one, what the audit trail's receiver has not got yet, journal.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, Protocol

from daemon.engine.access import Access
from daemon.engine.configuration import Configuration
from daemon.engine.differences import slot_order
from daemon.engine.driver import Driver
from daemon.engine.forwarding import Forwarder
from daemon.engine.keeping import Keeping
from daemon.engine.live import LiveBinds
from daemon.engine.operations import Caller
from daemon.engine.scheduler import Scheduler
from daemon.engine.tasks import Tasks
from daemon.ports import Clock, Clouds, Directories, Journal, JournalEntry, JournalUnavailable, Observer, Vault
from states import DAEMON, Snapshot, Step
from states.events import OrphanFound, Restarted

_log = logging.getLogger("sitebind.supervisor")

STOP_SECONDS = 10.0
"""How long acts may take to end at a stop; a sign-in that waits for its answer is worth some of it."""
RECORD_SECONDS = 5.0
_LEFT_BEHIND = (
    "If a bind or sign-in is among them, keys that it may still obtain are not known here: "
    "look for them in the Mimecast console"
)
_START_AGAIN = 2.0
_AT_ONCE = 256


class Listener(Protocol):
    """The HTTP server, as far as the supervisor needs it."""

    async def prepare(self) -> None:
        """What takes time before listening; nothing answers yet."""

    async def start(self) -> None:
        """Listen. Raises OSError when the address cannot be had."""

    async def stop(self) -> None:
        """Finish what is being answered, bounded."""


class Watching(Protocol):
    """Says that something about the configuration may have changed."""

    async def watch(self, targets: Iterable[Path]) -> None:
        """Watch these files and folders instead of the ones before."""

    def changes(self) -> AsyncIterator[None]:
        """One item for each burst of changes."""

    def close(self) -> None:
        """Stop watching."""


class Supervisor:
    """Owns every task of the engine."""

    def __init__(
        self,
        *,
        driver: Driver,
        records: Tasks,
        acts: Tasks,
        live: LiveBinds,
        scheduler: Scheduler,
        configuration: Configuration,
        journal: Journal,
        vault: Vault,
        clouds: Clouds,
        directories: Directories,
        listener: Listener,
        access: Access,
        forwarder: Forwarder,
        keeping: Keeping,
        watching: Watching,
        observer: Observer,
        clock: Clock,
        version: str,
    ) -> None:
        self._driver = driver
        self._records = records
        self._acts = acts
        self._live = live
        self._scheduler = scheduler
        self._configuration = configuration
        self._journal = journal
        self._vault = vault
        self._clouds = clouds
        self._directories = directories
        self._listener = listener
        self._access = access
        self._forwarder = forwarder
        self._keeping = keeping
        self._watching = watching
        self._observer = observer
        self._clock = clock
        self._version = version
        self._services = Tasks()
        self._targets: set[Path] = set()
        self._stopping = False
        self._asked_to_reload = False
        self._services_failed: asyncio.Future[None] | None = None
        driver.listen(self._closed_binds)

    async def run(
        self, stop: asyncio.Event, *, ready: Callable[[], None], stopping: Callable[[], None] = lambda: None
    ) -> None:
        """Run until `stop` is set; `stopping` is called when its end begins. Raises OSError when it cannot listen."""
        self._services_failed = asyncio.get_running_loop().create_future()
        try:
            # First of all: between a site's restart and its configuration nothing may take its time.
            await self._listener.prepare()
            await self._restore()
            await self._listener.start()
            self._serve("configuration", self._configure())
            self._serve("journal outage", self._driver.outage.watch(afterwards=self._keeping.doubt))
            for name, work in self._keeping.works():
                self._serve(name, work)
            self._forwarder.start(failed=self._service_failed)
            ready()
            await self._until(stop)
        finally:
            stopping()
            await self._stop()

    def _serve(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._services.start(work, name=name, failed=self._service_failed)

    def _service_failed(self, error: BaseException) -> None:
        if self._services_failed is not None and not self._services_failed.done():
            self._services_failed.set_exception(error)

    async def _until(self, stop: asyncio.Event) -> None:
        """A service that fails by a defect stops the daemon: half of it running would tell lies."""
        if self._services_failed is None:
            return
        stopping = asyncio.create_task(stop.wait(), name="stop requested")
        either: set[asyncio.Future[Any]] = {stopping, self._services_failed}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
        if self._services_failed.done():
            self._services_failed.result()

    def _closed_binds(self, step: Step) -> None:
        opened = step.before.open
        if opened is not None and step.after.open != opened:
            self._live.end(opened.bind_id)

    async def _restore(self) -> None:
        """Take the stored sites in, in the order of their slots, and let each know of the restart."""
        await self._access.open()
        stored = sorted((await self._journal.snapshots()).values(), key=lambda now: slot_order(now.site))
        for snapshot in stored:
            self._driver.adopt(snapshot)
        await self._note("daemon_started", {"version": self._version, "sites": len(stored)}, later=True)
        for snapshot in stored:
            self._driver.post(snapshot.site, Restarted())
        await self._revoke_orphans({snapshot.site: snapshot for snapshot in stored})

    async def _revoke_orphans(self, stored: dict[str, Snapshot]) -> None:
        for bind_id, site in (await self._vault.ids()).items():
            now = stored.get(site)
            if now is not None and not now.holds(bind_id) and bind_id not in now.revoke_pending:
                self._driver.post(site, OrphanFound(bind_id=bind_id, at_start=True))

    async def _note(self, event: str, detail: dict[str, object], *, later: bool = False) -> None:
        entry = JournalEntry(
            at=self._clock.now(), site="", actor=DAEMON, event=event, before="", after="", detail=detail
        )
        try:
            await self._journal.append(entry)
        except JournalUnavailable as error:
            _log.error("%s could not be recorded: %s", event, error)
            if later:
                self._driver.journal_failed(error, owed=entry)

    async def _configure(self) -> None:
        """Apply the configuration, then follow its changes."""
        self._targets = self._configuration.watched()
        await self._watching.watch(self._targets)
        await self._reload(DAEMON)
        # Not before: a check or a retry would not know the site's sign-in, proxy and CAs.
        self._serve("timers", self._scheduler.run())
        await self._watch_more()
        async for _ in self._watching.changes():
            await self._reload("watch:file")
            await self._watch_more()

    async def _watch_more(self) -> None:
        """Follow the files that the settings name now. What changed while they were not watched is read again."""
        while (targets := self._configuration.watched()) != self._targets:
            added, self._targets = targets - self._targets, targets
            await self._watching.watch(targets)
            if added:
                await self._reload("watch:file")

    async def _reload(self, actor: str) -> None:
        while True:
            try:
                await self._configuration.reload(Caller(actor=actor))
            except JournalUnavailable as error:
                _log.error("the configuration could not be applied: %s", error)
                await self._clock.sleep(_START_AGAIN)
            else:
                return

    def reload_soon(self, actor: str) -> None:
        """Read the configuration again, for a signal handler. A burst of signals is one reload."""
        if self._stopping or self._asked_to_reload:
            return
        self._asked_to_reload = True
        self._serve(f"reload for {actor}", self._reload_for(actor))

    async def _reload_for(self, actor: str) -> None:
        self._asked_to_reload = False
        try:
            answer = await self._configuration.reload(Caller(actor=actor))
        except JournalUnavailable as error:
            _log.error("%s: the configuration could not be applied: %s", actor, error)
            return
        for finding in answer.findings:
            _log.warning("%s: %s", actor, finding)
        for change in answer.changes:
            _log.info("%s: [%s] %s: %s", actor, change.section, change.option, change.result)
        _log.info("%s: configuration %s", actor, answer.outcome)

    async def _stop(self) -> None:
        self._stopping = True
        await self._finish("the HTTP listener", self._listener.stop())
        self._watching.close()
        late = await self._services.close(seconds=STOP_SECONDS)
        await self._configuration.close(seconds=RECORD_SECONDS)
        # From here on steps are recorded and no more; the next start carries out what they ask for.
        self._driver.detach()
        late += await self._acts.close(seconds=STOP_SECONDS)
        if late:
            _log.warning("these did not end in time and are left behind: %s. %s", ", ".join(late), _LEFT_BEHIND)
        await self._finish("the records of refused calls", self._access.close())
        await self._settle_records()
        await self._finish("the last record", self._note("daemon_stopped", {}))
        await self._finish("the last checkpoint", self._keeping.close())
        await self._finish("the sending of the audit trail", self._forwarder.close())
        await self._finish("the connections to directories", self._directories.close())
        await self._finish("the connections to the service", self._clouds.close())
        if self._services_failed is not None and not self._services_failed.done():
            self._services_failed.cancel()
        _log.info("stopped")

    async def _finish(self, what: str, work: Coroutine[Any, Any, None]) -> None:
        """A part that does not stop in order must not keep the others from it."""
        task = asyncio.create_task(work, name=f"the stop of {what}")
        try:
            await asyncio.wait({task}, timeout=STOP_SECONDS)
        finally:  # not by a timeout around it: what waits for a commit takes its cancellation along behind that
            in_time = task.done()
            task.cancel()
        if not in_time:
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # told already, as late
            _log.error("%s did not stop within %.0f s and is left behind", what, STOP_SECONDS)
            return
        try:
            task.result()
        except Exception:  # noqa: BLE001 - logged, see above
            _log.exception("%s did not stop in order", what)

    async def _settle_records(self) -> None:
        """What is being recorded ends; what waits for a broken journal is given up, and is said by the driver."""
        try:
            async with asyncio.timeout(RECORD_SECONDS):
                await self._records.settle()
        except TimeoutError:
            late = await self._records.close(seconds=RECORD_SECONDS)
            if late:
                _log.error("the journal does not answer; not ended: %s", ", ".join(late))
