"""Disks that are full, that go read-only, and whose syncs fail, under a daemon that works on them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tests.acceptance.processes import until
from tests.acceptance.simulated import Simulated
from tests.torture.estate import Estate, world
from tests.torture.figures import Figure
from tests.torture.left import left_in
from tests.torture.load import FEW, Load, Promise, kept
from tests.torture.mounts import break_it, fill, mounted, new_image, repair, tmpfs

SMALL: Final = "8m"
PROBLEM: Final = "journal-not-writable"
GAP: Final = "journal_recovered"


@dataclass
class Tally:
    """What was counted."""

    promises: list[Promise] = field(default_factory=list)
    refused: int = 0

    def add(self, load: Load) -> None:
        self.promises += load.promises
        self.refused += load.refused

    @property
    def words(self) -> str:
        return f"{self.refused} calls refused with 503, 0 of {len(self.promises)} acknowledged ones lost"


def figures(*, long: bool) -> Iterator[Figure]:
    """Each kind of trouble so many times."""
    with world() as simulated:
        rounds = 20 if long else 2
        tally = full(simulated, rounds=rounds)
        found = f"{tally.words}; binding held, the problem named, recording by itself once there is room"
        yield Figure(
            what="a disk that fills up under load", amount=f"{rounds} times, every other time with a kill", found=found
        )
        rounds = 6 if long else 1
        tally = read_only(simulated, rounds=rounds)
        found = f"{tally.words}; binding held, the problem named, ready after the file system's repair"
        yield Figure(what="an ext4 that its kernel makes read-only under load", amount=f"{rounds} times", found=found)
        rounds = 10 if long else 1
        tally = failing_syncs(simulated, rounds=rounds)
        found = f"{tally.words}; recovered by itself, the chain walked anew and intact"
        yield Figure(what="fsync and fdatasync that answer EIO, by strace", amount=f"{rounds} daemons", found=found)


def full(simulated: Simulated, *, rounds: int) -> Tally:
    """Fill it, look, make room; by turns the daemon is killed meanwhile."""
    tally = Tally()
    with tmpfs(simulated.folder / "small", size=SMALL) as disk:
        estate = Estate.new(disk / "estate", simulated)
        for number in range(rounds):
            with estate.start() as program:
                with Load(estate, seed=number, beyond=False) as load:
                    load.promised(FEW)
                    ballast = fill(disk)
                    suffers(estate, load)
                    if number % 2:
                        program.kill()
                        ballast.unlink()
                    else:
                        ballast.unlink()
                        recovers(estate)
                if program.runs:
                    assert program.stop() == 0
            tally.add(load)
            kept(load.promises, left_in(estate.database))
    return tally


def read_only(simulated: Simulated, *, rounds: int) -> Tally:
    """The kernel distrusts the file system; the administrator stops, repairs, mounts, and starts again."""
    tally = Tally()
    image, place = new_image(simulated.folder / "image", megabytes=24), simulated.folder / "place"
    with mounted(image, place):
        estate = Estate.new(place / "estate", simulated)
    for number in range(rounds):
        with mounted(image, place, options="errors=remount-ro"), estate.start() as program:
            with Load(estate, seed=number, beyond=False) as load:
                load.promised(FEW)
                break_it(place)
                suffers(estate, load)
            assert program.stop() == 0
        repair(image)
        with mounted(image, place):
            kept(load.promises, left_in(estate.database))
            with estate.start() as program:
                assert program.stop() == 0
            kept(load.promises, left_in(estate.database))
        tally.add(load)
    image.unlink()
    return tally


def failing_syncs(simulated: Simulated, *, rounds: int) -> Tally:
    """From some sync on of each thread so many fail: the writer's begins to count anew with each new connection."""
    tally = Tally()
    estate = Estate.new(simulated.folder / "syncs", simulated)
    with estate.start() as program:
        assert program.stop() == 0
    for number in range(rounds):
        first = random.Random(number).randint(20, 60)
        inject = f"inject=fsync,fdatasync:error=EIO:when={first}..{first + 3}"
        with estate.start("strace", "-D", "-f", "-qq", "--seccomp-bpf", "-e", inject, "-o", "/dev/null") as program:
            with Load(estate, seed=number, beyond=False) as load:
                suffers(estate, load, lasts=False)
            recovers(estate)
            program.kill()
        assert "Traceback" not in program.err, program.err
        kept(load.promises, left_in(estate.database))
        estate.verify()
        tally.add(load)
    return tally


def suffers(estate: Estate, load: Load, *, lasts: bool = True) -> None:
    """Calls are refused, the trouble is named, the daemon lives, and what it holds it holds."""
    until(lambda: load.refused and journal_failures(estate), "a call is refused, since it cannot be recorded")
    if lasts:
        until(lambda: PROBLEM in estate.problems(), "the problem is named")
    assert estate.api.ask("GET", "/-/healthy").status == 200
    lost = [site for site, now in estate.api.sites().items() if now["binding"] is None]
    assert not lost, f"bindings that are not held any more: {lost}"


def recovers(estate: Estate) -> None:
    """Without anybody's doing: the problem is gone, the gap is on record, and a bind succeeds."""
    until(lambda: PROBLEM not in estate.problems(), "the problem is gone")
    until(lambda: estate.rebind().status in (200, 202), "a bind is taken")
    estate.api.see(lambda now: now["state"] == "bound" and not now["problems"], "all is well", site=estate.sites[0])
    until(lambda: GAP in {record["event"] for record in estate.api.audit()}, "the time without records is on record")


def journal_failures(estate: Estate) -> float:
    """How often a record could not be written, as `/metrics` tells it."""
    found = re.search(
        r"^sitebind_audit_write_failures_total (\S+)$", estate.api.ask("GET", "/metrics").text, re.MULTILINE
    )
    assert found is not None
    return float(found[1])
