"""Puts the doctor together: for a running daemon (called by `app.py`), and for a configuration alone.

The latter is `sitebind doctor` without a daemon. It works in the command's own process and leaves the binding alone;
only for a real login does it open the database, since nothing privileged is done without a record.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.config.model import DaemonSettings, Reading, SiteFile, SiteSettings
from daemon.config.secrets import resolve
from daemon.engine.clock import SystemClock
from daemon.engine.doctor import Doctor, Patient
from daemon.engine.driver import Driver
from daemon.engine.fingerprints import Fingerprints
from daemon.engine.live import LiveBinds
from daemon.engine.log import LogObserver
from daemon.engine.microsoft import MicrosoftSide
from daemon.engine.operations import Caller, Lookup
from daemon.engine.practice import Practice
from daemon.engine.proving import Proving
from daemon.engine.resolving import Resolver
from daemon.engine.scheduler import Scheduler
from daemon.engine.tasks import Tasks
from daemon.engine.thinning import Thinned
from daemon.engine.unstored import Unstored
from daemon.ports import Clock, Clouds, Journal, JournalUnavailable, Vault
from daemon.providers.clouds import MimecastClouds
from daemon.providers.http import HttpClients
from daemon.providers.late_microsoft import LateMicrosoft
from daemon.store.holder import DatabaseInUse
from daemon.store.journal import SqliteJournal
from daemon.store.schema import SchemaRefused
from daemon.store.vault import open_vault
from daemon.web.resolving import lines_of, resolution_json
from states import BindStep, State, first_snapshot

NOT_RUNNING = "the daemon does not run, so the vault stays closed"
ASK_FOR_A_LOGIN = "there are no keys to prove it with: the daemon does not run. --sign-in tries a real login instead"

_ID_BYTES = 4
_SITE_CODE_BYTES = 6


def in_force(sites: Mapping[str, SiteSettings], driver: Driver) -> Callable[[str], SiteSettings | None]:
    """The settings of a site, unless they were withdrawn: those are still known, to end a binding with them."""

    def settings_of(site: str) -> SiteSettings | None:
        return None if driver.snapshots[site].state is State.UNCONFIGURED else sites.get(site)

    return settings_of


def practice_over(
    *,
    clouds: Clouds,
    microsoft: MicrosoftSide,
    vault: Vault,
    unstored: Unstored,
    driver: Driver,
    journal: Journal,
    clock: Clock,
    settings_of: Callable[[str], SiteSettings | None],
) -> Practice:
    """The doctor for the sites that `driver` knows."""
    proving = Proving(
        vault=vault,
        unstored=unstored,
        fingerprints=Fingerprints(vault=vault, resolve=resolve),
        inbox=driver,
        new_id=lambda: secrets.token_hex(_ID_BYTES),
    )
    return Practice(
        doctor=Doctor(clouds=clouds, microsoft=microsoft, resolve=resolve, clock=clock),
        proving=proving,
        driver=driver,
        journal=journal,
        clock=clock,
        settings_of=settings_of,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reach:
    """What is called without a daemon, and the clock for it."""

    clouds: Clouds
    microsoft: MicrosoftSide
    clock: Clock

    def doctor(self) -> Doctor:
        """The doctor over it."""
        return Doctor(clouds=self.clouds, microsoft=self.microsoft, resolve=resolve, clock=self.clock)


@asynccontextmanager
async def _reach() -> AsyncIterator[_Reach]:
    clock = SystemClock()
    clients = HttpClients(lambda *_: None, clock=clock)
    clouds, providers = MimecastClouds(clients, clock=clock), LateMicrosoft(clients, clock=clock)
    microsoft = MicrosoftSide(mailboxes=providers, directories=providers, resolve=resolve)
    try:
        yield _Reach(clouds=clouds, microsoft=microsoft, clock=clock)
    finally:
        await providers.close()
        await clouds.close()


async def resolve_alone(settings: SiteSettings, lookup: Lookup) -> dict[str, Any]:
    """Look up in the directory of a configuration, without a daemon. Raises `RequestRefused`, `ProviderFault`."""
    async with _reach() as reach:
        resolver = Resolver(reach.microsoft, resolve=resolve, clock=reach.clock)
        return resolution_json(settings.id, await resolver.lookup(settings, lookup))


async def unfold_alone(settings: SiteSettings, lookup: Lookup, *, tell: Callable[[dict[str, Any]], None]) -> None:
    """The same line by line, as the API gives it; each is told as it comes."""
    async with _reach() as reach:
        resolver = Resolver(reach.microsoft, resolve=resolve, clock=reach.clock)
        unfolding = await resolver.unfold(settings, lookup)
        async with aclosing(lines_of(settings.id, unfolding)) as lines:
            async for line in lines:
                tell(line)


async def examine_alone(reading: Reading, file: SiteFile, *, actor: str, sign_in: bool) -> tuple[BindStep, ...]:
    """Examine one site of a configuration, without a daemon and without touching its binding."""
    # Errors in [daemon] keep the daemon from starting, so no site can be bound with them.
    wrong = file.errors or (reading.errors if reading.daemon is None else ())
    settings = None if wrong else file.settings
    async with _reach() as reach:
        if sign_in and reading.daemon is not None and settings is not None:
            return await _with_a_login(reading.daemon, file, actor=actor, reach=reach)
        patient = Patient(
            settings=settings,
            findings=tuple(map(str, wrong)),
            no_keys=NOT_RUNNING,
            no_login=ASK_FOR_A_LOGIN,
        )
        return await reach.doctor().examine(patient)


async def _with_a_login(daemon: DaemonSettings, file: SiteFile, *, actor: str, reach: _Reach) -> tuple[BindStep, ...]:
    try:
        async with _opened(daemon.database) as journal:
            return await _recorded(journal, daemon, file, actor=actor, reach=reach)
    except (DatabaseInUse, SchemaRefused, JournalUnavailable) as error:
        why = f"not tried, because it could not be recorded: {error}"
        return await reach.doctor().examine(Patient(settings=file.settings, no_keys=why, no_login=why))


async def _recorded(
    journal: SqliteJournal, daemon: DaemonSettings, file: SiteFile, *, actor: str, reach: _Reach
) -> tuple[BindStep, ...]:
    """Without a performer the driver records and does nothing else: what is left over, the next start takes up."""
    vault, records, live, clock = await open_vault(journal, daemon), Tasks(), LiveBinds(), reach.clock
    timers = Scheduler(clock, pace=1)
    driver = Driver(
        journal=journal,
        observer=LogObserver(),
        clock=clock,
        chance=lambda: 0.5,
        tasks=records,
        live=live,
        refusals=Thinned("refused requests", journal=journal, clock=clock, timers=timers, tasks=records),
    )
    code = secrets.token_hex(_SITE_CODE_BYTES)
    stored = (await journal.snapshots()).get(file.id)
    driver.adopt(stored or first_snapshot(file.id, site_code=code, at=clock.now()))
    practice = practice_over(
        clouds=reach.clouds,
        microsoft=reach.microsoft,
        vault=vault,
        unstored=Unstored(),
        driver=driver,
        journal=journal,
        clock=clock,
        settings_of=lambda _: file.settings,
    )
    try:
        return await practice.examine(file.id, caller=Caller(actor=actor), sign_in=True)
    finally:
        await records.settle()


@asynccontextmanager
async def _opened(database: Path) -> AsyncIterator[SqliteJournal]:
    """The database, unless it belongs to another user: files that this one makes there would lock the daemon out."""
    await asyncio.to_thread(_demand_ownership, database)
    journal = SqliteJournal(database)
    await journal.open()
    try:
        yield journal
    finally:
        await journal.close()


def _demand_ownership(database: Path) -> None:
    place = next((path for path in (database, *database.parents) if path.exists()), Path("/"))
    try:
        owner = place.owner()
        foreign = place.stat().st_uid != os.geteuid()
    except (OSError, KeyError) as error:
        raise JournalUnavailable(f"{place}: {error}") from error
    if foreign:
        raise JournalUnavailable(f"{place} belongs to {owner}: run this command as that user, or start the daemon")
