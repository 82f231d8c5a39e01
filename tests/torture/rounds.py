"""One round: a daemon as `sitebind run` makes it, in the test's own process and time, and what is seen of it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import logging
import os
import shutil
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self
from unittest import mock

import aiohttp

from daemon import app, process
from daemon.ports import Keys
from daemon.sandbox import Sandbox
from daemon.sandbox.world import DEMO_APPLICATION_KEY, DEMO_PASSWORD
from states import Snapshot, State
from tests.clock import ManualClock
from tests.running import LONGEST, PATIENCE, TURN, Options, Running, site_options, write
from tests.torture.nth import Nth
from tests.torture.witness import Witness
from tests.web.described import described_session

TOKEN: Final = "let-me-in-please-0123456789"
HEADERS: Final = {"Authorization": f"Bearer {TOKEN}"}
SITE: Final = "default"

_STEP = 0.25
_LONG_STEP = 5.0
_AT_LEAST = 5.0
"""Seconds of real time before the manual time counts: what is on its way through the loop gets its turn."""


class Complaints(logging.Handler):
    """Every traceback in the log is a defect that somebody caught at the last moment."""

    def __init__(self, blame: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._blame = blame

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self._blame(f"{record.getMessage()}: {_traced(record.exc_info[1])}")


def _traced(error: BaseException) -> str:
    """The error and the way to it through the daemon."""
    frames = traceback.extract_tb(error.__traceback__)
    way = [f"{Path(frame.filename).stem}:{frame.lineno}" for frame in frames if "/daemon/" in frame.filename]
    return f"{error!r} by {' > '.join(way[-5:])}"


@dataclass(frozen=True, slots=True)
class Ended:
    """A daemon that ended without being asked to: its exit code and its last words."""

    code: int
    words: str


class Round:
    """A site of its own at a service that all rounds share. `options` go into its configuration."""

    def __init__(self, folder: Path, sandbox: Sandbox, clock: ManualClock, *, nth: Nth, options: Options) -> None:
        self.folder = folder
        self.config = folder / "config.ini"
        self.clock = clock
        self.nth = nth
        self._sandbox = sandbox
        self._options = options
        self.witness = Witness(self.config, folder / "state" / "sitebind.db", sandbox, nth)
        self.ended: Ended | None = None
        self.run: Running | None = None
        self.healed = "by itself"
        self._stop = asyncio.Event()
        self._task: asyncio.Task[int] | None = None
        self._said = io.StringIO()
        self._http: aiohttp.ClientSession | None = None

    # --- the files ---------------------------------------------------------------------------------

    def lay_out(self) -> None:
        """An empty state, a configuration, and secrets in files."""
        with self.nth.aside():
            self.folder.mkdir()
            shutil.copy(self._sandbox.ca_file, self.folder / "ca.pem")
            for name, secret in (("password", DEMO_PASSWORD), ("application_key", DEMO_APPLICATION_KEY)):
                (self.folder / name).write_text(secret)
                (self.folder / name).chmod(0o600)
        self.configure({})

    def configure(self, changes: Options) -> None:
        """Write the configuration, with these options on top of the usual ones."""
        sections = site_options(self._sandbox, password="file:password", application_key="file:application_key")
        sections["connection"]["ca_file"] = "ca.pem"
        sections["daemon"] = {
            "log_level": "warning",
            "api_token": f"literal:{TOKEN}",
            "database": str(self.folder / "state" / "sitebind.db"),
        }
        for more in (self._options, changes):
            for section, options in more.items():
                sections[section] = {**sections.get(section, {}), **options}
        with self.nth.aside():
            write(self.config, sections)

    # --- the daemon --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start it; it answers afterwards, or has `ended`."""
        self.ended, self.run, self._stop, self._said = None, None, asyncio.Event(), io.StringIO()
        announced = asyncio.Event()
        self._task = asyncio.create_task(self._served(announced), name="sitebind run")
        waiting = asyncio.create_task(announced.wait(), name="announced")
        await asyncio.wait({self._task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        self.look()

    async def _served(self, announced: asyncio.Event) -> int:
        compose = app.compose

        def composed(path: Path, settings: Any, **parts: Any) -> app.Daemon:
            made = compose(path, replace(settings, port=0), **{**parts, "clock": self.clock, "chance": lambda: 0.5})
            assert self._http is not None
            self.run = Running(self.config, self._sandbox, made, self.clock, self._http, self._stop)
            return made

        roots = {"SSL_CERT_FILE": str(self._sandbox.ca_file), "SSL_CERT_DIR": str(self.folder)}
        with (
            mock.patch.object(app, "compose", composed),
            # Each costs more than all else of a round: the collection at a start, and reading this system's roots.
            mock.patch.object(gc, "collect", return_value=0),
            mock.patch.dict(os.environ, roots),
            contextlib.redirect_stderr(self._said),
        ):
            return await app.serve(self.config, stop=self._stop, announce=lambda _url: announced.set())

    def look(self) -> bool:
        """Whether it runs; why it does not is judged."""
        if self._task is None or self.ended is not None:
            return False
        if not self._task.done():
            return True
        if (error := self._task.exception()) is not None:
            self.witness.blame(f"the daemon died of {_traced(error)}")
            self.ended = Ended(-1, repr(error))
            return False
        self.ended = Ended(self._task.result(), self._said.getvalue())
        if self.ended.code != process.EXIT_CANNOT_START or "sitebind cannot start: " not in self.ended.words:
            self.witness.blame(f"the daemon ended with {self.ended.code}: {self.ended.words[-400:]}")
        return False

    async def stop(self) -> None:
        """Stop it in order."""
        if not self.look():
            return
        assert self._task is not None
        self._stop.set()
        async with asyncio.timeout(LONGEST):
            while not self._task.done():
                await self.clock.advance(_STEP)
                await asyncio.sleep(TURN)
        if self._task.exception() is not None or self._task.result() != process.EXIT_WELL:
            self.witness.blame(f"the stop ended in {self._task}: {self._said.getvalue()[-400:]}")
        self._task = None

    # --- what is seen of it ------------------------------------------------------------------------

    @property
    def now(self) -> Snapshot | None:
        """The site."""
        return None if self.run is None else self.run.daemon.driver.snapshots.get(SITE)

    def idle(self) -> bool:
        """Nothing is under way."""
        return self.run is not None and self.run.idle() and not self.run.daemon.configuration._running

    def calm(self, state: State) -> bool:
        """The site is there, and nothing of it is left to do."""
        now = self.now
        if now is None or self.run is None or now.state is not state:
            return False
        if not self.run.daemon.configuration._started:  # what is stored is not what is configured yet
            return False
        left = now.open, now.retry, now.unbinding, now.revoke_pending, self.run.daemon.driver.journal_trouble
        return not any(left) and self.idle()

    def left(self) -> str:
        """What is under way, for whoever looks for the reason."""
        if self.run is None:
            return "it does not run"
        made = self.run.daemon
        acts = sorted(task.get_name() for task in made.supervisor._acts._running)
        return (
            f"acts {acts}, events of {sorted(made.driver._queues)}, {len(made.configuration._running)} reloads, "
            f"journal {made.driver.journal_trouble}, to be revoked {self.now.revoke_pending if self.now else ()}"
        )

    async def settle(self, true: Callable[[], bool], *, seconds: float, at_least: float = _AT_LEAST) -> bool:
        """Let time pass until `true` holds; False when it does not in so many seconds, or the daemon has ended.

        So many, and of real time `at_least`.
        """
        began, until = time.monotonic(), self.clock.monotonic() + seconds
        while self.look() and not true():
            late = time.monotonic() - began > at_least
            if late and self.clock.monotonic() > until:
                return False
            await self.clock.advance(_LONG_STEP if late else _STEP)
            await self._rest(true)
        return self.look() and true()

    async def _rest(self, true: Callable[[], bool]) -> None:
        began = time.monotonic()
        await asyncio.sleep(TURN)
        while self.look() and not (self.idle() or true() or time.monotonic() - began > PATIENCE):  # noqa: ASYNC110
            await asyncio.sleep(TURN)

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """Call the API; status 0 when it has ended. Every answer is held against the description of the API."""
        if not self.look() or self.run is None:
            return 0, None
        headers = {**HEADERS, **options.pop("headers", {})}
        try:
            url = self.run.daemon.web.url + path
        except RuntimeError:  # it listens no more: its end has begun
            await self.settle(lambda: False, seconds=_AT_LEAST)
            return 0, None
        call = self._asked(method, url, headers=headers, **options)
        task = asyncio.create_task(call, name=f"{method} {path}")
        async with asyncio.timeout(LONGEST):
            while not task.done():
                await self.clock.advance(_STEP / 5)
                await asyncio.sleep(TURN)
        status, answer = task.result()
        if status == 0 and self.look():
            self.witness.blame(f"{method} {path} was not answered")
        if status == 500 and answer["code"] == "internal-error":
            self.witness.blame(f"{method} {path} met a defect: {answer}")
        return status, answer

    async def _asked(self, method: str, url: str, **options: Any) -> tuple[int, Any]:
        assert self._http is not None
        try:
            async with self._http.request(method, url, **options) as answer:
                return answer.status, await answer.json(content_type=None)
        except aiohttp.ClientError:
            return 0, None

    async def held_keys(self) -> dict[str, Keys]:
        """What the vault holds, by bind."""
        assert self.run is not None
        vault = self.run.daemon.vault
        found = {name: await vault.get(name) for name in await vault.ids()}
        return {name: keys for name, keys in found.items() if keys is not None}

    async def __aenter__(self) -> Self:
        self._http = described_session()
        self._complaints = Complaints(self.witness.blame)
        logging.getLogger().addHandler(self._complaints)
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._unhandled)
        return self

    def _unhandled(self, _loop: asyncio.AbstractEventLoop, told: dict[str, Any]) -> None:
        self.witness.blame(f"{told['message']}: {told.get('exception')!r}")

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        asyncio.get_running_loop().set_exception_handler(None)
        logging.getLogger().removeHandler(self._complaints)
        assert self._http is not None
        await self._http.close()
        await asyncio.to_thread(shutil.rmtree, self.folder)
