"""One client of the feed: no record lost and none twice, however commits, tellings, reads and cuts fall together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from daemon.engine.feed import BURST, Feed
from daemon.engine.following import BATCH, MOST_WAITING, PAGE, Subscription
from daemon.engine.happenings import Counted, Happening, Recorded, SiteChanged
from daemon.engine.operations import SiteView
from daemon.ports import AuditRecord
from states import BindStep, Moved, Snapshot, State, first_snapshot
from states.events import Restarted
from tests.clock import ManualClock

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
STEP = BindStep(step="connect", status="passed", seconds=0.25, detail="127.0.0.1:443", remedy="")


def record(seq: int, site: str = "") -> AuditRecord:
    return AuditRecord(
        seq=seq, at="", site=site, actor="", event="", before="", after="", request_id=None, detail={},
        previous_hash="", hash="",
    )  # fmt: skip


def shown(site: str) -> SiteView:
    return SiteView(
        id=site, state=State.BOUND, since=NOON, reason="", server_name="", display_name="", site_code="", region="",
        company="", version="", binding=None, retry_at=None, problems=(), ready=True,
    )  # fmt: skip


class Database:
    """Records are committed by a thread, and told by the loop some time later; `reading` happens during a read."""

    def __init__(self) -> None:
        self.records: list[AuditRecord] = []
        self.told = 0
        self.first_seq = 1
        self.reading: Callable[[], None] = lambda: None

    @property
    def last_seq(self) -> int:
        return self.told

    def commit(self, count: int) -> None:
        self.records += [record(len(self.records) + 1 + n) for n in range(count)]

    def tell(self, feed: Feed) -> None:
        fresh = self.records[self.told :]
        self.told = len(self.records)
        if fresh:
            feed.recorded(len(fresh), iter(fresh))

    async def audit(self, *, site: str | None = None, after: int = 0, limit: int = 100) -> list[AuditRecord]:
        page = [one for one in self.records if one.seq > after and site in (None, one.site)][:limit]
        self.reading()
        return page


def feed_of(database: Database, snapshots: dict[str, Snapshot] | None = None) -> Feed:
    feed = Feed(trail=database, snapshots=snapshots or {}, clock=ManualClock())
    feed.attach(shown)
    return feed


def numbers(happenings: list[Happening]) -> list[int]:
    return [one.record.seq for one in happenings if isinstance(one, Recorded)]


async def drained(one: Subscription) -> list[Happening]:
    taken: list[Happening] = []
    while one.woken.is_set():
        taken += await one.take()
    return taken


OPERATION = st.one_of(
    st.tuples(st.just("commit"), st.sampled_from([1, 2, BATCH + 7, PAGE, BURST + 5])),
    st.tuples(st.sampled_from(["tell", "take", "come back"]), st.just(0)),
)

END = [("take", 0), ("commit", 1), ("tell", 0), ("take", 0)]


@given(st.lists(OPERATION, max_size=40), st.lists(OPERATION, max_size=40), st.booleans())
def test_every_record_comes_once_and_in_order(
    operations: list[tuple[str, int]], during_reads: list[tuple[str, int]], from_the_start: bool
) -> None:
    """Commits and tellings also fall into the middle of a read of the database."""
    asyncio.run(Life(iter(during_reads), from_the_start=from_the_start).lived(operations))


class Life:
    """One client that is cut off now and then, and what happens around it."""

    def __init__(self, during_reads: Iterator[tuple[str, int]], *, from_the_start: bool) -> None:
        self._database = Database()
        self._feed = feed_of(self._database)
        self._during_reads = during_reads
        self._after = 0 if from_the_start else None
        if not from_the_start:
            self._happen("commit", 3)
            self._happen("tell", 0)
        self._got = [self._database.told]

    async def lived(self, operations: list[tuple[str, int]]) -> None:
        one = self._feed.follow(site=None, after=self._after, cut=lambda: None)
        self._database.reading = self._read
        for what, count in [*operations, *END]:
            if what == "take":
                self._got += numbers(await one.take())
            elif what == "come back" or one.dropped:
                one = self._again(one)
            self._happen(what, count)
        await self._to_the_end(one)
        assert self._got == list(range(self._got[0], len(self._database.records) + 1))

    async def _to_the_end(self, one: Subscription) -> None:
        self._got += numbers(await drained(one))
        one = self._again(one) if one.dropped else one
        self._database.reading = lambda: None
        self._happen("tell", 0)
        self._got += numbers(await drained(one))
        one.close()

    def _again(self, one: Subscription) -> Subscription:
        one.close()
        return self._feed.follow(site=None, after=self._got[-1], cut=lambda: None)

    def _happen(self, what: str, count: int) -> None:
        if what == "commit":
            self._database.commit(count)
        elif what == "tell":
            self._database.tell(self._feed)

    def _read(self) -> None:
        for what, count in islice(self._during_reads, 2):
            self._happen(what, count)


async def test_a_record_that_is_told_during_the_last_read_is_read_too() -> None:
    """The page that was just read does not have it, and while older ones are read nothing waits."""
    database = Database()
    feed = feed_of(database)
    database.commit(3)
    database.tell(feed)

    def once() -> None:
        database.reading = lambda: None
        database.commit(1)
        database.tell(feed)

    database.reading = once
    one = feed.follow(site=None, after=0, cut=lambda: None)
    assert numbers(await drained(one)) == [1, 2, 3, 4]
    one.close()


async def test_records_before_a_burst_come_before_it() -> None:
    """More wait than are handed out at once, and then come too many to wait."""
    database = Database()
    feed = feed_of(database)
    one = feed.follow(site=None, after=None, cut=lambda: None)
    for _ in range(3):
        database.commit(BURST)
        database.tell(feed)
    database.commit(BURST + 1)
    database.tell(feed)
    assert numbers(await drained(one)) == list(range(1, len(database.records) + 1))
    one.close()


async def test_a_number_that_no_record_has_begins_with_now() -> None:
    """What was committed since then is not left out."""
    database = Database()
    feed = feed_of(database)
    database.commit(5)
    database.tell(feed)
    one = feed.follow(site=None, after=99, cut=lambda: None)
    database.commit(2)
    database.tell(feed)
    assert numbers(await drained(one)) == [6, 7]
    database.commit(1)
    database.tell(feed)
    assert numbers(await drained(one)) == [8]
    one.close()


async def test_a_client_for_which_too_much_waits_is_dropped_once_and_gets_nothing_more() -> None:
    """The others do not notice."""
    cuts: list[str] = []
    feed = feed_of(Database())
    slow = feed.follow(site=None, after=None, cut=lambda: cuts.append("slow"))
    quick = feed.follow(site=None, after=None, cut=lambda: cuts.append("quick"))
    for number in range(2 * MOST_WAITING):
        feed.recorded(1, iter([record(number + 1)]))
        assert number + 1 in numbers(await drained(quick))
    assert (cuts, slow.dropped, quick.dropped) == (["slow"], True, False)
    assert await slow.take() == []
    assert not slow.woken.is_set()
    slow.close()
    quick.close()


async def test_changes_of_a_site_that_nobody_fetched_are_one() -> None:
    """A thousand steps of one site do not make a client slow."""
    before = first_snapshot("default", site_code="c0de", at=NOON)
    after = first_snapshot("default", site_code="c1de", at=NOON)
    feed = feed_of(Database(), {"default": after})
    one = feed.follow(site="default", after=None, cut=lambda: None)
    step = Moved(before=before, after=after, event=Restarted(), effects=())
    for _ in range(2 * MOST_WAITING):
        feed.saw(step)
    assert [type(happening) for happening in await drained(one)] == [SiteChanged, Counted]
    one.close()


async def test_nothing_is_made_while_nobody_follows() -> None:
    """Nor for a client that has left; and no task is left behind."""
    made: list[int] = []

    def counted() -> Iterator[AuditRecord]:
        made.append(1)
        yield record(1)

    feed = feed_of(Database())
    feed.recorded(1, counted())
    feed.follow(site=None, after=None, cut=lambda: None).close()
    await asyncio.sleep(0)
    feed.recorded(1, counted())
    assert made == []
    assert [task.get_name() for task in asyncio.all_tasks() if "feed" in task.get_name()] == []


async def test_another_site_is_nobodys_business() -> None:
    """Neither its records nor its binds."""
    database = Database()
    feed = feed_of(database)
    one = feed.follow(site="default", after=None, cut=lambda: None)
    await drained(one)
    feed.recorded(2, iter([record(1, "other"), record(2, "default")]))
    feed.stepped("other", "other-1", STEP)
    assert numbers(await drained(one)) == [2]
    feed.telling_layers("other", run="")(STEP)
    assert not one.woken.is_set()
    one.close()
