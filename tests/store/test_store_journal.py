"""The journal's contract: what was acknowledged is there, in order, and nothing half."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from daemon.ports import AuditRecord, BindReport, JournalEntry, JournalUnavailable
from daemon.store import journal as journal_module
from daemon.store.holder import DatabaseInUse
from daemon.store.journal import SqliteJournal
from states import Snapshot

Make = Callable[..., JournalEntry]
ROOT = Path(__file__).resolve().parents[2]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_an_entry_is_numbered_from_one_and_read_back_as_it_was(journal: SqliteJournal, entry: Make) -> None:
    first = await journal.append(entry(detail={"b": [1, None, True], "a": {"ü": "\n\0"}}))
    second = await journal.append(entry(request_id=None))
    assert (first, second) == (1, 2)
    one, two = await journal.audit()
    assert one.detail == {"b": [1, None, True], "a": {"ü": "\n\0"}}
    assert (one.at, one.site, one.actor) == ("2030-01-01T12:00:00.000000Z", "default", "http:127.0.0.1")
    assert (one.event, one.before, one.after) == ("bind_requested", "bound", "binding")
    assert (one.request_id, two.request_id) == ("r-1", None)
    assert one.previous_hash == "0" * 64
    assert two.previous_hash == one.hash


async def test_snapshot_and_report_come_with_their_entry(
    journal: SqliteJournal, entry: Make, snapshot: Callable[..., Snapshot], report: Callable[..., BindReport]
) -> None:
    await journal.append(entry(snapshot=snapshot(attempt=1), report=report(state="open", finished_at=None)))
    await journal.append(entry(snapshot=snapshot(attempt=2), report=report()))
    await journal.append(entry(site="other", snapshot=snapshot("other"), report=report(id="b2", attempt=2)))
    assert await journal.snapshots() == {"default": snapshot(attempt=2), "other": snapshot("other")}
    assert await journal.report("default", "b1") == report()
    assert await journal.report("other", "b1") is None
    assert [one.id for one in await journal.reports("default")] == ["b2", "b1"]
    assert [one.id for one in await journal.reports("default", limit=1)] == ["b2"]


async def test_an_open_report_is_read_back_without_an_end(
    journal: SqliteJournal, entry: Make, report: Callable[..., BindReport]
) -> None:
    stored = report(state="open", finished_at=None, fault=None, steps=())
    await journal.append(entry(report=stored))
    assert await journal.report("default", "b1") == stored


async def test_readers_filter_by_site_and_number(journal: SqliteJournal, entry: Make) -> None:
    for site in ("a", "b", "a", "b", "a"):
        await journal.append(entry(site=site))
    assert [one.seq for one in await journal.audit(site="a", after=1, limit=1)] == [3]
    assert [one.seq for one in await journal.audit(after=3)] == [4, 5]


async def test_what_waits_together_is_committed_together_in_order(path: Path, entry: Make) -> None:
    """A thousand steps cost few commits, and each gets the number of its place in the queue."""
    groups: list[int] = []
    journal = SqliteJournal(path, committed=groups.append)
    await journal.open()
    numbers = await asyncio.gather(*(journal.append(entry(detail={"n": n})) for n in range(1000)))
    assert numbers == list(range(1, 1001))
    assert sum(groups) == 1000
    assert len(groups) <= 2
    assert [one.detail["n"] for one in await journal.audit(limit=1000)] == list(range(1000))
    assert (await journal.verify()).intact
    await journal.close()


async def test_whoever_listens_hears_of_every_record_as_it_is_stored(journal: SqliteJournal, entry: Make) -> None:
    """Of every kind, in order, once, and only after the commit; what fails is not told."""
    heard: list[AuditRecord] = []
    stored: list[int] = []

    def listen(count: int, records: Iterator[AuditRecord]) -> None:
        before = len(heard)
        heard.extend(records)
        assert len(heard) - before == count
        stored.append(journal.last_seq)

    journal.listen(listen)
    await asyncio.gather(*(journal.append(entry(detail={"n": n}, site=f"s{n}")) for n in range(50)))
    await journal.append_with(entry(event="token_created", site=""), ("UPDATE meta SET value = value", ()))
    with pytest.raises(JournalUnavailable):
        await journal.append_with(entry(), ("INSERT INTO nowhere VALUES (1)", ()))
    await journal.append(entry())
    assert heard == await journal.audit(limit=1000)
    assert stored[-1] == journal.last_seq == 52


async def test_who_listens_cannot_undo_a_record(
    journal: SqliteJournal, entry: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """A defect there is logged, and the next record is told again."""

    def fail(_count: int, records: Iterator[AuditRecord]) -> None:
        raise ZeroDivisionError(next(records).seq)

    journal.listen(fail)
    assert [await journal.append(entry()) for _ in range(2)] == [1, 2]
    assert "records 1 to 1 were not told" in caplog.text
    assert "records 2 to 2 were not told" in caplog.text
    assert (await journal.verify()).intact


async def test_of_two_steps_of_a_site_in_one_group_the_later_snapshot_stays(
    journal: SqliteJournal, entry: Make, snapshot: Callable[..., Snapshot]
) -> None:
    steps = (entry(snapshot=snapshot(attempt=n)) for n in range(5))
    await asyncio.gather(*(journal.append(step) for step in steps))
    assert (await journal.snapshots())["default"].attempt == 4


@pytest.mark.parametrize(
    "detail", [{"seconds": 1.5}, {"list": [0.1]}, {1: "a"}, {"set": {1}}, {"deep": {"deeper": [{"x": 0.0}]}}]
)
async def test_what_cannot_be_hashed_alike_everywhere_is_refused_at_once(
    journal: SqliteJournal, entry: Make, detail: dict[str, Any]
) -> None:
    """Its neighbours in the same group are not harmed."""
    good = asyncio.ensure_future(journal.append(entry()))
    with pytest.raises(TypeError):
        await journal.append(entry(detail=detail))
    assert await good == 1
    assert len(await journal.audit()) == 1


async def test_a_time_without_a_zone_is_refused(journal: SqliteJournal, entry: Make) -> None:
    with pytest.raises(ValueError, match="zone"):
        await journal.append(entry(at=datetime(2030, 1, 1)))  # noqa: DTZ001 - that is the point


async def test_times_are_kept_in_utc(journal: SqliteJournal, entry: Make) -> None:
    await journal.append(entry(at=datetime(2030, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))))
    assert (await journal.audit())[0].at == "2029-12-31T23:00:00.000000Z"


async def test_text_that_utf8_cannot_hold_is_recorded_with_a_replacement(journal: SqliteJournal, entry: Make) -> None:
    """A lone surrogate in a request must not keep the step from being recorded."""
    await journal.append(entry(actor="a\ud800", detail={"\udfff": ["x\ud800"], "n": 1}, request_id=None))
    (record,) = await journal.audit()
    assert record.actor == "a\ufffd"
    assert record.detail == {"\ufffd": ["x\ufffd"], "n": 1}
    assert (await journal.verify()).intact


async def test_everything_survives_a_restart(path: Path, entry: Make, snapshot: Callable[..., Snapshot]) -> None:
    for number in range(1, 4):
        journal = SqliteJournal(path)
        await journal.open()
        assert await journal.append(entry(snapshot=snapshot(attempt=number))) == number
        await journal.close()
    await journal.open()
    report = await journal.verify()
    assert (report.intact, report.records, report.first, report.last) == (True, 3, 1, 3)
    assert report.head == (await journal.audit(after=2))[-1].hash
    assert (await journal.snapshots())["default"].attempt == 3
    await journal.close()


async def test_verifying_takes_turns_with_the_loop(
    journal: SqliteJournal, entry: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records may be added while the walk is under way, and the walk is not confused."""
    monkeypatch.setattr(journal_module, "CHUNK", 7)
    # So many that the walk outlasts several commits, each of which may wait for a busy disk.
    await asyncio.gather(*(journal.append(entry()) for _ in range(3000)))
    walk = asyncio.ensure_future(journal.verify())
    added = 0
    while not walk.done():
        await journal.append(entry())
        added += 1
    report = await walk
    assert report.intact
    assert added > 1
    assert report.records >= 3000


