"""`kill -9` at random moments of a loaded daemon, and of one that is only just starting."""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.torture.estate import Estate, machine, world
from tests.torture.figures import Figure
from tests.torture.left import left_in
from tests.torture.load import Load, kept

LONG, BOUNDED = 210, 14
EARLY = 4
"""One round in so many is killed on its way to being ready."""
LONGEST_LIFE = 1.5


@dataclass
class Tally:
    """What was counted."""

    rounds: int = 0
    early: int = 0
    promises: int = 0
    requests: set[str] = field(default_factory=set)
    seconds: list[float] = field(default_factory=list)
    records: int = 0


def figures(*, long: bool) -> Iterator[Figure]:
    """Kill it so many times; what was counted."""
    with world() as simulated:
        estate = Estate.new(simulated.folder / "estate", simulated)
        tally = killed(estate, rounds=LONG if long else BOUNDED)
        on = machine(estate.folder)
    found = (
        f"0 of {tally.promises} acknowledged calls without their record or effect; no gap in {tally.records} records"
    )
    yield Figure(
        what="kill -9 of a daemon with four busy callers, at a random moment",
        amount=f"{tally.rounds} rounds, {tally.early} of them while it was starting",
        found=f"{found}; chain intact and ready again each time",
    )
    median, longest = statistics.median(tally.seconds), max(tally.seconds)
    yield Figure(
        what=f"the restart after it, until `/-/ready` says so ({on})",
        amount=f"{len(tally.seconds)} restarts",
        found=f"seen: median {median:.1f} s, longest {longest:.1f} s",
    )


def killed(estate: Estate, *, rounds: int, seed: int = 1) -> Tally:
    """Start it, load it, kill it, look at what is left; over and over on one database."""
    tally = Tally()
    with estate.start() as program:
        program.kill()
    while tally.rounds < rounds:
        chance = random.Random(f"{seed} {tally.rounds}")
        if tally.rounds % EARLY == EARLY - 1:
            _kill_early(estate, chance)
            tally.early += 1
        else:
            _kill_loaded(estate, tally, seed=chance.randrange(1_000_000))
        left = left_in(estate.database)
        missing = tally.requests - left.requests
        assert not missing, f"records of earlier rounds are gone: {sorted(missing)[:5]}"
        assert left.records >= tally.records, "the trail has become shorter"
        tally.records = left.records
        estate.verify()
        tally.rounds += 1
    return tally


def _kill_early(estate: Estate, chance: random.Random) -> None:
    """At some moment between the first of its code and the first of its answers."""
    with estate.begin() as program:
        Load(estate, seed=0).enough(chance.uniform(0, LONGEST_LIFE))
        program.kill()


def _kill_loaded(estate: Estate, tally: Tally, *, seed: int) -> None:
    program, seconds = estate.restart()
    tally.seconds.append(seconds)
    with program:
        for site in estate.sites:
            binds = estate.api.binds(site)
            assert len([bind for bind in binds if bind["state"] == "open"]) <= 1, binds
        with Load(estate, seed=seed) as load:
            load.enough(random.Random(seed).uniform(0, LONGEST_LIFE))
            program.kill()
    assert "Traceback" not in program.err, program.err
    tally.promises += kept(load.promises, left_in(estate.database))
    tally.requests |= {promise.request for promise in load.promises}
