"""Old records go in whole days behind a signed anchor, and what stays can be verified, whatever happens on the way."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.audit_ports import SealingFailed
from daemon.ports import AuditFilter, ChainReport, JournalUnavailable, Seal, Secret
from daemon.store import audit, connection, finding, pruning
from daemon.store.anchors import INSERT, newest_anchor, told_of
from daemon.store.chain import START, link
from daemon.store.copying import copied
from daemon.store.journal import SqliteJournal
from daemon.store.proving import anchor_doubt
from daemon.store.pruning import SqlitePruner
from daemon.store.ranges import verify_in_ranges
from daemon.store.restoring import restore
from tests.store import signing
from tests.store.signing import FIRST_DAY, Key, day, fill, prune

Tamper = Callable[[Path], Any]


@pytest.fixture
def key(tmp_path: Path) -> Key:
    return Key(tmp_path / "points.key")


@pytest.fixture
async def pruned(path: Path, key: Key) -> Path:
    """A closed database: days with 3, 4 and 2 records, the first two days pruned; records 8 to 10."""
    journal = SqliteJournal(path)
    await journal.open()
    await fill(journal, (3, 4, 2))
    assert await prune(journal, key, before=2) == 7
    await journal.close()
    return path


def seqs(path: Path) -> list[int]:
    return [record.seq for record in audit.read_file(path)]


def both(path: Path) -> ChainReport:
    """In one walk and in several processes: the same answer."""
    alone, shared = audit.verify_file(path), verify_in_ranges(path, jobs=2, least=1)
    assert alone == shared
    return alone


def test_whole_days_go_and_the_rest_is_proven(pruned: Path, key: Key) -> None:
    report = both(pruned)
    assert (report.intact, report.first, report.last, report.records) == (True, 8, 10, 3)
    assert report.anchor is not None
    assert (report.anchor.seq, report.anchor.count, report.anchor.key) == (7, 7, key.public.fingerprint)
    assert key.public.signed(report.anchor)
    assert anchor_doubt(report, [key.public]) == ""
    record = list(audit.read_file(pruned))[-1]
    assert (record.event, record.actor, record.seq) == ("audit_pruned", "daemon", 10)
    assert record.detail == told_of(report.anchor, before=day(2))
    assert record.detail["first"] == 1


async def test_a_day_that_has_not_ended_long_enough_ago_stays_whole(journal: SqliteJournal, key: Key) -> None:
    await fill(journal, (3, 4))
    assert await prune(journal, key, before=0) is None
    assert await prune(journal, key, before=1) == 3
    assert await prune(journal, key, before=1) is None
    assert (await journal.verify()).first == 4


async def test_what_was_not_sent_yet_stays_and_so_does_its_day(journal: SqliteJournal, key: Key) -> None:
    """The receiver has record 5, of the second day: only the first day goes."""
    await fill(journal, (3, 4, 2))
    assert await prune(journal, key, before=3, not_beyond=0) is None
    assert await prune(journal, key, before=3, not_beyond=2) is None
    assert await prune(journal, key, before=3, not_beyond=5) == 3
    assert await prune(journal, key, before=2, not_beyond=7) == 7
    assert (await journal.verify()).intact


async def test_all_that_is_old_may_go_and_the_chain_goes_on(path: Path, key: Key) -> None:
    """The record of the pruning itself stays, so that numbers never begin anew."""
    journal = SqliteJournal(path)
    await journal.open()
    await fill(journal, (3,))
    assert await prune(journal, key, before=5) == 3
    await journal.close()
    await journal.open()
    assert await journal.append(signing.entry(6)) == 5
    report = await journal.verify()
    assert (report.intact, report.first, report.last) == (True, 4, 5)
    await journal.close()


async def test_a_clock_that_was_set_back_takes_no_younger_record_along(journal: SqliteJournal, key: Key) -> None:
    for which in (0, 5, 1, 6):
        await journal.append(signing.entry(which))
    assert await prune(journal, key, before=3) == 1


async def test_many_records_go_in_slices_with_turns_between(journal: SqliteJournal, key: Key) -> None:
    """A record that comes while they go is committed before they are all gone."""
    await asyncio.gather(*(journal.append(signing.entry(0, number)) for number in range(1_600)))
    left: list[int] = []

    async def meanwhile() -> None:
        """A record that was asked for behind the first slice is committed before the last."""
        await journal.append(signing.entry(9))
        left.append(await journal.read(lambda db: db.execute("SELECT count(*) FROM audit").fetchone()[0]))

    def recorded(count: int, records: Any) -> None:
        if [record.event for record in records] == ["audit_pruned"]:
            others.append(asyncio.create_task(meanwhile()))

    others: list[asyncio.Task[None]] = []
    journal.listen(recorded)
    assert await prune(journal, key, before=5) == 1_600
    await asyncio.gather(*others)
    assert left[0] > 2, "the slices let it pass"
    report = await journal.verify()
    assert (report.intact, report.first) == (True, 1_601)


async def test_a_walk_during_a_pruning_tells_no_lies(journal: SqliteJournal, key: Key) -> None:
    """However the trips of both fall together."""
    await asyncio.gather(*(journal.append(signing.entry(0, number)) for number in range(2_600)))
    done = asyncio.create_task(prune(journal, key, before=5))
    while not done.done():
        report = await journal.verify()
        assert report.intact, report.reason
        assert audit.verify_file(journal.path).intact
    assert await done == 2_600


async def test_without_a_key_nothing_is_removed(journal: SqliteJournal) -> None:
    await fill(journal, (3,))
    pruner = SqlitePruner(journal)
    what = await pruner.prunable(day(3), not_beyond=None)
    assert what is not None
    with pytest.raises(SealingFailed, match="checkpoint_key is no private Ed25519 key") as caught:
        await pruner.prune(what, key=Secret("-----BEGIN PRIVATE KEY-----"), at=FIRST_DAY)
    assert caught.value.__context__ is None
    assert "audit key --new" in caught.value.remedy
    assert (await journal.verify()).records == 3


@pytest.mark.parametrize(
    "change, broken_at",
    [
        ("UPDATE audit SET actor = 'somebody else' WHERE seq = 2", 2),
        ("UPDATE audit SET at = '2000-01-01T00:00:00.000000Z'", 1),
        ("UPDATE audit SET at = '2000-01-01T00:00:00.000000Z' WHERE seq BETWEEN 8 AND 9", 8),
        ("DELETE FROM audit WHERE seq = 5", 5),
        ("UPDATE audit SET hash = replace(hash, substr(hash, 1, 1), 'x') WHERE seq = 7", 7),
        ("UPDATE audit SET at = CAST(x'ff' AS TEXT) WHERE seq = 3", 3),
    ],
)
async def test_what_the_chain_does_not_prove_is_neither_signed_nor_removed(
    journal: SqliteJournal, key: Key, tamper: Tamper, change: str, broken_at: int
) -> None:
    """Else a pruning would take the evidence away, and sign what somebody wrote over the records."""
    await fill(journal, (3, 4, 2))
    with tamper(journal.path) as db:
        db.execute(change)
    before = seqs(journal.path)
    with pytest.raises(SealingFailed, match=f"the trail is broken at record {broken_at}: ") as caught:
        await prune(journal, key, before=2)
    assert "Keep the database as evidence" in caught.value.remedy
    assert seqs(journal.path) == before
    report = await journal.verify()
    assert (report.intact, report.anchor, report.broken_at) == (False, None, broken_at)


async def test_old_records_that_were_rewritten_with_fitting_hashes_do_not_go(
    journal: SqliteJournal, key: Key, tamper: Tamper
) -> None:
    """The first record that stays, or the daemon's own memory of the last one, knows better."""
    await fill(journal, (3,))
    with tamper(journal.path) as db:
        head = START
        for number in range(3):
            head, row = link(replace(signing.entry(0, number), actor="somebody else")).join(head)
            db.execute("DELETE FROM audit WHERE seq = ?", (head.seq,))
            db.execute(f"INSERT INTO audit VALUES ({', '.join('?' * len(row))})", row)
    with pytest.raises(SealingFailed, match="broken at record 3"):
        await prune(journal, key, before=2)
    await journal.append(signing.entry(5))
    with pytest.raises(SealingFailed, match="broken at record 4"):
        await prune(journal, key, before=2)
    assert seqs(journal.path) == [1, 2, 3, 4]


