"""A checkpoint in a second place shows what the chain alone cannot: a cut end, and a trail that was rewritten whole."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon.audit_ports import SealingFailed
from daemon.ports import Seal
from daemon.store import audit, checkpoints
from daemon.store.chain import Head, link
from daemon.store.checkpoints import SqliteCheckpoints, append, checkpoint
from daemon.store.journal import SqliteJournal
from daemon.store.proving import FileHashes, hashes_in_export, judged
from daemon.store.signing import PublicKey, SigningKey, UnusableKey, line, make_key, seal_of
from tests.store import signing
from tests.store.signing import FIRST_DAY, Key, fill, prune


@pytest.fixture
def key(tmp_path: Path) -> Key:
    return Key(tmp_path / "points.key")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "second").mkdir()
    return tmp_path / "second" / "points.jsonl"


@pytest.fixture
async def trail(path: Path, file: Path, key: Key) -> Path:
    """A closed database with nine records, and checkpoints for the records 3, 7 and 9."""
    journal = SqliteJournal(path)
    await journal.open()
    for days in ((3,), (4,), (2,)):
        await fill(journal, days)
        assert (
            await SqliteCheckpoints(journal).write(file, key=key.secret, at=FIRST_DAY, seconds=60) == journal.last_seq
        )
    await journal.close()
    return path


def verdicts(path: Path, file: Path, *keys: PublicKey) -> list[str]:
    """The verdict on each line, the same for the database and for an export of it."""
    lines = file.read_text(errors="replace").splitlines()
    report, hashes = audit.verify_file(path), FileHashes(path)
    wanted = [seal.seq for seal in seals(file)]
    told = judged(lines, report, hash_at=hashes.within(wanted).get, keys=keys, restored=hashes.restored)
    exported = list(audit.export_file(path, "jsonl"))
    found, restored = hashes_in_export(exported, wanted)
    again = judged(lines, audit.verify_export(exported), hash_at=found.get, keys=keys, restored=restored)
    assert [one.verdict for one in told] == [one.verdict for one in again]
    return [one.verdict for one in told]


def seals(file: Path) -> list[Seal]:
    return [one.seal for one in checkpoints.entries(file.read_text(errors="replace").splitlines()) if one.seal]


def rewritten(path: Path) -> None:
    """Every record with another actor, and every hash made to fit: a chain without a fault."""
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT * FROM audit ORDER BY seq").fetchall()
        for trigger in ("audit_is_never_changed", "audit_is_never_shortened"):
            db.execute(f"DROP TRIGGER {trigger}")
        db.execute("DELETE FROM audit")
        head = Head(0, "0" * 64)
        for number in range(len(rows)):
            head, row = link(replace(signing.entry(0, number), actor="somebody else")).join(head)
            db.execute(f"INSERT INTO audit VALUES ({', '.join('?' * len(row))})", row)
        db.commit()


def test_an_untouched_trail_fits_all_its_checkpoints(trail: Path, file: Path, key: Key) -> None:
    assert verdicts(trail, file, key.public) == ["fits", "fits", "fits"]
    assert [(seal.seq, seal.count, seal.at) for seal in seals(file)] == [
        (3, 3, "2030-01-01T08:00:00.000000Z"),
        (7, 7, "2030-01-01T08:00:00.000000Z"),
        (9, 9, "2030-01-01T08:00:00.000000Z"),
    ]


def test_a_cut_end_shows(trail: Path, file: Path, key: Key, tamper: Any) -> None:
    with tamper(trail) as db:
        db.execute("DELETE FROM audit WHERE seq > 7")
    assert audit.verify_file(trail).intact, "the chain alone cannot tell"
    assert verdicts(trail, file, key.public) == ["fits", "fits", "cut"]
    (told,) = judged([file.read_text().splitlines()[-1]], audit.verify_file(trail), hash_at={}.get, keys=[key.public])
    assert told.text == "the checkpoint of 2030-01-01T08:00:00.000000Z knows record 9, the trail ends at 7"


def test_a_trail_that_was_rewritten_whole_shows(trail: Path, file: Path, key: Key) -> None:
    rewritten(trail)
    assert audit.verify_file(trail).intact, "the chain alone cannot tell"
    assert verdicts(trail, file, key.public) == ["rewritten"] * 3


def test_a_checkpoint_of_another_key_is_foreign(trail: Path, file: Path, key: Key, tmp_path: Path) -> None:
    other = Key(tmp_path / "other.key")
    assert verdicts(trail, file, other.public) == ["foreign"] * 3
    assert verdicts(trail, file, other.public, key.public) == ["fits"] * 3, "keys may have been changed"


@pytest.mark.parametrize("change", [{"seq": 2}, {"hash": "f" * 64}, {"at": "2031"}, {"count": 2}, {"signature": "x"}])
def test_a_checkpoint_that_was_changed_is_forged(trail: Path, file: Path, key: Key, change: dict[str, Any]) -> None:
    first, *others = seals(file)
    file.write_text("".join(f"{line(one)}\n" for one in (replace(first, **change), *others)))
    assert verdicts(trail, file, key.public) == ["forged", "fits", "fits"]


@pytest.mark.parametrize("text", ["{}", "[]", "17", '{"seq":1}'])
def test_a_line_that_is_no_checkpoint_was_not_written_by_us(trail: Path, file: Path, key: Key, text: str) -> None:
    with file.open("a") as end:
        end.write(f"{text}\n\n")
    assert verdicts(trail, file, key.public) == ["fits", "fits", "fits", "forged"]


def test_an_anchor_is_no_checkpoint(trail: Path, file: Path, key: Key) -> None:
    append(file, key.signing.sealed(replace(seals(file)[0], kind="anchor")))
    assert verdicts(trail, file, key.public)[-1] == "forged"


async def test_a_torn_line_spoils_no_other(trail: Path, file: Path, key: Key) -> None:
    """A crash left half a line; the next checkpoint begins on a line of its own."""
    file.write_bytes(file.read_bytes()[:-40])
    assert verdicts(trail, file, key.public) == ["fits", "fits", "torn"]
    journal = SqliteJournal(trail)
    await journal.open()
    await SqliteCheckpoints(journal).write(file, key=key.secret, at=FIRST_DAY, seconds=60)
    await journal.close()
    assert verdicts(trail, file, key.public) == ["fits", "fits", "torn", "fits"]


async def test_checkpoints_for_what_was_pruned_since_are_fine(trail: Path, file: Path, key: Key) -> None:
    journal = SqliteJournal(trail)
    await journal.open()
    # Its records are all of one day: a record of a later one makes them a day that can go.
    await journal.append(signing.entry(5))
    assert await prune(journal, key, before=5) == 9
    await journal.close()
    assert verdicts(trail, file, key.public) == ["pruned", "pruned", "pruned"]
    forged = key.signing.sealed(replace(seals(file)[2], hash="f" * 64))
    append(file, forged)
    assert verdicts(trail, file, key.public)[-1] == "rewritten", "the anchor is for another record 9"


async def test_what_was_acknowledged_is_signed_whatever_became_of_the_file(trail: Path, file: Path, key: Key) -> None:
    """Else the daemon itself would sign what somebody wrote over its records."""
    journal = SqliteJournal(trail)
    await journal.open()
    head = journal.head
    rewritten(trail)
    await SqliteCheckpoints(journal).write(file, key=key.secret, at=FIRST_DAY, seconds=60)
    await journal.close()
    assert (seals(file)[-1].seq, seals(file)[-1].hash) == head


async def test_a_restored_backup_is_named_beside_what_it_cost(trail: Path, file: Path, key: Key, tamper: Any) -> None:
    with tamper(trail) as db:
        db.execute("DELETE FROM audit WHERE seq > 7")
    journal = SqliteJournal(trail)
    await journal.open()
    await journal.append(replace(signing.entry(4), event="restored"))
    await journal.close()
    hashes = FileHashes(trail)
    told = judged(
        file.read_text().splitlines(), audit.verify_file(trail), hash_at=hashes.within([3, 7]).get,
        keys=[key.public], restored=hashes.restored,
    )  # fmt: skip
    assert told[-1].verdict == "cut"
    assert "A backup was restored (record 8)" in told[-1].text


# Where it is written to


async def test_a_checkpoint_waits_for_one_that_nobody_waits_for_any_more(
    trail: Path, file: Path, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at a stop: the write under way was cancelled, and the last one comes behind it."""
    began, goes_on = asyncio.Event(), threading.Event()
    loop, really = asyncio.get_running_loop(), append

    def slowly(path: Path, seal: Seal) -> None:
        loop.call_soon_threadsafe(began.set)
        goes_on.wait()
        really(path, seal)

    journal = SqliteJournal(trail)
    await journal.open()
    writing = SqliteCheckpoints(journal)
    monkeypatch.setattr(checkpoints, "append", slowly)
    first = asyncio.create_task(writing.write(file, key=key.secret, at=FIRST_DAY, seconds=60))
    await began.wait()
    first.cancel()
    await asyncio.wait([first])
    last = asyncio.create_task(writing.write(file, key=key.secret, at=FIRST_DAY, seconds=60))
    await asyncio.sleep(0)
    goes_on.set()
    assert await last == 9
    await journal.close()
    assert [seal.seq for seal in seals(file)] == [3, 7, 9, 9, 9]


