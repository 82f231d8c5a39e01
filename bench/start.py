"""Start to ready, and resident memory, against a bare process with the same four libraries and a database opened.

The site is bound and its database exists, as after a reboot. A process is ready at its first 200 on `/-/ready`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from bench.processes import free_port, resident, started, until, until_it_rests
from bench.sandboxed import bound, daemon, ready, service
from bench.table import Row, against

ROUNDS = 7

Process = Callable[[], AbstractContextManager[tuple[int, int]]]


def rows(*, quick: bool = False) -> list[Row]:
    """Milliseconds to ready, and MiB."""
    rounds = 1 if quick else ROUNDS
    with tempfile.TemporaryDirectory(prefix="sitebind-bench-") as name, service(Path(name)) as at:
        folder = Path(name)
        configuration, port = at.one_site(folder / "site")
        bound(configuration, port)
        ours = partial(_ours, configuration, port)
        theirs = partial(_theirs, folder / "stack.db")
        # Once each, unmeasured: compiled modules and the file cache are not what is measured.
        _start(ours)
        _start(theirs)
        return [
            against(
                "start to ready, bound site : bare four libraries",
                lambda: 1e3 * _start(ours),
                lambda: 1e3 * _start(theirs),
                goal="<= 1.30",
                unit="ms",
                rounds=rounds,
            ),
            against(
                "resident memory, bound site : bare four libraries",
                lambda: _memory(ours) / 1024,
                lambda: _memory(theirs) / 1024,
                goal="<= 1.30",
                unit="MiB",
                rounds=min(rounds, 5),
            ),
        ]


@contextmanager
def _ours(configuration: Path, port: int) -> Iterator[tuple[int, int]]:
    with daemon(configuration) as pid:
        yield pid, port


@contextmanager
def _theirs(database: Path) -> Iterator[tuple[int, int]]:
    port = free_port()
    with started("-m", "bench.bare", "stack", str(database), str(port), answers=False) as (pid, _):
        yield pid, port


def _start(process: Process) -> float:
    begin = time.perf_counter()
    with process() as (_, port):
        until(lambda: ready(port), "the process is ready")
        return time.perf_counter() - begin


def _memory(process: Process) -> float:
    with process() as (pid, port):
        until(lambda: ready(port), "the process is ready")
        until_it_rests(pid)
        return resident(pid)