@pytest.mark.parametrize("not_beyond", [0, 6, 7])
async def test_a_receiver_that_begins_behind_what_was_pruned_keeps_all_that_is_left(
    pruned: Path, key: Key, not_beyond: int
) -> None:
    """As after `audit_forward` was added: nothing is delivered yet, and the records before are gone."""
    journal = SqliteJournal(pruned)
    await journal.open()
    try:
        assert await prune(journal, key, before=9, not_beyond=not_beyond) is None
        assert await prune(journal, key, before=9, not_beyond=8) is None, "the rest of its day waits"
        assert await prune(journal, key, before=9, not_beyond=journal.last_seq) == 10, (
            "as with audit_forward_from = now"
        )
    finally:
        await journal.close()


async def test_a_missing_record_that_should_be_sent_next_is_a_broken_trail(
    journal: SqliteJournal, key: Key, tamper: Tamper
) -> None:
    await fill(journal, (3, 4))
    with tamper(journal.path) as db:
        db.execute("DELETE FROM audit WHERE seq = 3")
    with pytest.raises(SealingFailed, match="broken at record 3: it is missing"):
        await prune(journal, key, before=9, not_beyond=2)


async def test_an_anchor_whose_answer_was_lost_is_not_made_once_more(path: Path, key: Key) -> None:
    """It is durable, and the daemon was told that it is not."""
    journal = SqliteJournal(path)
    await journal.open()
    await fill(journal, (3, 4, 2))
    append = journal.append_with

    async def lost(*what: Any) -> int:
        await append(*what)
        raise JournalUnavailable("the answer was lost")

    journal.append_with = lost  # type: ignore[method-assign]
    with pytest.raises(JournalUnavailable):
        await prune(journal, key, before=1)
    journal.append_with = append  # type: ignore[method-assign]
    assert journal.first_seq == 1
    assert await prune(journal, key, before=1) is None
    assert await prune(journal, key, before=2) == 7
    assert journal.first_seq == 8
    assert (await journal.verify()).intact
    await journal.close()
    assert seqs(path) == [8, 9, 10, 11]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit WHERE seq = 8",
        "DELETE FROM audit",
        "DELETE FROM audit_anchors",
        "UPDATE audit_anchors SET seq = 9",
    ],
)
def test_the_database_itself_refuses_to_remove_more(pruned: Path, statement: str) -> None:
    with closing(sqlite3.connect(pruned)) as opened, pytest.raises(sqlite3.IntegrityError):
        opened.execute(statement)


