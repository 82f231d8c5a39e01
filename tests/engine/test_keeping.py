"""Checkpoints go to a second place, old records go behind an anchor, and the chain is walked every day."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from daemon.app import Telemetry
from daemon.config.model import DaemonSettings, SecretSource
from daemon.config.secrets import resolve
from daemon.engine.checkpoints import RETRY, Checkpointing
from daemon.engine.keeping import WALK_EVERY, WALK_RETRY, keeping_over
from daemon.engine.retention import DAY, EVERY, Retention
from daemon.engine.retention import RETRY as RETRY_PRUNING
from daemon.ports import JournalEntry, JournalUnavailable, Secret
from daemon.sandbox import Sandbox
from daemon.store import audit
from daemon.store.checkpoints import SqliteCheckpoints, entries
from daemon.store.journal import SqliteJournal
from daemon.store.pruning import SqlitePruner
from states import State
from tests.clock import ManualClock
from tests.running import eventually, running, site_options, write
from tests.store.signing import Key
from tests.streams import Stream


@pytest.fixture
def key(tmp_path: Path) -> Key:
    return Key(tmp_path / "points.key")


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    journal = SqliteJournal(tmp_path / "sitebind.db")
    await journal.open()
    yield journal
    await journal.close()


def settings_with(tmp_path: Path, **more: Any) -> DaemonSettings:
    source = SecretSource(kind="file", where=str(tmp_path / "points.key"), pem=True)
    return DaemonSettings(checkpoint_key=source, **more)


async def record(journal: SqliteJournal, clock: ManualClock, *, days: float = 0) -> int:
    at = clock.now() - timedelta(days=days)
    return await journal.append(
        JournalEntry(at=at, site="default", actor="daemon", event="binding_verified", before="bound", after="bound")
    )


@asynccontextmanager
async def at_work(worker: Checkpointing | Retention) -> AsyncIterator[None]:
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


async def later(clock: ManualClock, seconds: float) -> None:
    """Let time pass once the worker waits for it."""
    await eventually(lambda: any(not done.done() for _, _, done in clock._sleepers), "it waits")
    await clock.advance(seconds)


async def a_day(clock: ManualClock) -> None:
    """What was begun at its first hour is through, and a look at its end."""
    await later(clock, DAY)
    await later(clock, EVERY)


def failures(telemetry: Telemetry, task: str) -> int:
    """As a scrape tells it."""
    text = b"".join(telemetry.exposition.answer("")[1]).decode()
    found = re.search(rf'^sitebind_audit_upkeep_failures_total{{task="{task}"}} (\d+)\.0$', text, re.MULTILINE)
    assert found is not None, text
    return int(found[1])


def first_row(database: Path) -> int:
    with closing(sqlite3.connect(database)) as db:
        found: int = db.execute("SELECT min(seq) FROM audit").fetchone()[0]
        return found


def numbers(file: Path) -> list[int]:
    text = file.read_text() if file.exists() else ""
    return [one.seal.seq for one in entries(text.splitlines()) if one.seal is not None]


# Checkpoints


async def test_a_checkpoint_comes_at_once_then_regularly_and_only_with_new_records(
    journal: SqliteJournal, clock: ManualClock, key: Key, tmp_path: Path
) -> None:
    file = tmp_path / "points.jsonl"
    work = Checkpointing(SqliteCheckpoints(journal), resolve=resolve, observer=Telemetry().observer, clock=clock)
    await record(journal, clock)
    async with at_work(work):
        await clock.advance(7200)
        assert numbers(file) == [], "nobody wants any yet"
        work.apply(settings_with(tmp_path, checkpoint_file=file, checkpoint_every=3600))
        await eventually(lambda: numbers(file) == [1])
        await later(clock, 7200)
        assert numbers(file) == [1]
        await record(journal, clock)
        await later(clock, 3600)
        await eventually(lambda: numbers(file) == [1, 2])
        await record(journal, clock)
    await work.close()
    await work.close()
    assert numbers(file) == [1, 2, 3]
    assert work.problem() is None


async def test_what_keeps_a_checkpoint_from_being_written_is_a_problem_that_goes_by_itself(
    journal: SqliteJournal, clock: ManualClock, key: Key, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, telemetry = tmp_path / "mount", Telemetry()
    work = Checkpointing(SqliteCheckpoints(journal), resolve=resolve, observer=telemetry.observer, clock=clock)
    await record(journal, clock)
    work.apply(settings_with(tmp_path, checkpoint_file=folder / "points.jsonl"))
    async with at_work(work):
        await eventually(lambda: work.problem() is not None)
        problem = work.problem()
        assert problem is not None
        assert (problem.code, problem.severity) == ("audit-checkpoint-failing", "warning")
        assert f"{folder}/points.jsonl cannot be written: No such file or directory" in problem.text
        assert "[daemon] checkpoint_file" in problem.remedy
        await later(clock, RETRY)
        await eventually(lambda: failures(telemetry, "checkpoint") == 2, "it is tried again")
        folder.mkdir()
        await later(clock, RETRY)
        await eventually(lambda: work.problem() is None)
    assert numbers(folder / "points.jsonl") == [1]
    assert failures(telemetry, "checkpoint") == 2
    assert failures(telemetry, "pruning") == 0
    assert [line.levelname for line in caplog.records if "written again" in line.message] == ["WARNING"]
    assert sum("cannot be written" in line.message for line in caplog.records) == 1, "once for one reason"


async def test_a_key_that_is_gone_or_of_another_kind_is_a_problem(
    journal: SqliteJournal, clock: ManualClock, key: Key, tmp_path: Path
) -> None:
    work = Checkpointing(SqliteCheckpoints(journal), resolve=resolve, observer=Telemetry().observer, clock=clock)
    await record(journal, clock)
    settings = settings_with(tmp_path, checkpoint_file=tmp_path / "points.jsonl")
    away, text = key.path.rename(tmp_path / "away"), key.secret.reveal()
    work.apply(settings)
    async with at_work(work):
        for content, said in ((None, "cannot be read"), (text.replace("MC4C", "MC4D"), "is no private Ed25519 key")):
            if content is not None:
                key.path.write_text(content)
                work.apply(settings)
            await eventually(lambda said=said: said in getattr(work.problem(), "text", ""))  # type: ignore[misc]
            assert text.splitlines()[1] not in str(work.problem())
        away.replace(key.path)
        work.apply(settings)
        await eventually(lambda: work.problem() is None)
        work.apply(DaemonSettings())
    assert numbers(tmp_path / "points.jsonl") == [1]


async def test_a_second_place_that_never_answers_keeps_nobody(
    journal: SqliteJournal, clock: ManualClock, key: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mount whose server is away: the call is given up, and no second one is begun beside it."""
    monkeypatch.setattr("daemon.engine.checkpoints.LAST_WITHIN", 0.05)
    reading, writing = os.pipe()
    began: list[Path] = []

    def hangs(path: Path, seal: object) -> None:
        began.append(path)
        os.read(reading, 1)

    monkeypatch.setattr("daemon.store.checkpoints.append", hangs)
    work = Checkpointing(SqliteCheckpoints(journal), resolve=resolve, observer=Telemetry().observer, clock=clock)
    await record(journal, clock)
    work.apply(settings_with(tmp_path, checkpoint_file=tmp_path / "points.jsonl"))
    await work.close()
    await work.close()
    problem = work.problem()
    os.write(writing, b"x")
    assert problem is not None
    assert "it did not answer within" in problem.text
    assert len(began) == 1


