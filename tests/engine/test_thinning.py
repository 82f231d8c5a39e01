"""Refusals cannot fill the disk: one record a minute for each caller, with a count."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime
from itertools import pairwise
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.engine.access import Access
from daemon.engine.operations import Caller
from daemon.engine.scheduler import Scheduler
from daemon.engine.tasks import Tasks
from daemon.engine.thinning import MOST_KEYS
from daemon.ports import JournalEntry
from tests.clock import ManualClock
from tests.running import Running
from tests.web.memory_access import MemoryAccess, MemoryJournal, MemoryTokens


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def access(clock: ManualClock) -> MemoryAccess:
    return MemoryAccess(clock)


def refuse(access: MemoryAccess, key: str = "address:10.0.0.9", code: str = "token-wrong") -> None:
    access.refused(Caller(actor=f"http:{key}"), key=key, code=code, status=401, what="GET /metrics")


async def test_the_first_is_recorded_at_once_and_the_rest_of_the_minute_together(access: MemoryAccess) -> None:
    """A single attempt is seen at once; a thousand cost two records."""
    for _ in range(700):
        refuse(access)
    for _ in range(300):
        refuse(access, code="host-not-allowed")
    await access.work.settle()
    assert [entry.detail["code"] for entry in access.journal.entries] == ["token-wrong"]
    await access.minute_over()
    first, counted = access.journal.entries
    assert "count" not in first.detail
    assert (counted.detail["count"], counted.actor) == (999, "http:address:10.0.0.9")
    assert counted.detail["kinds"] == {"host-not-allowed": 300, "token-wrong": 699}


async def test_a_quiet_minute_ends_the_matter(access: MemoryAccess) -> None:
    """No record without a refusal, and the next one is recorded at once again."""
    refuse(access)
    await access.minute_over()
    assert len(access.journal.entries) == 1
    refuse(access)
    await access.work.settle()
    assert len(access.journal.entries) == 2


async def test_going_on_for_an_hour_costs_a_record_a_minute(access: MemoryAccess) -> None:
    """Not one more."""
    for _ in range(60):
        for _ in range(50):
            refuse(access)
        await access.minute_over()
    assert len(access.journal.entries) == 61
    assert 1 + sum(entry.detail["count"] for entry in access.journal.entries[1:]) == 3000


async def test_many_addresses_share_a_record(access: MemoryAccess) -> None:
    """Whoever commands a thousand addresses does not fill the disk either."""
    for number in range(1000):
        refuse(access, key=f"address:10.0.{number // 256}.{number % 256}")
    await access.minute_over()
    assert len(access.journal.entries) == MOST_KEYS + 1
    assert access.journal.entries[-1].actor == "others"
    assert access.journal.entries[-1].detail["count"] == 1000 - MOST_KEYS


async def test_what_cannot_be_recorded_is_kept_until_it_can(access: MemoryAccess) -> None:
    """Nothing is lost while the disk is full."""
    access.journal.down = True
    for _ in range(10):
        refuse(access)
    await access.minute_over()
    await access.minute_over()
    assert access.journal.entries == []
    access.journal.down = False
    await access.minute_over()
    [entry] = access.journal.entries
    assert entry.detail["count"] == 10


async def test_a_stop_records_what_was_counted(access: MemoryAccess) -> None:
    """Also the minute that is not over."""
    for _ in range(3):
        refuse(access)
    await access.work.settle()
    await access.close()
    assert [entry.detail.get("count") for entry in access.journal.entries] == [None, 2]


async def test_binds_that_the_lifecycle_refuses_do_not_fill_the_disk(run: Running) -> None:
    """Each caller is told each time; the trail holds the first, and then a count."""
    await run.until(lambda: "default" in run.daemon.driver.snapshots and run.now().binding is not None)
    run.path.write_text("[binding\n")
    await run.asked("POST", "/-/reload", status=422)
    run.path.unlink()
    await run.asked("POST", "/-/reload", status=200)
    before = len(await run.audit("default"))
    for _ in range(50):
        await run.asked("POST", "/rebind?site=default", status=409)
    assert len(await run.audit("default")) == before + 1
    await run.manual.advance(61)
    await run.daemon.supervisor._records.settle()
    records = await run.daemon.journal.audit(site="default", limit=1000)
    assert len(records) == before + 2
    assert (records[-1].event, records[-1].detail["count"]) == ("bind_requested", 49)


# --- any refusals at any time ------------------------------------------------------------------

ROOM = 3
CALLERS = "abcde"
GAPS = st.one_of(st.sampled_from([0, 1, 59_999, 60_000, 60_001]), st.integers(0, 150_000))
"""Milliseconds, often around the minute."""


Happening = tuple[int, str, str, int, bool, float]
"""Milliseconds until then, who, what for, how often, and how the journal is from then on: down, seconds per record."""


class SlowJournal(MemoryJournal):
    """Takes `takes` seconds for a record, and then fails when it is `down`."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.takes = 0.0
        self._clock = clock

    async def append(self, entry: JournalEntry) -> int:
        if self.takes:
            await self._clock.sleep(self.takes)
        return await super().append(entry)


