"""A composed daemon as a process: its signals, the moment it answers, its service manager, its exit code.

Called by `daemon.app.serve`.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from daemon.engine.configuration import Configuration
from daemon.engine.driver import Driver
from daemon.engine.service import Service, status_line
from daemon.engine.supervisor import Supervisor
from daemon.engine.tasks import Tasks
from daemon.engine.watchdog import Beat, Watchdog
from daemon.notify import notify_socket, watchdog_seconds
from daemon.ports import Clock, JournalUnavailable
from daemon.web.listening import CannotListen

_log = logging.getLogger("sitebind")

_WANT = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

_SAY_AGAIN = 60.0
_REMEDY = (
    "Callers wait, and it is tried again every second. If that lasts, see who holds connections open (`ss -tp`), "
    "or raise LimitNOFILE= of the service"
)

EXIT_WELL = 0
EXIT_INTERNAL = 1
EXIT_CANNOT_START = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What of a composed daemon has to do with its process; `url` answers once it is ready."""

    supervisor: Supervisor
    driver: Driver
    configuration: Configuration
    workers: Mapping[str, Beat]
    url: Callable[[], str]
    clock: Clock


@dataclass(slots=True)
class _Told:
    """The service manager's side of a daemon; without one nothing is told and nothing runs."""

    service: Service | None = None
    watchdog: Watchdog | None = None
    tasks: Tasks = field(default_factory=Tasks)
    running: list[asyncio.Task[None]] = field(default_factory=list)

    def ready(self) -> None:
        if self.service is not None:
            self.service.ready()
            self.running.append(self.tasks.start(self.service.run(), name="status line"))
        if self.watchdog is not None:
            self.running.append(self.tasks.start(self.watchdog.run(), name="watchdog"))

    def stopping(self) -> None:
        # The workers end one by one from here on, and are not missed; the stop has a time limit of its own.
        for task in self.running:
            task.cancel()
        if self.service is not None:
            self.service.stopping()


def _told(parts: Parts, environment: Mapping[str, str]) -> _Told:
    to, within = notify_socket(environment), watchdog_seconds(environment)
    if to is None:
        return _Told()
    driver, clock = parts.driver, parts.clock

    def describe() -> str:
        trouble = driver.journal_trouble
        return status_line(driver.snapshots.values(), trouble=trouble[0] if trouble else None)

    service = Service(to.tell, describe=describe, clock=clock)
    driver.listen(service.saw)
    parts.configuration.around_reloads = service.reload
    if within is None:
        return _Told(service)
    return _Told(service, Watchdog(parts.workers, feed=service.alive, every=within / 2, clock=clock))


@contextmanager
def _signals(handlers: Mapping[int, Callable[[], object]]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


class _Want:
    """What the loop cannot do for want of something of the system is no defect, and has a remedy: said once a minute.

    The loop itself would print a traceback for each of 128 tries a second.
    """

    def __init__(self) -> None:
        self._said_at: float | None = None

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        message = str(context.get("message"))
        if isinstance(error, ValueError) and "_start_serving(" in message:
            # A second after a shortage the loop listens again for each try that failed, also where we closed meanwhile.
            _log.debug("the loop would listen again on what is closed by now")
            return
        # Only what the loop says of a listener: any other failure for want of something has its own traceback.
        if "accept" not in message or not isinstance(error, OSError) or error.errno not in _WANT:
            loop.default_exception_handler(context)
        elif self._said_at is None or loop.time() - self._said_at >= _SAY_AGAIN:
            self._said_at = loop.time()
            limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            _log.error("no further connection can be taken: %s (at most %d descriptors). %s", error, limit, _REMEDY)


async def run(parts: Parts, stop: asyncio.Event, *, announce: Callable[[str], None] | None) -> int:
    """Run until SIGTERM, SIGINT or `stop`. Returns an exit code; `announce` is called with the API's address."""
    told = _told(parts, os.environ)
    asyncio.get_running_loop().set_exception_handler(_Want())

    def ready() -> None:
        _log.info("listening on %s", parts.url())
        if announce is not None:
            announce(parts.url())
        told.ready()
        # What there is now stays for good: otherwise each full collection stops the loop for 60 ms and more.
        gc.collect()
        gc.freeze()

    def reload() -> None:
        parts.supervisor.reload_soon("signal:SIGHUP")

    with _signals({signal.SIGTERM: stop.set, signal.SIGINT: stop.set, signal.SIGHUP: reload}):
        try:
            await parts.supervisor.run(stop, ready=ready, stopping=told.stopping)
        except (OSError, CannotListen, JournalUnavailable) as error:
            print(f"sitebind cannot start: {error}", file=sys.stderr)  # noqa: T201 - for whoever started it
            return EXIT_CANNOT_START
        except Exception:  # noqa: BLE001 - the last place that can say it
            _log.exception("the daemon stopped because of a defect")
            return EXIT_INTERNAL
        finally:
            gc.unfreeze()
    return EXIT_WELL
