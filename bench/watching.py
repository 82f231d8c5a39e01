"""From a configuration that was written to its event at the driver, against asyncinotify alone; and idle wake-ups.

Both sides watch a folder of their own in this process, and the file comes by a rename, as from an editor. Ours is a
whole daemon over a real database: its time ends when the event was decided, recorded and adopted. The second row is
the watcher alone without its pause, in which it lets a burst of writes end.

Idle wake-ups are counted by the kernel for every thread of a daemon that holds a bound site.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from asyncinotify import Inotify, Mask

from bench.limit import within
from bench.processes import until, until_it_rests, wake_ups
from bench.sandboxed import daemon, ready, service
from bench.sites import KEPT
from bench.table import Row, row_of
from daemon.config.watch import Watcher
from daemon.engine.clock import SystemClock
from states import State
from states.events import ConfigAccepted
from tests.running import running

WRITES = 9
IDLE_SECONDS = 20.0
WAKE_UPS = 2.0
CONFIGURATION = """[daemon]
log_level = error
database = {folder}/sitebind.db
[site]
display_name = name {number}
[account]
smtp_address = sync.admin@example.test
[binding]
automatic = no
application_id = an-id
application_key = literal:a-key
"""

Seen = Callable[[], Awaitable[object]]


def rows(*, quick: bool = False) -> list[Row]:
    """Milliseconds to the event; wake-ups a second."""
    writes = 2 if quick else WRITES
    with tempfile.TemporaryDirectory(prefix="sitebind-bench-") as name:
        ours, bare, prompt = asyncio.run(_sides(Path(name), writes))
        return [
            row_of("config write to the driver : asyncinotify", list(zip(ours, bare, strict=True)),
                   goal="<= 3.00", unit="ms"),
            row_of("config write noticed, without the pause : asyncinotify", list(zip(prompt, bare, strict=True)),
                   unit="ms"),
            _idle(Path(name) / "idle", seconds=2.0 if quick else IDLE_SECONDS, rest=0.0 if quick else KEPT),
        ]  # fmt: skip


# --- from a write to its event ----------------------------------------------------------------------


async def _sides(folder: Path, writes: int) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds of each write: the daemon, asyncinotify alone, the watcher without its pause."""
    found = []
    for side in (_daemon, _bare, _watcher):
        place = folder / side.__name__
        place.mkdir()
        path = place / "config.ini"
        _write(path, 0)
        async with side(path) as seen:
            found.append([await _timed(path, number, seen) for number in range(1, writes + 1)])
    return found[0], found[1], found[2]


async def _timed(path: Path, number: int, seen: Seen) -> float:
    begin = time.perf_counter()
    _write(path, number)
    await seen()
    return 1e3 * (time.perf_counter() - begin)


def _write(path: Path, number: int) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(CONFIGURATION.format(folder=path.parent, number=number), encoding="utf-8")
    fresh.chmod(0o600)
    fresh.rename(path)


@asynccontextmanager
async def _daemon(path: Path) -> AsyncIterator[Seen]:
    adopted = asyncio.Event()

    async def seen() -> None:
        await adopted.wait()
        adopted.clear()

    async with running(path, sandbox=None, clock=SystemClock()) as run:
        await run.reach(State.CONFIGURED)
        run.daemon.driver.listen(lambda step: adopted.set() if isinstance(step.event, ConfigAccepted) else None)
        yield seen


@asynccontextmanager
async def _bare(path: Path) -> AsyncIterator[Seen]:
    with Inotify() as inotify:
        inotify.add_watch(path.parent, Mask.MOVED_TO)
        yield inotify.get


@asynccontextmanager
async def _watcher(path: Path) -> AsyncIterator[Seen]:
    watcher = Watcher(SystemClock(), debounce=0.0)
    await watcher.watch([path])
    async with aclosing(watcher.changes()) as changes:
        yield changes.__anext__
        watcher.close()


# --- at rest ----------------------------------------------------------------------------------------


def _idle(folder: Path, *, seconds: float, rest: float) -> Row:
    folder.mkdir()
    with service(folder) as at:
        configuration, port = at.one_site(folder / "site")
        with daemon(configuration) as pid:
            until(lambda: ready(port), "the site is bound")
            until_it_rests(pid)
            time.sleep(rest)
            before = wake_ups(pid)
            time.sleep(seconds)
            each = (wake_ups(pid) - before) / seconds
    return within("idle wake-ups of the whole daemon : limit", each, WAKE_UPS, unit="/s")