class Trail:
    """Real thinning on the real timers, in manual time; what was refused and what the journal holds of it."""

    def __init__(self) -> None:
        self.clock, self.work = ManualClock(), Tasks()
        self.journal = SlowJournal(self.clock)
        self.timers = Scheduler(self.clock, pace=20)
        tokens = MemoryTokens(self.journal)
        self.access = Access(tokens, journal=self.journal, clock=self.clock, timers=self.timers, tasks=self.work)
        self.refused: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()

    def refuse(self, caller: str, kind: str) -> None:
        self.access.refused(Caller(actor=caller), key=caller, code=kind, status=401, what="GET /metrics")
        self.refused[caller] += 1
        self.kinds[kind] += 1

    async def go_through(self, happenings: list[Happening]) -> None:
        for gap, caller, kind, times, down, takes in happenings:
            await self.clock.advance(gap / 1000)
            self.journal.down, self.journal.takes = down, takes
            for _ in range(times):
                self.refuse(caller, kind)

    def recorded(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for entry in self.journal.entries:
            found[entry.actor] += entry.detail.get("count", 1)
        return found

    def recorded_kinds(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for entry in self.journal.entries:
            found.update(entry.detail.get("kinds", {entry.detail["code"]: 1}))
        return found


HAPPENINGS = st.lists(
    st.tuples(
        GAPS,
        st.sampled_from(CALLERS),
        st.sampled_from(["token-wrong", "host-not-allowed"]),
        st.integers(0, 5),
        st.booleans(),
        st.sampled_from([0.0, 0.0, 10.0, 70.0]),
    ),
    max_size=25,
)


def without_room(happenings: list[Happening]) -> Trail:
    """Live through them where only `ROOM` callers have records of their own, and then let all be recorded."""

    async def live() -> Trail:
        trail = Trail()
        timers = asyncio.create_task(trail.timers.run(), name="timers")
        await trail.go_through(happenings)
        trail.journal.down, trail.journal.takes = False, 0.0
        await trail.clock.advance(300)
        timers.cancel()
        await asyncio.wait([timers])
        return trail

    with mock.patch("daemon.engine.thinning.MOST_KEYS", ROOM):
        return asyncio.run(live())


@given(HAPPENINGS)
def test_two_records_of_a_caller_are_a_minute_apart_and_nothing_is_lost(happenings: list[Happening]) -> None:
    """Whatever comes when, also with a journal that is slow, or fails in between."""
    trail = without_room(happenings)
    for caller in (*CALLERS, "others"):
        moments = [entry.at for entry in trail.journal.entries if entry.actor == caller]
        apart = [(later - earlier).total_seconds() for earlier, later in pairwise(sorted(moments))]
        assert all(seconds >= 60 for seconds in apart), (caller, apart)
    recorded = trail.recorded()
    assert all(recorded[caller] <= trail.refused[caller] for caller in CALLERS)
    assert recorded.total() == trail.refused.total()
    assert trail.recorded_kinds() == trail.kinds
    if len(trail.refused) <= ROOM:
        assert recorded == trail.refused


@given(HAPPENINGS)
def test_a_stop_at_any_moment_loses_nothing_that_the_journal_takes(happenings: list[Happening]) -> None:
    """The one time at which two records of a caller may be nearer to each other."""

    async def live() -> Trail:
        trail = Trail()
        timers = asyncio.create_task(trail.timers.run(), name="timers")
        await trail.go_through(happenings)
        trail.journal.down = False
        timers.cancel()
        closing = asyncio.gather(trail.access.close(), trail.work.settle(), timers, return_exceptions=True)
        await trail.clock.advance(1000)
        await closing
        return trail

    trail = asyncio.run(live())
    assert trail.recorded() == trail.refused


async def test_a_record_says_when_its_first_and_its_last_were(access: MemoryAccess, clock: ManualClock) -> None:
    """Its own time is when it was written, so that the trail's times tell how often a caller is recorded."""
    refuse(access)
    began = clock.now()
    await clock.advance(1)
    refuse(access)
    await clock.advance(29)
    access.journal.down = True
    refuse(access)
    await clock.advance(30)
    await access.minute_over()
    await clock.advance(60)
    access.journal.down = False
    await access.minute_over()
    counted = access.journal.entries[-1]
    told = [datetime.fromisoformat(counted.detail[name]) for name in ("first_at", "last_at")]
    assert [round((at - began).total_seconds()) for at in (*told, counted.at)] == [1, 30, 120]


async def test_what_is_lost_at_a_stop_is_said(access: MemoryAccess, caplog: pytest.LogCaptureFixture) -> None:
    """A full disk at the last moment: the log has the number."""
    for _ in range(5):
        refuse(access)
    await access.work.settle()
    access.journal.down = True
    await access.close()
    assert "4 refusals could not be recorded before the stop and are lost" in caplog.text