async def test_what_keeps_it_from_being_written_is_said(trail: Path, key: Key, tmp_path: Path) -> None:
    journal = SqliteJournal(trail)
    await journal.open()
    writing = SqliteCheckpoints(journal)
    os.mkfifo(tmp_path / "pipe")
    try:
        for place, reason in (
            (tmp_path / "nowhere" / "points.jsonl", "No such file or directory"),
            (tmp_path, "Is a directory"),
            (tmp_path / "pipe", "it is no file"),
            (Path("/dev/full"), "it is no file"),
        ):
            with pytest.raises(SealingFailed, match=reason) as caught:
                await writing.write(place, key=key.secret, at=FIRST_DAY, seconds=60)
            assert str(place) in str(caught.value)
            assert "[daemon] checkpoint_file" in caught.value.remedy
    finally:
        await journal.close()


def test_the_file_is_only_ever_appended_to_and_made_durable(file: Path, key: Key, monkeypatch: Any) -> None:
    synced: list[Path] = []
    fsync = os.fsync

    def noted(number: int) -> None:
        synced.append(Path(f"/proc/self/fd/{number}").readlink())
        fsync(number)

    monkeypatch.setattr(os, "fsync", noted)
    seal = checkpoint(Head(3, "a" * 64), records=3, key=key.secret, at=FIRST_DAY)
    append(file, seal)
    assert synced == [file, file.parent]
    before = file.read_bytes()
    append(file, seal)
    assert file.read_bytes() == before * 2
    assert file.stat().st_mode & 0o777 == 0o644 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# Keys


