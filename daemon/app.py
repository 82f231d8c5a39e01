"""The composition root: the only file that names concrete classes and puts them together.

Called by `sitebind run` and `sitebind demo`, by the tests and by the benches.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import daemon
from daemon import process
from daemon.config.beginning import CannotStart, look, usable_daemon
from daemon.config.ini import read_config
from daemon.config.model import DaemonSettings
from daemon.config.secrets import SecretUnreadable, resolve
from daemon.config.watch import Watcher
from daemon.engine.access import Access
from daemon.engine.binding import Procedure
from daemon.engine.care import Caretaker
from daemon.engine.clock import SystemClock
from daemon.engine.configuration import Configuration
from daemon.engine.driver import Driver
from daemon.engine.editing import Editor
from daemon.engine.feed import feed_over
from daemon.engine.fingerprints import Fingerprints
from daemon.engine.forwarding import Forwarder
from daemon.engine.front import FrontDoor
from daemon.engine.in_force import apply_daemon
from daemon.engine.keeping import keeping_over
from daemon.engine.live import LiveBinds
from daemon.engine.log import Narrator, configure_logging
from daemon.engine.microsoft import MicrosoftSide
from daemon.engine.performer import Performer
from daemon.engine.process_problems import ProcessProblems
from daemon.engine.resolving import Resolver
from daemon.engine.scheduler import Scheduler
from daemon.engine.signin import OneTimeSignIns, Token
from daemon.engine.supervisor import Supervisor
from daemon.engine.tasks import Tasks
from daemon.examination import in_force, practice_over
from daemon.ports import Clock, Clouds, JournalUnavailable
from daemon.providers.audit_receiver import AuditReceivers
from daemon.providers.clouds import MimecastClouds
from daemon.providers.http import HttpClients
from daemon.providers.late_microsoft import LateMicrosoft
from daemon.store.checkpoints import SqliteCheckpoints
from daemon.store.holder import DatabaseInUse
from daemon.store.journal import SqliteJournal
from daemon.store.outbox import SqliteOutbox
from daemon.store.pruning import SqlitePruner
from daemon.store.schema import SchemaRefused
from daemon.store.tokens import SqliteTokens
from daemon.store.vault import SealedVault, open_vault
from daemon.telemetry import Telemetry, telemetry_for
from daemon.web.server import WebServer

_log = logging.getLogger("sitebind")

_SITE_CODE_BYTES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A composed daemon; `supervisor.run` runs it. The rest is for who watches it."""

    supervisor: Supervisor
    front: FrontDoor
    driver: Driver
    scheduler: Scheduler
    web: WebServer
    journal: SqliteJournal
    vault: SealedVault
    configuration: Configuration


