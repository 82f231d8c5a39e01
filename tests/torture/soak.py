"""A daemon with several sites under random load and random trouble for long: what it holds must not grow with the work.

It is looked at between two rounds of work, when everybody has left and nothing binds. The audit trail grows by design,
so there it is the bytes of a record that must not.
"""

from __future__ import annotations

import asyncio
import random
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from daemon.cli.sandbox_control import Control
from daemon.sandbox.world import DEMO_APPLICATION_ID, DEMO_APPLICATION_KEY, DEMO_EMAIL, DEMO_PASSWORD
from daemon.store.writer import KEPT_REPORTS
from tests.acceptance.calls import Api
from tests.acceptance.processes import Program, a_free_port, sitebind, until
from tests.acceptance.sandboxes import serve
from tests.running import write
from tests.torture import heap
from tests.torture.estate import TOKEN, machine
from tests.torture.figures import Figure
from tests.torture.soak_load import Load
from tests.torture.soak_samples import Sample, look
from tests.torture.trend import SURE, Trend, trend

SITES: Final = ("berlin", "lima", "oslo", "quito", "rome")


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """How much is done. `warm_up` rounds are not looked at: what is kept in a bounded number fills up in them."""

    warm_up: int
    rounds: int
    operations: int
    binds: int
    memory: float
    """The part of its mean that resident memory may gain over the run. A bounded one still warms up meanwhile."""
    blocks: float
    """The same of Python's blocks, which nothing but objects takes."""


