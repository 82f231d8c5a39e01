"""A backup of the running daemon's database is recorded in its trail, and that of another database is not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from daemon.engine.operations import Caller, RequestRefused
from daemon.ports import AuditFilter, Backup
from daemon.store.chain import GENESIS
from daemon.store.copying import copied
from states import State
from tests.running import Running

ME = Caller(actor="test", request_id="r-1")


def copy(database: Path, target: Path) -> Backup:
    with copied(database, target) as backup:
        return backup


async def test_the_trail_says_which_backup_holds_what(run: Running, tmp_path: Path) -> None:
    await run.reach(State.BOUND)
    backup = await asyncio.to_thread(copy, run.daemon.journal.path, tmp_path / "night.db")
    seq = await run.daemon.front.record_backup(backup, caller=ME)
    (record,) = await run.daemon.front.audit(AuditFilter(events=("backup_made",)))
    assert (record.seq, record.actor, record.request_id) == (seq, "test", "r-1")
    assert record.detail == {
        "file": str(tmp_path / "night.db"), "records": backup.records, "last": backup.last, "head": backup.head,
    }  # fmt: skip


async def test_the_backup_of_another_trail_is_not_recorded(run: Running) -> None:
    """With a number that is not reached yet, or with another record in its place."""
    await run.reach(State.BOUND)
    present = run.daemon.journal.last_seq
    for last in (1, present + 50):
        other = Backup(file="/night.db", records=last, last=last, head="b" * 64)
        with pytest.raises(RequestRefused) as refused:
            await run.daemon.front.record_backup(other, caller=ME)
        assert refused.value.code == "backup-of-another-trail"
    assert await run.daemon.front.audit(AuditFilter(events=("backup_made",))) == []


async def test_an_empty_trail_has_a_backup_too(run: Running) -> None:
    """Of a database in which nothing had happened yet."""
    empty = Backup(file="/night.db", records=0, last=0, head=GENESIS)
    assert await run.daemon.front.record_backup(empty, caller=ME) > 0
