"""Runs of the doctor for the page: how many are kept, and what becomes of one that breaks."""

from __future__ import annotations

import asyncio

import pytest

from daemon.engine.operations import Caller
from daemon.web.errors import HttpProblem
from daemon.web.ui.doctor_runs import DoctorRuns
from states import BindStep
from tests.clock import ManualClock
from tests.running import eventually
from tests.web.memory_engine import MemoryEngine

SITES = tuple(f"site-{number:02}" for number in range(66))
ASKED = Caller(actor="test")


class Slow(MemoryEngine):
    """Its doctor ends when a test lets him."""

    def __init__(self) -> None:
        super().__init__(*SITES)
        self.go_on = asyncio.Event()

    async def doctor(self, site: str, **_: object) -> tuple[BindStep, ...]:
        await self.go_on.wait()
        if site == SITES[1]:
            raise RuntimeError("never seen before")
        return ()


async def test_a_run_under_way_is_never_forgotten_and_there_are_only_so_many(clock: ManualClock) -> None:
    engine = Slow()
    runs = DoctorRuns(engine, clock)
    for site in SITES[:64]:
        runs.begin(site, ASKED)
    first = runs.of(SITES[0])
    runs.begin(SITES[0], ASKED)
    assert runs.of(SITES[0]) is first
    with pytest.raises(HttpProblem, match="64 sites already"):
        runs.begin(SITES[64], ASKED)
    engine.go_on.set()
    await eventually(lambda: all(run.ended for site in SITES[:64] if (run := runs.of(site)) is not None))
    runs.begin(SITES[64], ASKED)
    assert runs.of(SITES[0]) is None
    broke = runs.of(SITES[1])
    assert broke is not None
    assert "RuntimeError, a defect in sitebind" in broke.broke
    await runs.close()