def test_what_a_killed_process_of_the_same_number_left_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / f".points.key.{os.getpid()}.new").write_text("half a key")
    make_key(tmp_path / "points.key")
    assert [one.name for one in tmp_path.iterdir()] == ["points.key"]


def test_a_key_is_made_whole_private_and_never_over_another(tmp_path: Path) -> None:
    path = tmp_path / "points.key"
    public = make_key(path)
    assert path.stat().st_mode & 0o777 == 0o400
    text = path.read_text()
    assert SigningKey.from_pem(text).public.pem == public.pem
    with pytest.raises(FileExistsError):
        make_key(path)
    assert path.read_text() == text
    assert [one.name for one in tmp_path.iterdir()] == ["points.key"]


@pytest.mark.parametrize("text", ["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_key_is_refused_without_a_word_of_it(text: str) -> None:
    for kind in (SigningKey, PublicKey):
        with pytest.raises(UnusableKey) as caught:
            kind.from_pem(text)
        assert "AAAA" not in str(caught.value)


def test_a_seal_is_read_back_as_it_was_written(key: Key) -> None:
    seal = checkpoint(Head(3, "a" * 64), records=3, key=key.secret, at=FIRST_DAY)
    assert seal_of(line(seal)) == seal
    document = json.loads(line(seal))
    assert (document["version"], document["kind"]) == (1, "checkpoint")
    for wrong in ({**document, "version": 2}, {**document, "kind": "other"}, {**document, "seq": "3"}):
        assert seal_of(json.dumps(wrong)) is None