def compose(
    path: Path,
    settings: DaemonSettings,
    *,
    telemetry: Telemetry,
    journal: SqliteJournal,
    vault: SealedVault,
    token: Token,
    clock: Clock,
    chance: Callable[[], float],
    around: Callable[[Clouds], Clouds] = lambda providers: providers,
) -> Daemon:
    """Put a daemon together over an open journal and vault; `around` may stand between engine and providers."""
    observer = telemetry.observer
    records, acts, live = Tasks(), Tasks(), LiveBinds()
    telemetry.tasks.watch(effects=acts.__len__, records=records.__len__, everything=lambda: len(asyncio.all_tasks()))
    scheduler, one_time = Scheduler(clock, pace=settings.pace), OneTimeSignIns(clock)
    access = Access(SqliteTokens(journal), journal=journal, clock=clock, timers=scheduler, tasks=records)
    refusals = access.requests
    driver = Driver(
        journal=journal, observer=observer, clock=clock, chance=chance, tasks=records, live=live, refusals=refusals
    )
    clients = HttpClients(lambda call, code, seconds: observer.upstream(call, code=code, seconds=seconds), clock=clock)
    clouds, providers = around(MimecastClouds(clients, clock=clock)), LateMicrosoft(clients, clock=clock)
    microsoft = MicrosoftSide(mailboxes=providers, directories=providers, resolve=resolve)
    outbox = SqliteOutbox(journal, hostname=socket.gethostname())
    forwarder = Forwarder(AuditReceivers(), outbox=outbox, observer=observer, clock=clock, chance=chance)
    journal.listen(forwarder.recorded)
    keeping = keeping_over(
        journal,
        checkpoints=SqliteCheckpoints(journal),
        pruner=SqlitePruner(journal),
        not_beyond=forwarder.delivered,
        resolve=resolve,
        observer=observer,
        clock=clock,
    )
    journal.sealed_with(keeping.key)
    configuration = Configuration(
        path,
        read=read_config,
        daemon=settings,
        driver=driver,
        journal=journal,
        fingerprints=Fingerprints(vault=vault, resolve=resolve),
        observer=observer,
        clock=clock,
        new_site_code=lambda: secrets.token_hex(_SITE_CODE_BYTES),
        daemon_changed=partial(apply_daemon, scheduler=scheduler, told=(forwarder.apply, keeping.apply), token=token),
    )
    procedure = Procedure(clouds=clouds, microsoft=microsoft, vault=vault, resolve=resolve, clock=clock)
    caretaker = Caretaker(
        inbox=driver,
        clouds=clouds,
        vault=vault,
        unstored=procedure.unstored,
        resolve=resolve,
        clock=clock,
        tasks=acts,
        settings_of=configuration.sites.get,
        snapshot_of=driver.snapshots.__getitem__,
    )
    driver.attach(
        Performer(
            inbox=driver,
            procedure=procedure,
            caretaker=caretaker,
            scheduler=scheduler,
            tasks=acts,
            live=live,
            one_time=one_time,
            observer=observer,
            clock=clock,
            settings_of=configuration.sites.get,
            snapshot_of=driver.snapshots.__getitem__,
        )
    )
    feed = feed_over(journal, driver=driver, live=live, clock=clock)
    front = FrontDoor(
        driver=driver,
        configuration=configuration,
        editor=Editor(configuration, driver=driver, scheduler=scheduler, journal=journal, vault=vault, clock=clock),
        journal=journal,
        live=live,
        one_time=one_time,
        scheduler=scheduler,
        practice=practice_over(
            clouds=clouds,
            microsoft=microsoft,
            vault=vault,
            unstored=procedure.unstored,
            driver=driver,
            journal=journal,
            clock=clock,
            settings_of=in_force(configuration.sites, driver),
        ),
        resolver=Resolver(microsoft, resolve=resolve, clock=clock),
        clock=clock,
        token=lambda: token.value,
        vault=vault,
        own_problems=ProcessProblems(
            driver=driver,
            configuration=configuration,
            vault=vault,
            unwiped=caretaker.unwiped,
            forwarder=forwarder,
            keeping=keeping,
            clock=clock,
        ),
        feed=feed,
        observer=observer,
    )
    feed.attach(front.site)
    web = WebServer(front, observer, access=access, exposition=telemetry.exposition, clock=clock)
    supervisor = Supervisor(
        driver=driver,
        records=records,
        acts=acts,
        live=live,
        scheduler=scheduler,
        configuration=configuration,
        journal=journal,
        vault=vault,
        clouds=clouds,
        directories=providers,
        listener=web,
        access=access,
        forwarder=forwarder,
        keeping=keeping,
        watching=Watcher(clock),
        observer=observer,
        clock=clock,
        version=daemon.__version__,
    )
    return Daemon(
        supervisor=supervisor,
        front=front,
        driver=driver,
        scheduler=scheduler,
        web=web,
        journal=journal,
        vault=vault,
        configuration=configuration,
    )


async def serve(
    path: Path,
    *,
    stop: asyncio.Event | None = None,
    announce: Callable[[str], None] | None = None,
    on_step: Callable[[str], None] | None = None,
) -> int:
    """Run the daemon for the configuration at `path` until SIGTERM, SIGINT or `stop`. Returns an exit code.

    `announce` is called with the API's address once it answers, `on_step` with a line for each transition.
    """
    stop = stop or asyncio.Event()
    try:
        path, reading = await asyncio.to_thread(look, path)
        settings = usable_daemon(reading, path)
        del reading  # of thousands of sites it is megabytes, and this frame lives as long as the daemon
        configure_logging(form=settings.log_format, level=settings.log_level)
        token = Token()
        await token.take(settings, resolve)
        telemetry = telemetry_for(settings)
        journal = SqliteJournal(settings.database, committed=telemetry.observer.recorded)
        await journal.open()
    except (CannotStart, SecretUnreadable, DatabaseInUse, SchemaRefused, JournalUnavailable) as error:
        print(f"sitebind cannot start: {error}", file=sys.stderr)  # noqa: T201 - before there is a log
        return process.EXIT_CANNOT_START
    try:
        vault, clock = await open_vault(journal, settings), SystemClock()
        composed = compose(
            path,
            settings,
            telemetry=telemetry,
            journal=journal,
            vault=vault,
            token=token,
            clock=clock,
            chance=random.random,
        )
        if on_step is not None:
            composed.driver.listen(Narrator(on_step))
        return await process.run(_as_process(composed, clock), stop, announce=announce)
    finally:
        await journal.close()
        await telemetry.close()


def _as_process(composed: Daemon, clock: Clock) -> process.Parts:
    return process.Parts(
        supervisor=composed.supervisor,
        driver=composed.driver,
        configuration=composed.configuration,
        workers={
            "the consumers of the sites' events": composed.driver.beat,
            "the timers": composed.scheduler.beat,
            "the journal's threads": composed.journal.beat,
        },
        url=lambda: composed.web.url,
        clock=clock,
    )