# What the C library's arenas and SQLite's page caches (2 MiB a connection) hold grows in steps, for thousands of
# operations.
LONG: Final = Length(warm_up=10, rounds=60, operations=200, binds=KEPT_REPORTS, memory=0.03, blocks=0.01)
BOUNDED: Final = Length(warm_up=2, rounds=6, operations=50, binds=0, memory=0.25, blocks=0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One thing that must stay flat: how it is shown, and how much of it may come and go over a run."""

    name: str
    unit: str = ""
    allowed: float = 0.0
    share: Callable[[Length], float] | None = None

    def limit(self, line: Trend, length: Length) -> float:
        return self.allowed if self.share is None else line.mean * self.share(length)


MEASURES: Final = (
    # Connections to the service are kept for some seconds after their last call, each with its descriptor.
    Measure(name="descriptors", allowed=4),
    Measure(name="threads", allowed=2),
    Measure(name="tasks", allowed=4),
    Measure(name="resident", unit=" KiB", share=lambda length: length.memory),
    Measure(name="Python's blocks in use", share=lambda length: length.blocks),
    # A page cache of SQLite fills up to 2 MiB, and a connection to the service that is kept holds half a MiB.
    Measure(name="heap in use", unit=" KiB", allowed=2048),
    Measure(name="database but the audit trail", unit=" KiB", allowed=256),
    Measure(name="write-ahead log", unit=" KiB", allowed=8192),
    Measure(name="bytes per audit record", unit=" bytes", allowed=40),
)

MOST_ROWS: Final = {"binds": (len(SITES) + 1) * KEPT_REPORTS, "snapshots": len(SITES) + 1, "tokens": 20}


@dataclass
class Soak:
    """One run."""

    folder: Path
    length: Length
    seed: int
    samples: list[Sample] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)

    def run(self) -> None:
        """All of it. Raises AssertionError for a defect, and for what grows."""
        place = self.folder / "sites"
        with ExitStack() as stack:
            sandbox, introduction = serve(self.folder)
            stack.enter_context(sandbox)
            api, sites = Api(a_free_port()), configured(place, introduction)
            own = {"listen": f"127.0.0.1:{api.port}", "api_token": f"literal:{TOKEN}", "log_level": "error"}
            write(place / "daemon.ini", {"daemon": own})
            asked = [*heap.command(self._heap), "run", "--config", place]
            program = stack.enter_context(Program(asked, cwd=place, env=heap.ENVIRONMENT))
            until(lambda: program.runs and ready(api), f"every site is bound {program.err}")
            control = Control(self.folder / "sandbox")
            load = Load(program, api.url, place, sites, control, random.Random(self.seed))
            asyncio.run(self._work(load, place / "sitebind.db"))
            assert "Traceback" not in program.err, program.err
            assert program.stop() == 0, program.err
            self.done, self.answers = load.done, load.answers
        said = sitebind("audit", "verify", "--database", place / "sitebind.db", cwd=place)
        assert said.code == 0, said
        self.judge()

    async def _work(self, load: Load, database: Path) -> None:
        await load.bind_often(self.length.binds)
        await load.hear_it_all()
        for number in range(-self.length.warm_up, self.length.rounds):
            await load.operations(self.length.operations, at_once=4)
            exposition = await load.rest()
            if number < 0:
                continue
            held = await asyncio.to_thread(heap.of, load.program, self._heap)
            operations = load.done.total()
            self.samples.append(look(load.program.pid, database, held, exposition=exposition, operations=operations))

    @property
    def _heap(self) -> Path:
        return self.folder / "heap"

    def trends(self) -> dict[Measure, Trend]:
        done = [float(sample.operations) for sample in self.samples]
        return {one: trend(done, [sample.values[one.name] for sample in self.samples]) for one in MEASURES}

    def judge(self) -> None:
        """Say everything that grows, at once."""
        lines = self.trends()
        grown = [one.name for one, line in lines.items() if line.grows(one.limit(line, self.length))]
        grown += [
            table for table, most in MOST_ROWS.items() if any(one.rows.get(table, 0) > most for one in self.samples)
        ]
        assert not grown, f"grows with the work (seed {self.seed}): {grown}; {self.samples}"


def ready(api: Api) -> bool:
    try:
        return api.ask("GET", "/-/ready").status == 200
    except OSError:
        return False


def configured(place: Path, introduction: str) -> dict[str, dict[str, dict[str, str]]]:
    """Write a file for each site, as the sandbox's introduction says; the sections of each."""
    place.mkdir()
    told = dict(re.findall(r"^(\w+) = (.+)$", introduction, re.MULTILINE))
    sections = {
        "binding": {
            "email": DEMO_EMAIL, "password": f"literal:{DEMO_PASSWORD}", "application_id": DEMO_APPLICATION_ID,
            "application_key": f"literal:{DEMO_APPLICATION_KEY}", "require": "none", "service_url": told["service_url"],
            "trusted_suffixes": "localhost", "verify_every": "1m", "retry_first": "1s", "retry_ceiling": "3s",
        },
        "connection": {"ca_file": told["ca_file"]},
    }  # fmt: skip
    for site in SITES:
        write(place / f"{site}.ini", {**sections, "site": {"display_name": site}})
    return dict.fromkeys(SITES, sections)


def figures(*, long: bool) -> Iterator[Figure]:
    """The frame's: one run, and what it held at the end."""
    length = LONG if long else BOUNDED
    with TemporaryDirectory(prefix="sitebind-soak-") as folder:
        soak = Soak(Path(folder), length, seed=secrets.randbits(32))
        began = time.monotonic()
        soak.run()
        minutes = (time.monotonic() - began) / 60
        yield Figure(
            what="Operations at random, four at a time, on five sites, with the service in and out of trouble",
            amount=f"{soak.done.total():,} in {minutes:.0f} min",
            found=f"{soak.answers.total():,} answers, none a defect; the chain is whole ({machine(Path(folder))})",
        )
        yield from (described(one, line) for one, line in soak.trends().items())
        yield from kept(soak.samples)


def described(measure: Measure, line: Trend) -> Figure:
    """A measure's row: its mean, and its slope with two standard errors."""
    per = 1000 * line.slope
    return Figure(
        what=f"{measure.name.capitalize()}, between rounds of work",
        amount=f"{line.over:,.0f} operations",
        found=f"{line.mean:,.0f}{measure.unit} on average; {per:+.2f} ± {1000 * SURE * line.error:.2f}{measure.unit} "
        "per 1,000 operations",
    )


def kept(samples: Sequence[Sample]) -> Iterator[Figure]:
    """How many rows each table held at the first look, at the last, and at most."""
    for table in sorted(samples[-1].rows):
        rows = [sample.rows.get(table, 0) for sample in samples]
        yield Figure(
            what=f"Rows of the table `{table}`", amount=f"{len(rows)} looks",
            found=f"{rows[0]:,} at the first, {rows[-1]:,} at the last, {max(rows):,} at most",
        )  # fmt: skip