async def test_what_is_searched_and_exported_begins_where_the_trail_begins(pruned: Path) -> None:
    journal = SqliteJournal(pruned)
    await journal.open()
    assert journal.first_seq == 8
    found = [record.seq async for page in journal.find(AuditFilter()) for record in page]
    newest = [record.seq async for page in journal.find(AuditFilter(newest_first=True)) for record in page]
    assert (found, newest) == ([8, 9, 10], [10, 9, 8])
    text = b"".join([piece async for piece in journal.export(AuditFilter(), "jsonl")]).decode()
    report = audit.verify_export(text.splitlines())
    assert (report.intact, report.first) == (True, 8)
    assert report.anchor == (await journal.verify()).anchor
    await journal.close()


@pytest.mark.parametrize("newest_first", [False, True])
async def test_an_export_that_a_pruning_overtakes_is_broken_off(
    journal: SqliteJournal, key: Key, newest_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole it would have a gap, and look forged. One that has read what goes is well."""
    monkeypatch.setattr(finding, "PAGE", 2)
    await fill(journal, (3, 4, 2))
    export = journal.export(AuditFilter(newest_first=newest_first), "jsonl")
    await anext(export)
    await prune(journal, key, before=2)
    with pytest.raises(JournalUnavailable, match="records were pruned during the export; export again"):
        await anext(export)
    text = b"".join([piece async for piece in journal.export(AuditFilter(), "jsonl")]).decode()
    assert audit.verify_export(text.splitlines()).intact
    export = journal.export(AuditFilter(), "jsonl")
    await anext(export)
    assert len([piece async for piece in export]) == 1


def test_an_export_that_does_not_hold_the_record_has_no_anchor(pruned: Path) -> None:
    lines = list(audit.export_file(pruned, "jsonl"))
    assert audit.verify_export(lines[:2]).anchor is None
    assert audit.verify_export(lines[1:]).anchor is None, "it begins later than the trail does"


# What somebody does to it


def test_records_that_were_deleted_beyond_the_anchor_are_named(pruned: Path, tamper: Tamper) -> None:
    with tamper(pruned) as db:
        db.execute("DELETE FROM audit WHERE seq = 8")
    report = both(pruned)
    assert (report.intact, report.broken_at, report.reason) == (False, 8, "record 8 is missing: it was deleted")


def test_an_anchor_that_no_record_tells_of_is_forged(chain: Path, tamper: Tamper, key: Key) -> None:
    with tamper(chain) as db:
        (digest,) = db.execute("SELECT hash FROM audit WHERE seq = 3").fetchone()
        db.execute("DELETE FROM audit WHERE seq <= 3")
        db.execute(INSERT, (3, digest, 3, "2030-01-01T00:00:00.000000Z", key.public.fingerprint, "AAAA"))
    report = both(chain)
    assert (report.intact, report.broken_at) == (False, 4)
    assert "no record audit_pruned tells of the anchor behind record 3" in report.reason


async def test_a_forged_anchor_with_a_record_of_its_own_shows_by_its_signature(
    chain: Path, tamper: Tamper, key: Key, tmp_path: Path
) -> None:
    """The chain has no secret: whoever may write the database can append a record. Only the key cannot be had there."""
    forger = Key(tmp_path / "forger.key")
    journal = SqliteJournal(chain)
    await journal.open()
    assert await prune(journal, forger, before=5) == 5
    await journal.close()
    report = both(chain)
    assert report.intact
    assert "signed with another key" in anchor_doubt(report, [key.public])
    with closing(sqlite3.connect(chain)) as db:
        anchor = newest_anchor(db)
    assert anchor is not None
    claimed = replace(report, anchor=replace(anchor, key=key.public.fingerprint))
    assert "was forged" in anchor_doubt(claimed, [key.public])


async def test_the_daemon_judges_the_anchor_by_its_own_key(
    journal: SqliteJournal, key: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another key is no alarm, since keys are changed; the own one with a signature that does not fit is."""
    await fill(journal, (3, 4, 2))
    await prune(journal, key, before=1)
    assert (await journal.verify()).signer == "unchecked"
    other, now = Key(tmp_path / "other.key"), key

    async def current() -> Secret:
        return now.secret

    journal.sealed_with(current)
    assert (await journal.verify()).signer == "own"
    now = other
    report = await journal.verify()
    assert (report.intact, report.signer) == (True, "other")
    genuine = pruning.sealed_by
    monkeypatch.setattr(pruning, "sealed_by", lambda *what: replace(genuine(*what), signature="AAAA"))
    await prune(journal, other, before=2)
    monkeypatch.undo()
    report = await journal.verify()
    assert (report.intact, report.broken_at) == (False, 8)
    assert "its signature does not fit checkpoint_key" in report.reason
    with pytest.raises(SealingFailed, match="broken at record 8: the anchor"):
        await prune(journal, other, before=20)
    now = key
    assert (await journal.verify()).intact


def test_a_checkpoint_serves_nobody_as_an_anchor(key: Key) -> None:
    """Checkpoints lie open in the second place; the kind is signed with them."""
    point = key.signing.sealed(Seal(kind="checkpoint", seq=3, hash="0" * 64, count=3, at="2030-01-01T00:00:00.000000Z"))
    assert key.public.signed(point)
    assert not key.public.signed(replace(point, kind="anchor"))


def test_an_anchor_that_was_taken_away_is_missed(pruned: Path, tamper: Tamper) -> None:
    with tamper(pruned) as db:
        db.execute("DROP TRIGGER anchors_are_never_removed")
        db.execute("DELETE FROM audit_anchors")
    report = both(pruned)
    assert (report.intact, report.broken_at) == (False, 1)
    assert report.reason == "the anchor of the records up to 7, which record 10 tells of, is missing"


@pytest.mark.parametrize("column", ["seq", "hash", "count", "at", "key", "signature"])
def test_an_anchor_that_was_changed_does_not_fit_its_record(pruned: Path, tamper: Tamper, column: str) -> None:
    with tamper(pruned) as db:
        db.execute("DROP TRIGGER anchors_are_never_changed")
        value = "8" if column in ("seq", "count") else f"'{'f' * 64}'"
        db.execute(f"UPDATE audit_anchors SET {column} = {value}")
    assert not both(pruned).intact


def test_damaged_anchors_are_named(pruned: Path, tamper: Tamper) -> None:
    with tamper(pruned) as db:
        db.execute("DROP TRIGGER anchors_are_never_changed")
        db.execute("UPDATE audit_anchors SET at = CAST(x'ff' AS TEXT)")
    report = both(pruned)
    assert not report.intact
    assert "the anchors of the trail cannot be read" in report.reason


async def test_anchors_whose_page_is_gone_are_named_and_stop_no_start(pruned: Path) -> None:
    with closing(sqlite3.connect(pruned)) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'audit_anchors'").fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    with pruned.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    journal = SqliteJournal(pruned)
    await journal.open()
    assert journal.first_seq == 8
    assert await journal.append(signing.entry(9)) == 11
    report = await journal.verify()
    await journal.close()
    assert not report.intact
    assert "the anchors of the trail cannot be read" in report.reason
    assert both(pruned).reason == report.reason


async def test_a_cut_tail_shows_by_the_state_of_a_site_as_before(pruned: Path, tamper: Tamper) -> None:
    with tamper(pruned) as db:
        db.execute("INSERT INTO snapshots VALUES ('default', '{}', 12)")
    assert "the end was cut off: record 12" in both(pruned).reason


# Copies of it


def test_a_pruned_database_is_backed_up_and_restored_with_its_anchor(pruned: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    with copied(pruned, backup) as made:
        assert (made.records, made.last) == (3, 10)
    done = restore(backup, pruned, actor="cli:test", at=FIRST_DAY)
    assert (done.missing, done.records) == (0, 3)
    report = both(pruned)
    assert (report.intact, report.first, report.last) == (True, 8, 11)


async def test_a_pruned_backup_misses_nothing_of_what_it_pruned(path: Path, key: Key, tmp_path: Path) -> None:
    """Restored over the database as it was before: what the backup had pruned is not missing in it."""
    journal = SqliteJournal(path)
    await journal.open()
    await fill(journal, (3, 4, 2))
    before, backup = tmp_path / "before.db", tmp_path / "backup.db"
    with copied(path, before):
        pass
    await prune(journal, key, before=2)
    with copied(path, backup):
        pass
    await journal.close()
    before.replace(path)
    done = await asyncio.to_thread(restore, backup, path, actor="cli:test", at=FIRST_DAY)
    assert done.missing == 0
    assert both(path).first == 8


async def test_a_backup_from_before_goes_in_and_is_pruned_anew(path: Path, key: Key, tmp_path: Path) -> None:
    journal = SqliteJournal(path)
    await journal.open()
    await fill(journal, (3, 4, 2))
    with copied(path, tmp_path / "backup.db"):
        pass
    await prune(journal, key, before=2)
    await journal.close()
    await asyncio.to_thread(restore, tmp_path / "backup.db", path, actor="cli:test", at=FIRST_DAY)
    assert both(path).first == 1
    await journal.open()
    assert await prune(journal, key, before=2) == 7
    await journal.close()
    assert both(path).intact


# A power cut


def _killed_at(number: int, path: Path, key: Key) -> int:
    """Prune in a process of its own that is killed at its so many-th statement; how it ended."""
    child = os.fork()
    if child == 0:
        execute, count = connection.OneHop.execute, 0

        def counted(self: connection.OneHop, sql: str, *rest: Any) -> Any:
            nonlocal count
            count += sql.startswith(("BEGIN", "COMMIT", "DELETE", "INSERT"))
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return execute(self, sql, *rest)

        try:
            asyncio.run(_prune_all(path, key, counted))
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


async def _prune_all(path: Path, key: Key, counted: Any) -> None:
    journal = SqliteJournal(path)
    await journal.open()
    connection.OneHop.execute = counted  # type: ignore[method-assign]
    await prune(journal, key, before=5)
    await journal.close()


async def _many(path: Path) -> None:
    journal = SqliteJournal(path)
    await journal.open()
    await asyncio.gather(*(journal.append(signing.entry(0, number)) for number in range(1_200)))
    await journal.append(signing.entry(9))
    await journal.close()


async def _finished(path: Path) -> ChainReport:
    """What the next start does."""
    journal = SqliteJournal(path)
    await journal.open()
    try:
        await SqlitePruner(journal).finish()
        return await journal.verify()
    finally:
        await journal.close()


def test_it_may_be_killed_at_every_step(path: Path, key: Key) -> None:
    """The trail is intact after each; what the anchor gave up goes at the next start, and nothing else ever does."""
    asyncio.run(_many(path))
    whole, outcomes = path.read_bytes(), set()
    for number in range(1, 40):
        path.write_bytes(whole)
        for end in ("-wal", "-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)
        ended = _killed_at(number, path, key)
        report = audit.verify_file(path)
        assert report.intact, (number, report.reason)
        outcomes.add((report.anchor is not None, len(seqs(path))))
        assert asyncio.run(_finished(path)).intact
        assert seqs(path) == ([1201, 1202] if report.anchor else list(range(1, 1202)))
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
    else:
        pytest.fail("it never came to its end")
    assert outcomes == {(False, 1201), (True, 1202), (True, 702), (True, 202), (True, 2)}


# Whatever happens, in whatever order


@st.composite
def lives(draw: st.DrawFn) -> list[tuple[str, int]]:
    step = st.one_of(
        st.tuples(st.just("append"), st.integers(1, 4)),
        st.tuples(st.just("prune"), st.integers(0, 3)),
        st.tuples(st.just("restart"), st.just(0)),
    )
    return draw(st.lists(step, min_size=1, max_size=8))


async def _lived(path: Path, key: Key, life: list[tuple[str, int]]) -> None:
    journal = SqliteJournal(path)
    await journal.open()
    today = 0
    try:
        for what, number in life:
            if what == "append":
                today += 1
                for _ in range(number):
                    await journal.append(signing.entry(today))
            elif what == "prune":
                await prune(journal, key, before=today - number)
            else:
                await journal.close()
                await journal.open()
            report = await journal.verify()
            assert report.intact, report.reason
    finally:
        await journal.close()


@settings(max_examples=8, deadline=None)
@given(lives(), st.data())
def test_the_trail_stays_proven_and_each_tampering_with_one_record_is_found(
    life: list[tuple[str, int]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, key = Path(folder) / "sitebind.db", Key(Path(folder) / "points.key")
        asyncio.run(_lived(path, key, life))
        report = both(path)
        assert report.intact
        assert anchor_doubt(report, [key.public]) == ""
        there = seqs(path)
        if not there:
            return
        which = data.draw(st.sampled_from(there))
        how = data.draw(
            st.sampled_from(["DELETE FROM audit WHERE seq = ?", "UPDATE audit SET actor = 'x' WHERE seq = ?"])
        )
        with closing(sqlite3.connect(path)) as db:
            db.execute("DROP TRIGGER audit_is_never_changed")
            db.execute("DROP TRIGGER audit_is_never_shortened")
            db.execute(how, (which,))
            db.commit()
        after = audit.verify_file(path)
        gone_at_the_end = how.startswith("DELETE") and which == there[-1]
        # That the last record is gone, only a checkpoint can tell, unless it is the one that tells of the anchor.
        assert not after.intact or (gone_at_the_end and after.last == which - 1)
