"""Timers and the pace, in time that the test moves."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from daemon.engine.scheduler import Scheduler
from tests.clock import ManualClock


@asynccontextmanager
async def running(clock: ManualClock, *, pace: int = 20) -> AsyncIterator[Scheduler]:
    scheduler = Scheduler(clock, pace=pace)
    task = asyncio.create_task(scheduler.run(), name="scheduler")
    try:
        yield scheduler
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_timer_fires_at_its_time_and_not_before(clock: ManualClock) -> None:
    """One second short is silence; the second itself is the call."""
    fired: list[float] = []
    async with running(clock) as scheduler:
        scheduler.at(clock.now() + timedelta(seconds=10), ("a", "retry"), lambda: fired.append(clock.monotonic()))
        await clock.advance(9)
        assert fired == []
        await clock.advance(1)
        assert fired == [10.0]
        assert len(scheduler) == 0


async def test_setting_a_timer_again_replaces_it(clock: ManualClock) -> None:
    """The later plan counts, also when it comes earlier in time."""
    fired: list[str] = []
    async with running(clock) as scheduler:
        scheduler.at(clock.now() + timedelta(seconds=10), ("a", "verify"), lambda: fired.append("first"))
        scheduler.at(clock.now() + timedelta(seconds=5), ("a", "verify"), lambda: fired.append("second"))
        await clock.advance(30)
    assert fired == ["second"]


async def test_a_cancelled_timer_stays_silent(clock: ManualClock) -> None:
    """Each by its key; one that does not exist is well."""
    fired: list[str] = []
    async with running(clock) as scheduler:
        for site in ("a", "b"):
            for purpose in ("retry", "verify"):
                due = clock.now() + timedelta(seconds=1)
                scheduler.at(due, (site, purpose), lambda s=site, p=purpose: fired.append(f"{s} {p}"))
        scheduler.cancel(("a", "retry"))
        scheduler.cancel(("a", "no such timer"))
        scheduler.cancel(("b", "retry"))
        scheduler.cancel(("b", "verify"))
        await clock.advance(2)
    assert fired == ["a verify"]


@pytest.mark.parametrize("earlier", [False, True])
async def test_a_timer_that_is_withheld_fires_when_nobody_cancels_it(clock: ManualClock, *, earlier: bool) -> None:
    """Also where it takes the place of one that was set before; others are not kept from their time."""
    fired: list[str] = []
    key, soon = ("a", "request"), clock.now() + timedelta(seconds=1)
    async with running(clock) as scheduler:
        for end in ("kept", "cancelled", "unused"):
            if earlier:
                scheduler.at(soon, key, lambda: fired.append("earlier"))
            with scheduler.withheld(key):
                if end != "unused":
                    scheduler.at(clock.now(), key, lambda e=end: fired.append(e))
                scheduler.at(clock.now(), ("b", "request"), lambda: fired.append("b"))
                await clock.advance(5)
                if end == "cancelled":
                    scheduler.cancel(key)
            await clock.advance(0)
    # A timer from before is left alone where no other takes its place.
    assert sorted(fired) == ["b", "b", "b", *(["earlier"] if earlier else []), "kept"]


async def test_a_time_in_the_past_fires_at_once(clock: ManualClock) -> None:
    """A retry whose time came while the daemon was down is not forgotten."""
    fired: list[str] = []
    async with running(clock) as scheduler:
        scheduler.at(clock.now() - timedelta(hours=1), ("a", "retry"), lambda: fired.append("a"))
        await clock.advance(0)
        assert fired == ["a"]


async def test_a_wall_clock_that_jumps_does_not_move_a_timer(clock: ManualClock) -> None:
    """Waiting is measured by the monotonic clock once the timer is set."""
    fired: list[str] = []
    async with running(clock) as scheduler:
        scheduler.at(clock.now() + timedelta(seconds=60), ("a", "verify"), lambda: fired.append("a"))
        clock.jump(3600)
        await clock.advance(59)
        assert fired == []
        clock.jump(-7200)
        await clock.advance(1)
        assert fired == ["a"]


@pytest.mark.parametrize("pace", [1, 20, 100])
async def test_no_second_holds_more_than_the_pace(clock: ManualClock, pace: int) -> None:
    """A thousand sites that come due at once are spread; none is lost and the order is kept."""
    fired: list[tuple[float, int]] = []
    count = 5 * pace
    async with running(clock, pace=pace) as scheduler:
        for number in range(count):
            scheduler.at(
                clock.now(),
                (f"site-{number}", "request"),
                lambda n=number: fired.append((clock.monotonic(), n)),
                paced=True,
            )
        await clock.advance(count / pace + 1)
    assert [number for _, number in fired] == list(range(count))
    # Any window of one second, wherever it begins, not only the clock's own seconds.
    for begin, _ in fired:
        assert sum(begin <= at < begin + 1 - 1e-9 for at, _ in fired) <= pace
    assert max(Counter(int(at) for at, _ in fired).values()) <= pace + 1


async def test_an_unpaced_timer_does_not_wait_behind_paced_ones(clock: ManualClock) -> None:
    """What a person asked for comes before the herd."""
    fired: list[str] = []
    async with running(clock, pace=1) as scheduler:
        for number in range(10):
            scheduler.at(clock.now(), (f"s{number}", "request"), lambda: fired.append("paced"), paced=True)
        scheduler.at(clock.now(), ("me", "now"), lambda: fired.append("unpaced"))
        await clock.advance(0)
    assert fired == ["paced", "unpaced"]


async def test_a_paced_timer_can_be_cancelled_while_it_waits_for_its_slot(clock: ManualClock) -> None:
    """Its slot passes unused."""
    fired: list[str] = []
    async with running(clock, pace=1) as scheduler:
        for site in ("a", "b", "c"):
            scheduler.at(clock.now(), (site, "request"), lambda s=site: fired.append(s), paced=True)
        await clock.advance(0)
        scheduler.cancel(("b", "request"))
        await clock.advance(10)
    assert fired == ["a", "c"]


async def test_the_pace_can_be_changed_while_it_runs(clock: ManualClock) -> None:
    """[daemon] pace is applied without a restart."""
    fired: list[float] = []
    async with running(clock, pace=1) as scheduler:
        scheduler.set_pace(10)
        for number in range(10):
            due = clock.now()
            scheduler.at(due, (f"s{number}", "request"), lambda: fired.append(clock.monotonic()), paced=True)
        await clock.advance(1)
    assert len(fired) == 10
