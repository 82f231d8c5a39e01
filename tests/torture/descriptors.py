"""A daemon that may not open another file or socket."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

from tests.acceptance.processes import Program, until
from tests.acceptance.simulated import Simulated
from tests.torture.estate import Estate, world
from tests.torture.figures import Figure
from tests.torture.left import left_in
from tests.torture.load import FEW, Load, kept

ROOM: Final = 12
"""Descriptors that are left when the shortage begins."""
CONNECTIONS: Final = 64
SAID_WITHIN: Final = 120.0
"""Seconds: it is said once a minute, and the last shortage may have ended just now."""


def figures(*, long: bool) -> Iterator[Figure]:
    """Take the descriptors away under load, so many times; by turns through the limit and through connections."""
    rounds = 12 if long else 2
    with world() as simulated:
        promises = starved(simulated, rounds=rounds)
    yield Figure(
        what="no descriptor left under load: RLIMIT_NOFILE lowered to what is in use, then taken by idle connections",
        amount=f"{rounds} times, of one daemon",
        found=f"0 of {promises} acknowledged calls lost; it went on running, said so, held its bindings, and "
        "recovered by itself",
    )


def starved(simulated: Simulated, *, rounds: int) -> int:
    """How many promises were kept."""
    estate = Estate.new(simulated.folder / "descriptors", simulated)
    kept_promises = 0
    with estate.start() as program:
        for number in range(rounds):
            said = len(program.err)
            with Load(estate, seed=number, beyond=False) as load:
                load.promised(FEW)
                with shortage(program, estate):
                    program.line(r"[Tt]oo many open files", after=said, within=SAID_WITHIN)
                    load.enough(0.5)
                until(estate.is_ready, "it answers again, and is ready")
            for site in estate.sites:
                assert estate.rebind(site).status in (200, 202)
                estate.api.reach("bound", site=site)
            kept_promises += kept(load.promises, left_in(estate.database))
        assert program.stop() == 0
    assert "Traceback" not in program.err, program.err
    estate.verify()
    return kept_promises


@contextmanager
def shortage(program: Program, estate: Estate) -> Iterator[None]:
    """The limit is what is in use and a little more, and idle connections take that little."""
    in_use = max(int(file.name) for file in Path(f"/proc/{program.pid}/fd").iterdir()) + 1
    usual = resource.prlimit(program.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(program.pid, resource.RLIMIT_NOFILE, (in_use + ROOM, usual[1]))
    with ExitStack() as idle:
        for _ in range(CONNECTIONS):
            idle.enter_context(closing(socket.create_connection(("127.0.0.1", estate.port))))
        yield
    resource.prlimit(program.pid, resource.RLIMIT_NOFILE, usual)
