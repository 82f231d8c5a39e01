"""A real daemon and a real sandbox in the test's own loop, over real sockets and a real database on disk.

Time is a `ManualClock` unless a test asks for the real one; what travels over sockets takes the time it takes,
and is waited for by its result, never by a pause.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import aiohttp

from daemon.app import Daemon, Telemetry, compose
from daemon.config.ini import default_daemon, read_config
from daemon.config.secrets import resolve
from daemon.engine.signin import Token
from daemon.ports import Clock, Clouds, Secret
from daemon.sandbox import Sandbox, small_world, tenant
from daemon.sandbox.world import (
    DEMO_APPLICATION_ID,
    DEMO_APPLICATION_KEY,
    DEMO_CLIENT_ID,
    DEMO_CLIENT_SECRET,
    DEMO_EMAIL,
    DEMO_PASSWORD,
)
from daemon.store.journal import SqliteJournal
from daemon.store.vault import SealedVault
from states import Snapshot, State, Step
from tests.clock import ManualClock
from tests.web.described import described_session

LONGEST = 60.0
"""Seconds of real time after which a test that waits for a result has failed."""

TURN = 0.001
"""Seconds of real time between two looks: a loop that never rests keeps the writer's threads from their turn."""

PATIENCE = 0.25
"""Seconds of real time that a call may take while the manual time stands still for it."""

Options = Mapping[str, Mapping[str, str]]


def ini(sections: Options) -> str:
    """The text of a configuration file."""
    return "\n".join(
        line
        for name, options in sections.items()
        for line in (f"[{name}]", *(f"{option} = {value}" for option, value in options.items()), "")
    )


def site_options(sandbox: Sandbox, *, method: str = "cloud", **binding: str) -> dict[str, dict[str, str]]:
    """The sections of a site that binds to the sandbox."""
    sign_in = {
        "cloud": {
            "service_url": sandbox.global_url,
            "email": DEMO_EMAIL,
            "password": f"literal:{DEMO_PASSWORD}",
            "application_id": DEMO_APPLICATION_ID,
            "application_key": f"literal:{DEMO_APPLICATION_KEY}",
        },
        "application": {
            "service_url": sandbox.services_url,
            "client_id": DEMO_CLIENT_ID,
            "client_secret": f"literal:{DEMO_CLIENT_SECRET}",
        },
    }[method]
    own = {"authentication_type": method, "trusted_suffixes": "localhost", **sign_in, **binding}
    return {
        "account": {"smtp_address": DEMO_EMAIL},
        "binding": {option: value for option, value in own.items() if value},
        "connection": {"ca_file": str(sandbox.ca_file)},
    }


class HasMicrosoft365(Protocol):
    """Whatever serves the simulated Microsoft 365."""

    microsoft_url: str


def microsoft_options(sandbox: HasMicrosoft365 | Sandbox, **account: str) -> dict[str, str]:
    """[account] of a site whose mailbox and directory are in the sandbox's Microsoft 365; an empty value: no line."""
    url = sandbox.microsoft_url
    options = {
        "smtp_address": tenant.DEMO_MAILBOX,
        "directory_type": "microsoft-365-directory",
        "impersonation_probe": tenant.DEMO_PROBE,
        "tenant_id": tenant.DEMO_TENANT,
        "client_id": tenant.DEMO_GRAPH_CLIENT,
        "client_secret": f"literal:{tenant.DEMO_GRAPH_SECRET}",
        "host_address": url.removeprefix("https://"),
        "graph_url": url,
        "exchange_online_url": url,
        **account,
    }
    return {option: value for option, value in options.items() if value}