# --- cancellation ------------------------------------------------------------------------------


async def test_a_cancelled_caller_still_learns_that_its_record_is_durable(journal: SqliteJournal, entry: Make) -> None:
    """Memory follows the disk: the answer comes first, the cancellation at the next wait."""
    adopted: list[int] = []
    reached: list[str] = []

    async def step() -> None:
        adopted.append(await journal.append(entry()))
        await asyncio.sleep(0)
        reached.append("never")

    task = asyncio.create_task(step(), name="step")
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert adopted == [1]
    assert reached == []
    assert [one.seq for one in await journal.audit()] == [1]


async def test_a_timeout_around_a_step_is_still_a_timeout(journal: SqliteJournal, entry: Make) -> None:
    adopted: list[int] = []

    async def step() -> None:
        async with asyncio.timeout(None) as limit:
            # Over while the commit is under way, so that the deadline meets the wait for it.
            asyncio.get_running_loop().call_soon(limit.reschedule, 0)
            adopted.append(await journal.append(entry()))
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await step()
    assert adopted == [1]


async def test_a_cancelled_caller_does_not_disturb_its_group(journal: SqliteJournal, entry: Make) -> None:
    tasks = [asyncio.create_task(journal.append(entry()), name="step") for _ in range(10)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results[1::2] == [2, 4, 6, 8, 10]
    assert len(await journal.audit()) == 10


# --- opening and closing -----------------------------------------------------------------------


async def test_closing_writes_what_waits_and_may_be_repeated(path: Path, entry: Make) -> None:
    journal = SqliteJournal(path)
    await journal.open()
    await journal.open()
    waiting = [asyncio.ensure_future(journal.append(entry())) for _ in range(50)]
    await asyncio.sleep(0)
    await asyncio.gather(journal.close(), journal.close())
    assert sorted(await asyncio.gather(*waiting)) == list(range(1, 51))
    assert not path.with_name("sitebind.db-wal").exists()
    await journal.close()


async def test_a_closed_journal_says_so(path: Path, entry: Make) -> None:
    journal = SqliteJournal(path)
    with pytest.raises(JournalUnavailable, match="closed"):
        await journal.append(entry())
    with pytest.raises(JournalUnavailable, match="closed"):
        await journal.audit()
    await journal.open()
    writer = journal._writing()
    await journal.close()
    with pytest.raises(JournalUnavailable, match="stopping"):
        await writer.run(lambda db: None)


async def test_a_writer_that_is_torn_down_leaves_nobody_waiting(journal: SqliteJournal, entry: Make) -> None:
    """The end of the process cancels every task; who waits is answered."""
    writer = journal._writing()
    assert writer._task is not None
    waiting = asyncio.ensure_future(journal.append(entry()))
    later = asyncio.ensure_future(journal.write(lambda db: None))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    writer._task.cancel()
    for one in (waiting, later):
        with pytest.raises(JournalUnavailable, match="stopped"):
            await one
    with pytest.raises(asyncio.CancelledError):
        await writer._task
    await journal.close()


async def test_files_and_folder_are_private_even_under_a_loose_umask(path: Path, entry: Make) -> None:
    before = os.umask(0)
    journal = SqliteJournal(path)
    try:
        await journal.open()
        await journal.append(entry())
        files = sorted(file.name for file in path.parent.iterdir())
        assert files == ["sitebind.db", "sitebind.db-shm", "sitebind.db-wal", "sitebind.db.lock"]
        assert {mode(file) for file in path.parent.iterdir()} == {0o600}
        assert mode(path.parent) == 0o700
    finally:
        os.umask(before)
        await journal.close()


async def test_a_file_that_others_could_read_is_made_private(path: Path) -> None:
    path.parent.mkdir()
    path.touch(mode=0o644)
    path.chmod(0o644)
    journal = SqliteJournal(path)
    await journal.open()
    assert mode(path) == 0o600
    await journal.close()


async def test_a_second_daemon_is_told_who_holds_the_database(journal: SqliteJournal, path: Path) -> None:
    link = path.with_name("link.db")
    link.symlink_to(path)
    for name in (path, link):
        second = SqliteJournal(name)
        with pytest.raises(DatabaseInUse, match=f"in use by process {os.getpid()} on host .+ since 20.+Stop"):
            await second.open()
    await journal.close()
    await second.open()
    await second.close()


async def test_a_lock_whose_holder_is_not_readable_is_still_a_lock(journal: SqliteJournal, path: Path) -> None:
    path.with_name("sitebind.db.lock").write_text("{}")
    with pytest.raises(DatabaseInUse, match="another process"):
        await SqliteJournal(path).open()


async def test_a_lock_file_that_cannot_be_made_is_said(path: Path) -> None:
    path.with_name("sitebind.db.lock").mkdir(parents=True)
    with pytest.raises(JournalUnavailable, match=r"sitebind\.db\.lock"):
        await SqliteJournal(path).open()


async def test_a_file_system_without_locks_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(JournalUnavailable, match="No locks available"):
        await SqliteJournal(path).open()


async def test_a_state_that_cannot_be_read_is_never_guessed(
    journal: SqliteJournal, path: Path, entry: Make, snapshot: Callable[..., Snapshot]
) -> None:
    await journal.append(entry(snapshot=snapshot()))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE snapshots SET document = '{}'")
        connection.commit()
    with pytest.raises(JournalUnavailable, match=r"site default cannot be read .+backup"):
        await journal.snapshots()


KILLED = """
import asyncio, sys
from pathlib import Path
from datetime import UTC, datetime
from daemon.ports import JournalEntry
from daemon.store.journal import SqliteJournal

async def main():
    journal = SqliteJournal(Path(sys.argv[1]))
    await journal.open()
    async def producer(name):
        while True:
            at = datetime.now(UTC)
            entry = JournalEntry(at=at, site=name, actor="t", event="e", before="a", after="b")
            print(await journal.append(entry), flush=True)
    await asyncio.gather(*(producer(f"s{n}") for n in range(8)))

asyncio.run(main())
"""


async def test_a_killed_daemon_loses_nothing_that_it_acknowledged(path: Path) -> None:
    """Killed in the middle of writing, three times on the same file; every number that was said is there."""
    said = 0
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert process.stdout is not None
        for _ in range(200):
            said = max(said, int(process.stdout.readline()))
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
        complete = rest.split("\n")[:-1]
        said = max([said, *map(int, complete)])
        journal = SqliteJournal(path)
        await journal.open()
        report = await journal.verify()
        await journal.close()
        assert report.intact
        assert report.last >= said


async def test_a_detail_may_be_any_mapping(journal: SqliteJournal, entry: Make) -> None:
    await journal.append(replace(entry(), detail=MappingProxyType({"a": MappingProxyType({"b": (1,)})})))
    assert (await journal.audit())[0].detail == {"a": {"b": [1]}}
