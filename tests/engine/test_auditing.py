"""The audit trail at the front door: what a site was, whether the chain is intact, and who exported it."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

from daemon.engine.auditing import MOST_MOVES, Auditing
from daemon.engine.history import StateInterval, intervals_of, reason_of
from daemon.engine.operations import Caller
from daemon.ports import AuditFilter, AuditRecord, ChainReport
from daemon.store.audit import verify_export
from states import State
from tests.clock import ManualClock
from tests.running import Running

ME = Caller(actor="test", request_id="r-1")
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def a_record(seq: int, after: str, *, minutes: int | None = None, **changes: Any) -> AuditRecord:
    values: dict[str, Any] = {
        "seq": seq, "at": (NOON + timedelta(minutes=seq if minutes is None else minutes)).isoformat(), "site": "a",
        "actor": "daemon", "event": "bind_failed", "before": "?", "after": after, "request_id": None, "detail": {},
        "previous_hash": "", "hash": "",
    }  # fmt: skip
    return AuditRecord(**{**values, **changes})


async def test_a_site_knows_its_past(run: Running) -> None:
    """From its first state to what it is in now, each with its record and why."""
    await run.reach(State.BOUND)
    run.sandbox.script.start("wrong-password")
    await run.rebind()
    began = run.manual.now() - timedelta(days=1)
    history = await run.daemon.front.state_history("default", began)
    assert [one.state.value for one in history.intervals] == ["configured", "binding", "bound", "binding", "failed"]
    assert [one.end for one in history.intervals[:-1]] == [one.begin for one in history.intervals[1:]]
    assert history.intervals[-1].end is None
    assert history.complete
    assert history.intervals[-1].reason.startswith("bind failed: credentials-refused: ")
    records = await run.daemon.front.audit(AuditFilter(site="default"))
    for one in history.intervals:
        assert {record.seq: record.after for record in records}[one.seq] == one.state.value


async def test_history_begins_with_the_state_that_held(run: Running) -> None:
    """However long ago it began."""
    await run.reach(State.BOUND)
    await run.manual.advance(60)
    history = await run.daemon.front.state_history("default", run.manual.now())
    [held] = history.intervals
    assert (held.state, held.end) == (State.BOUND, None)
    assert held.begin < history.since


def test_intervals_have_no_gaps_whatever_the_records_are() -> None:
    """A clock that was set back makes an empty interval, a damaged record none, the same state again none."""
    records = [
        a_record(1, "configured"), a_record(2, "binding", minutes=9), a_record(3, "bound", minutes=4),
        a_record(4, "bo\ufffdnd"), a_record(5, "failed", at="yesterday"), a_record(6, "bound"),
        a_record(7, "failed", minutes=12),
    ]  # fmt: skip
    found = intervals_of(records)
    at = [NOON + timedelta(minutes=minutes) for minutes in (1, 9, 9, 12)]
    assert [(one.state.value, one.begin) for one in found] == list(
        zip(("configured", "binding", "bound", "failed"), at, strict=True)
    )
    assert found[-1] == StateInterval(state=State.FAILED, begin=at[3], end=None, seq=7, reason="bind failed")
    assert intervals_of([]) == ()


def test_a_reason_is_the_fault_or_what_was_said_or_what_happened() -> None:
    assert reason_of(a_record(1, "failed", detail={"fault": "throttled", "detail": "slow down"})) == (
        "bind failed: throttled: slow down"
    )
    asked = a_record(1, "binding", event="bind_requested", detail={"reason": "ticket 7", "attempt": 2})
    assert reason_of(asked) == "bind requested: ticket 7"
    rejected = a_record(1, "unconfigured", event="config_rejected", detail={"findings": ["[account] x", "y"]})
    assert reason_of(rejected) == "config rejected: [account] x"
    assert reason_of(a_record(1, "bound", event="bind_succeeded", detail={"reason": 5})) == "bind succeeded"


async def test_an_export_says_who_took_it_and_can_be_verified(run: Running) -> None:
    """The record of the export is its own last line."""
    await run.reach(State.BOUND)
    pieces = await run.daemon.front.export_audit(AuditFilter(), "jsonl", caller=ME)
    lines = b"".join([piece async for piece in pieces]).decode().splitlines()
    assert verify_export(lines).intact
    (last,) = await run.daemon.front.audit(AuditFilter(newest_first=True, limit=1))
    assert (last.event, last.actor, last.request_id) == ("audit_exported", "test", "r-1")
    assert last.detail == {"format": "jsonl", "filter": {}}
    assert last.hash in lines[-1]
    since = run.manual.now()
    await run.daemon.front.export_audit(AuditFilter(site="default", events=("a", "b"), since=since), "csv", caller=ME)
    (last,) = await run.daemon.front.audit(AuditFilter(newest_first=True, limit=1))
    assert last.detail["filter"] == {"site": "default", "events": ["a", "b"], "since": since.isoformat()}


async def test_the_chain_is_walked_once_a_minute_or_when_wanted(run: Running) -> None:
    await run.reach(State.BOUND)
    front, path = run.daemon.front, run.daemon.front.settings.database
    first = await front.chain()
    assert first.intact
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER audit_is_never_changed")
        connection.execute("UPDATE audit SET actor = 'nobody' WHERE seq = 2")
        connection.commit()
    await run.manual.advance(59)
    assert await front.chain() == first
    broken = await front.chain(fresh=True)
    assert (broken.intact, broken.records, broken.broken_at) == (False, 1, 2)
    assert "record 2 was edited" in broken.reason
    assert broken.checked_at > first.checked_at
    assert await front.chain() == broken


class CountingJournal:
    """A chain that takes as long as the test wants."""

    def __init__(self) -> None:
        self.walks = 0
        self.go_on = asyncio.Event()

    async def verify(self) -> ChainReport:
        self.walks += 1
        await self.go_on.wait()
        return ChainReport(intact=True, records=self.walks, first=1, last=self.walks, head="")


async def test_any_number_of_callers_cause_two_walks_at_most() -> None:
    """The one under way, which may have passed what they ask about, and one that begins after they asked."""
    journal, clock, told = CountingJournal(), ManualClock(), list[ChainReport]()
    auditing = Auditing(journal, clock, known=lambda _site: None, walked=told.append)  # type: ignore[arg-type]
    async with asyncio.TaskGroup() as group:
        first = group.create_task(auditing.chain(fresh=True))
        await asyncio.sleep(0)
        await clock.advance(1)
        later = [group.create_task(auditing.chain(fresh=True)) for _ in range(20)]
        await asyncio.sleep(0)
        await clock.advance(1)
        journal.go_on.set()
    assert first.result().records == 1
    assert {task.result().records for task in later} == {2}
    assert journal.walks == 2
    assert [report.records for report in told] == [1, 2]


async def test_a_history_that_was_cut_says_so() -> None:
    """A site that fails every few seconds."""

    class Flapping:
        async def moves(self, site: str, *, since: datetime, most: int) -> list[AuditRecord]:
            return [a_record(seq, ("binding", "failed")[seq % 2]) for seq in range(1, most + 1)]

    auditing = Auditing(Flapping(), ManualClock(), known=bool, walked=print)  # type: ignore[arg-type]
    history = await auditing.history("a", NOON)
    assert not history.complete
    assert len(history.intervals) == MOST_MOVES
