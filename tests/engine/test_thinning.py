"""Refusals cannot fill the disk: one record a minute for each caller, with a count."""

from __future__ import annotations

import pytest

from daemon.engine.operations import Caller
from daemon.engine.thinning import MOST_KEYS
from tests.clock import ManualClock
from tests.running import Running
from tests.web.memory_access import MemoryAccess


@pytest.fixture
def access() -> MemoryAccess:
    return MemoryAccess(ManualClock())


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
    assert len(access.journal.entries) == MOST_KEYS + 2
    assert access.journal.entries[-1].actor == "others"
    assert access.journal.entries[-1].detail["count"] == 1000 - MOST_KEYS - 1


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