@dataclass
class Running:
    """A daemon that runs, with what a test asks of it."""

    path: Path
    sandbox: Sandbox
    daemon: Daemon
    clock: Clock
    http: aiohttp.ClientSession
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    _seen: asyncio.Condition = field(default_factory=asyncio.Condition)

    def now(self, site: str = "default") -> Snapshot:
        return self.daemon.driver.snapshots[site]

    @property
    def manual(self) -> ManualClock:
        assert isinstance(self.clock, ManualClock)
        return self.clock

    async def until(self, true: Callable[[], bool], why: str = "") -> None:
        """Wait until a step made `true` hold."""
        woken = asyncio.Event()
        self.daemon.driver.listen(lambda _step: woken.set())
        try:
            async with asyncio.timeout(LONGEST):
                while not true():
                    woken.clear()
                    await woken.wait()
        except TimeoutError:
            raise AssertionError(f"never came true: {why or true}; {self.daemon.driver.snapshots}") from None

    async def in_time(self, true: Callable[[], object], *, step: float = 0.1) -> None:
        """Let the manual time pass in small steps until `true` holds; what is on the wire gets real time to end."""
        async with asyncio.timeout(LONGEST):
            while not true():
                await self.manual.advance(step)
                began = time.monotonic()
                while not (self.idle() or true() or time.monotonic() - began > PATIENCE):  # noqa: ASYNC110
                    await asyncio.sleep(TURN)

    def idle(self) -> bool:
        """Nothing is on the wire, and nothing waits for its record."""
        return not self.daemon.supervisor._acts and not self.daemon.driver._queues

    async def reach(self, state: State, site: str = "default") -> Snapshot:
        """Wait until the site is in that state with nothing open."""
        await self.until(
            lambda: site in self.daemon.driver.snapshots and self.now(site).state is state,
            f"{site} is {state.value}",
        )
        return self.now(site)

    async def ended(self, bind_id: str, site: str = "default") -> Snapshot:
        """Wait for the end of a bind."""
        await self.until(lambda: self.now(site).open is None or self.now(site).open.bind_id != bind_id)  # type: ignore[union-attr]
        return self.now(site)

    async def asked(self, method: str, path: str, *, status: int = 200, **options: Any) -> Any:
        """Call the API; the JSON of the answer, after a look at its status."""
        async with self.http.request(method, self.daemon.web.url + path, **options) as answer:
            text = await answer.text()
            assert answer.status == status, f"{answer.status}: {text}"
            return await answer.json(content_type=None)

    async def rebind(self, site: str = "default") -> Snapshot:
        """Ask for a bind and wait for its end."""
        report = await self.asked("POST", f"/api/v1/sites/{site}/rebind", status=202)
        return await self.ended(report["id"], site)

    @contextmanager
    def without_journal(self) -> Iterator[None]:
        """The database file is moved away, as by a slip of the hand, and put back: nothing can be recorded."""
        database = self.daemon.journal.path
        away = database.with_name("away.db")
        database.rename(away)
        try:
            yield
        finally:
            away.rename(database)

    async def audit(self, site: str | None = None) -> list[tuple[str, str, str]]:
        """(event, before, after) of every record."""
        records = await self.daemon.journal.audit(site=site, limit=1000)
        return [(record.event, record.before, record.after) for record in records]


async def eventually(true: Callable[[], object], why: str = "") -> None:
    """Wait for what no step of the engine tells: it is looked at between the turns of the loop."""
    try:
        async with asyncio.timeout(LONGEST):
            while not true():  # noqa: ASYNC110 - nobody sets an event for it
                await asyncio.sleep(TURN)
    except TimeoutError:
        raise AssertionError(f"never came true: {why or true}") from None


@asynccontextmanager
async def sandboxed(folder: Path, clock: Clock, **world: Any) -> AsyncIterator[Sandbox]:
    """A sandbox that lives longer than one daemon, with the daemon's idea of the time."""
    async with Sandbox(directory=folder / "sandbox", world=small_world(**world), now=clock.now) as sandbox:
        yield sandbox


@asynccontextmanager
async def running(
    path: Path,
    sandbox: Sandbox,
    clock: Clock,
    *,
    around: Callable[[Clouds], Clouds] = lambda providers: providers,
) -> AsyncIterator[Running]:
    """A daemon for the configuration at `path`, on a free port; stopped in order at the end.

    `around` may stand between the engine and the providers; see `tests.interposed`.
    """
    settings = replace(read_config(path).daemon or default_daemon(path), port=0)
    telemetry, token = Telemetry(), Token()
    await token.take(settings, resolve)
    async with AsyncExitStack() as stack:
        journal = SqliteJournal(settings.database, committed=telemetry.observer.recorded)
        await journal.open()
        stack.push_async_callback(journal.close)
        key: Secret | None = await resolve(settings.vault_key) if settings.vault_key else None
        vault = SealedVault(journal, key=key)
        await vault.open()
        daemon = compose(
            path,
            settings,
            telemetry=telemetry,
            journal=journal,
            vault=vault,
            token=token,
            clock=clock,
            chance=lambda: 0.5,
            around=around,
        )
        http = await stack.enter_async_context(described_session())
        run = Running(path=path, sandbox=sandbox, daemon=daemon, clock=clock, http=http)
        ready = asyncio.Event()
        task = asyncio.create_task(daemon.supervisor.run(run.stop, ready=ready.set), name="supervisor")
        await asyncio.wait({task, asyncio.ensure_future(ready.wait())}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        try:
            yield run
        finally:
            run.stop.set()
            await task


def write(path: Path, sections: Options) -> Path:
    """Write a configuration the way an editor does: whole, private, by rename."""
    fresh = path.with_suffix(".new")
    fresh.write_text(ini(sections))
    fresh.chmod(0o600)
    fresh.rename(path)
    return path


def steps_of(report: Mapping[str, Any]) -> dict[str, str]:
    """Step name to status."""
    return {step["step"]: step["status"] for step in report["steps"]}


__all__ = [
    "LONGEST",
    "Running",
    "Step",
    "eventually",
    "microsoft_options",
    "running",
    "sandboxed",
    "site_options",
    "steps_of",
    "write",
]