async def test_a_checkpoint_under_way_says_nothing_about_another_place(
    journal: SqliteJournal, clock: ManualClock, key: Key, tmp_path: Path
) -> None:
    """The settings change while one is written: the new place has none yet, whatever the old one has."""
    old, new = tmp_path / "old.jsonl", tmp_path / "new.jsonl"
    asked, answered = asyncio.Event(), asyncio.Event()

    async def slowly(source: SecretSource) -> Secret:
        asked.set()
        await answered.wait()
        return await resolve(source)

    work = Checkpointing(SqliteCheckpoints(journal), resolve=slowly, observer=Telemetry().observer, clock=clock)
    await record(journal, clock)
    work.apply(settings_with(tmp_path, checkpoint_file=old))
    async with at_work(work):
        await asked.wait()
        work.apply(settings_with(tmp_path, checkpoint_file=new))
        answered.set()
        await eventually(lambda: numbers(new) == [1])
        assert (numbers(old), work.problem()) == ([1], None)


# Retention


class Kept:
    """Retention over a journal."""

    def __init__(
        self, journal: SqliteJournal, clock: ManualClock, tmp_path: Path, pruner: SqlitePruner | None = None
    ) -> None:
        self.journal = journal
        self.delivered: int | None = None
        self.telemetry = Telemetry()
        self.work = Retention(
            pruner or SqlitePruner(journal), begun_behind=journal.last_seq, not_beyond=lambda: self.delivered,
            resolve=resolve, observer=self.telemetry.observer, clock=clock,
        )  # fmt: skip
        self.settings = settings_with(tmp_path, audit_keep=30 * 86_400)
        self.work.apply(self.settings)

    async def begins_with(self, seq: int) -> None:
        """It is said first, and then the rows before it go."""
        await eventually(
            lambda: (self.journal.first_seq, first_row(self.journal.path)) == (seq, seq), f"the trail begins with {seq}"
        )


async def test_old_days_go_at_the_start_and_then_every_day(
    journal: SqliteJournal, clock: ManualClock, key: Key, tmp_path: Path
) -> None:
    for days in (40, 33, 29.5, 0):
        await record(journal, clock, days=days)
    kept = Kept(journal, clock, tmp_path)
    async with at_work(kept.work):
        await kept.begins_with(3)
        await a_day(clock)
        await a_day(clock)
        await kept.begins_with(4)
    assert (await journal.verify()).intact
    assert kept.work.problem() is None


async def test_nothing_goes_that_the_receiver_has_not_got(
    journal: SqliteJournal, clock: ManualClock, key: Key, tmp_path: Path
) -> None:
    for days in (40, 35, 0):
        await record(journal, clock, days=days)
    kept = Kept(journal, clock, tmp_path)
    kept.delivered = 1
    async with at_work(kept.work):
        await kept.begins_with(2)
        kept.delivered = 3
        kept.work.apply(kept.settings)
        await kept.begins_with(3)


async def test_a_clock_that_leaps_takes_little_at_a_time(
    journal: SqliteJournal, clock: ManualClock, key: Key, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for days in (40, 28, 20, 0):
        await record(journal, clock, days=days)
    kept = Kept(journal, clock, tmp_path)
    clock.jump(70 * 365 * 86_400)
    async with at_work(kept.work):
        await kept.begins_with(2)
        for _ in range(20):
            kept.work.apply(kept.settings)
            await later(clock, 60)
        await kept.begins_with(2)
        await a_day(clock)
        await kept.begins_with(3)
    assert [one.seq for one in await journal.audit()] == [3, 4, 5, 6]
    assert caplog.text.count("Correct the clock if it is wrong") == 1


async def test_a_clock_that_leapt_is_believed_no_more_after_a_restart(
    journal: SqliteJournal, clock: ManualClock, key: Key, tmp_path: Path
) -> None:
    """Records were written under the wrong clock meanwhile: the newest one proves nothing."""
    for days in (40, 20):
        await record(journal, clock, days=days)
    await record(journal, clock)
    for _ in range(5):
        kept = Kept(journal, clock, tmp_path)
        async with at_work(kept.work):
            await kept.begins_with(2)
            await eventually(lambda: any(not done.done() for _, _, done in clock._sleepers), "it waits")
        clock.jump(365 * 86_400)
        await record(journal, clock)
    assert (await journal.audit())[0].seq == 2


async def test_after_a_long_stop_the_clock_is_believed_again_bit_by_bit(
    journal: SqliteJournal, clock: ManualClock, key: Key, tmp_path: Path
) -> None:
    for days in (40, 20, 0):
        await record(journal, clock, days=days)
    async with at_work((first := Kept(journal, clock, tmp_path)).work):
        await first.begins_with(2)
    clock.jump(20 * 86_400)
    kept = Kept(journal, clock, tmp_path)
    async with at_work(kept.work):
        for _ in range(6):
            await a_day(clock)
        await kept.begins_with(3)


async def test_a_broken_trail_is_a_problem_and_nothing_of_it_goes(
    journal: SqliteJournal, clock: ManualClock, key: Key, tmp_path: Path
) -> None:
    for days in (40, 35, 0):
        await record(journal, clock, days=days)
    with closing(sqlite3.connect(journal.path)) as db:
        db.execute("DROP TRIGGER audit_is_never_changed")
        db.execute("UPDATE audit SET actor = 'somebody else' WHERE seq = 2")
        db.commit()
    kept = Kept(journal, clock, tmp_path)
    async with at_work(kept.work):
        await eventually(lambda: kept.work.problem() is not None)
        problem = kept.work.problem()
        assert problem is not None
        assert problem.code == "audit-pruning-failing"
        assert failures(kept.telemetry, "pruning") == 1
        assert "the trail is broken at record 2" in problem.text
        assert "Keep the database as evidence" in problem.remedy
        await later(clock, DAY)
    assert [one.seq for one in await journal.audit()] == [1, 2, 3]
    assert not (await journal.verify()).intact


async def test_without_its_key_nothing_goes_and_that_is_said(
    journal: SqliteJournal, clock: ManualClock, key: Key, tmp_path: Path
) -> None:
    await record(journal, clock, days=40)
    await record(journal, clock)
    away = key.path.rename(tmp_path / "away")
    kept = Kept(journal, clock, tmp_path)
    async with at_work(kept.work):
        await eventually(lambda: kept.work.problem() is not None)
        problem = kept.work.problem()
        assert problem is not None
        assert problem.code == "audit-pruning-failing"
        assert "cannot be read" in problem.text
        key.path.write_text(key.secret.reveal().replace("MC4C", "MC4D"))
        kept.work.apply(kept.settings)
        await eventually(lambda: "no private Ed25519 key" in getattr(kept.work.problem(), "text", ""))
        assert journal.first_seq == 1
        away.replace(key.path)
        kept.work.apply(kept.settings)
        await kept.begins_with(2)
        await eventually(lambda: kept.work.problem() is None)
        assert failures(kept.telemetry, "pruning") == 2


async def test_a_pruning_that_was_interrupted_goes_on_though_nobody_wants_one_any_more(
    journal: SqliteJournal, clock: ManualClock, key: Key, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await record(journal, clock, days=40)
    await record(journal, clock)
    pruner = SqlitePruner(journal)
    what = await pruner.prunable(clock.now().date().isoformat(), not_beyond=None)
    assert what is not None

    async def interrupted() -> int:
        raise asyncio.CancelledError

    pruner.finish = interrupted  # type: ignore[method-assign]
    with pytest.raises(asyncio.CancelledError):
        await pruner.prune(what, key=key.secret, at=clock.now())
    assert [one.seq for one in await journal.audit()] == [1, 2, 3]
    kept = Kept(journal, clock, tmp_path)
    kept.work.apply(DaemonSettings())
    async with at_work(kept.work):
        await eventually(lambda: "1 audit records were removed" in caplog.text)
    assert [one.seq for one in await journal.audit()] == [2, 3]


async def test_a_deletion_that_failed_half_way_goes_on_within_minutes(
    journal: SqliteJournal, clock: ManualClock, key: Key, tmp_path: Path
) -> None:
    await record(journal, clock, days=40)
    await record(journal, clock)
    pruner = SqlitePruner(journal)
    kept, finish = Kept(journal, clock, tmp_path, pruner), pruner.finish
    finishes: list[int] = []

    async def fails_once() -> int:
        finishes.append(journal.first_seq)
        if len(finishes) == 2:
            raise JournalUnavailable("the disk is full")
        return await finish()

    pruner.finish = fails_once  # type: ignore[method-assign]
    async with at_work(kept.work):
        await eventually(lambda: "the disk is full" in getattr(kept.work.problem(), "text", ""))
        assert [one.seq for one in await journal.audit()] == [1, 2, 3]
        await later(clock, RETRY_PRUNING)
        await eventually(lambda: kept.work.problem() is None)
    assert [one.seq for one in await journal.audit()] == [2, 3]


async def test_a_database_that_cannot_be_written_is_tried_again(
    journal: SqliteJournal, clock: ManualClock, key: Key, tmp_path: Path
) -> None:
    await record(journal, clock, days=40)
    await record(journal, clock)
    kept, away = Kept(journal, clock, tmp_path), journal.path.with_name("away.db")
    journal.path.rename(away)
    async with at_work(kept.work):
        await eventually(lambda: kept.work.problem() is not None)
        away.rename(journal.path)
        kept.work.apply(kept.settings)
        await kept.begins_with(2)


# The chain


async def test_the_chain_is_walked_every_day(journal: SqliteJournal, clock: ManualClock, tmp_path: Path) -> None:
    telemetry = Telemetry()
    told: list[bool] = []
    telemetry.observer.chain_verified = lambda report: told.append(report.intact)  # type: ignore[method-assign]
    keeping = keeping_over(
        journal, checkpoints=SqliteCheckpoints(journal), pruner=SqlitePruner(journal), not_beyond=lambda: None,
        resolve=resolve, observer=telemetry.observer, clock=clock,
    )  # fmt: skip
    await record(journal, clock)
    tasks = [asyncio.create_task(work, name=name) for name, work in keeping.works()]
    await eventually(lambda: told == [True])
    with closing(sqlite3.connect(journal.path)) as db:
        db.execute("DROP TRIGGER audit_is_never_changed")
        db.execute("UPDATE audit SET actor = 'somebody else'")
        db.commit()
    await later(clock, WALK_EVERY)
    await eventually(lambda: told == [True, False])
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_a_walk_that_failed_is_done_again_within_minutes(
    journal: SqliteJournal, clock: ManualClock, tmp_path: Path
) -> None:
    telemetry = Telemetry()
    told: list[bool] = []
    telemetry.observer.chain_verified = lambda report: told.append(report.intact)  # type: ignore[method-assign]
    keeping = keeping_over(
        journal, checkpoints=SqliteCheckpoints(journal), pruner=SqlitePruner(journal), not_beyond=lambda: None,
        resolve=resolve, observer=telemetry.observer, clock=clock,
    )  # fmt: skip
    await journal.close()
    ((_, walk), *others) = keeping.works()
    for _, other in others:
        other.close()
    task = asyncio.create_task(walk)
    await eventually(lambda: any(not done.done() for _, _, done in clock._sleepers), "it waits")
    await journal.open()
    await later(clock, WALK_RETRY)
    await eventually(lambda: told == [True])
    task.cancel()
    await asyncio.wait([task])


# The whole daemon


@pytest.fixture
def daemon_with(tmp_path: Path, sandbox: Sandbox, key: Key) -> Callable[..., Path]:
    def written(**options: str) -> Path:
        (tmp_path / "second").mkdir(exist_ok=True)
        own = {"checkpoint_key": f"file:{key.path}", "checkpoint_file": str(tmp_path / "second" / "points.jsonl")}
        return write(tmp_path / "config.ini", {"daemon": {**own, **options}, **site_options(sandbox)})

    return written


async def test_a_daemon_signs_its_start_and_its_last_record(
    daemon_with: Callable[..., Path], sandbox: Sandbox, clock: ManualClock, tmp_path: Path
) -> None:
    points = tmp_path / "second" / "points.jsonl"
    async with running(daemon_with(), sandbox, clock) as run:
        await run.reach(State.BOUND)
        await eventually(lambda: numbers(points))
        async with run.http.get(f"{run.daemon.web.url}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        (value,) = [one.split()[1] for one in lines if one.startswith("sitebind_audit_checkpoint_timestamp_seconds ")]
        assert abs(float(value) - clock.now().timestamp()) < 3600
    last = audit.tail_file(tmp_path / "sitebind.db", limit=1)[0]
    assert (last.event, last.seq) == ("daemon_stopped", numbers(points)[-1])


async def test_a_second_place_that_is_away_is_seen_in_the_site_and_its_health(
    daemon_with: Callable[..., Path], sandbox: Sandbox, clock: ManualClock, tmp_path: Path
) -> None:
    async with running(daemon_with(checkpoint_file=str(tmp_path / "away" / "points")), sandbox, clock) as run:
        await run.reach(State.BOUND)
        await eventually(lambda: run.daemon.front.healthy().checks[-1].name == "audit")
        assert run.daemon.front.healthy().ok
        site = await run.asked("GET", "/api/v1/sites/default")
        assert "audit-checkpoint-failing" in [problem["code"] for problem in site["problems"]]


async def test_a_daemon_whose_trail_was_pruned_says_so_everywhere(
    daemon_with: Callable[..., Path], sandbox: Sandbox, clock: ManualClock, key: Key, tmp_path: Path
) -> None:
    config = daemon_with(audit_keep="1d")
    now = clock.now()
    clock.jump((now.replace(hour=12, minute=0) + timedelta(days=1) - now).total_seconds())
    async with running(config, sandbox, clock) as run:
        await run.reach(State.BOUND)
    before = audit.tail_file(tmp_path / "sitebind.db", limit=1)[0].seq
    clock.jump(2 * 86_400)
    async with running(config, sandbox, clock) as run:
        assert run.daemon.journal.first_seq == 1, "the clock is not believed yet"
    clock.jump(2 * 86_400)
    journal = SqliteJournal(tmp_path / "sitebind.db")
    await journal.open()
    await SqlitePruner(journal).believe(clock.now() - timedelta(days=2))  # as after some hours
    await journal.close()
    async with running(config, sandbox, clock) as run:
        await eventually(lambda: next(audit.read_file(tmp_path / "sitebind.db")).seq == before + 1)
        chain = await run.asked("GET", "/api/v1/audit/chain?fresh=1")
        assert (chain["intact"], chain["first"]) == (True, before + 1)
        assert (chain["pruned"]["last"], chain["pruned"]["key"]) == (before, key.public.fingerprint)
        assert (await run.daemon.front.chain()).signer == "own"
        url = f"{run.daemon.web.url}/api/v1/events"
        async with run.http.get(url, headers={"Last-Event-ID": "2"}) as answer:
            stream = Stream(answer)
            gap = await stream.of("gap")
            assert gap == {"first": 3, "last": before}
            assert (await stream.of("audit"))["seq"] == before + 1
        async with run.http.get(f"{url}?after={before}") as answer:
            assert (await Stream(answer).of("audit"))["seq"] == before + 1, "nothing is missing"
        history = await run.daemon.front.state_history("default", clock.now() - timedelta(days=20))
        assert history.intervals[-1].state is run.now().state
    report = audit.verify_file(tmp_path / "sitebind.db")
    assert report.intact
    assert replace(report, anchor=None).first == before + 1
