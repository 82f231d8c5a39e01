"""The chain shows what was done to it, in the file and in an export."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.ports import JournalEntry, JournalUnavailable
from daemon.store import audit
from daemon.store.chain import START, Walk, canonical, link, whole
from daemon.store.journal import SqliteJournal
from daemon.store.rows import record_of

NOW = datetime(2030, 1, 1, tzinfo=UTC)
Tamper = Callable[[Path], Any]
COLUMNS = ("at", "site", "actor", "event", "before", "after", "request_id", "detail", "previous_hash", "hash")


def test_an_untouched_file_is_intact(chain: Path) -> None:
    report = audit.verify_file(chain)
    assert (report.intact, report.records, report.first, report.last) == (True, 5, 1, 5)
    assert report.head == audit.tail_file(chain, limit=1)[0].hash


async def test_an_empty_trail_is_intact(journal: SqliteJournal, path: Path) -> None:
    for report in (audit.verify_file(path), await journal.verify()):
        assert (report.intact, report.records, report.last, report.head) == (True, 0, 0, "0" * 64)


def test_the_hash_is_what_the_documentation_says(chain: Path) -> None:
    """Computed here with nothing of ours, as an auditor would."""
    previous = "0" * 64
    for line in audit.export_file(chain, "jsonl"):
        record = json.loads(line)
        digest = record.pop("hash")
        assert record["previous_hash"] == previous
        text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        previous = sha256(f"{previous}\n{text}".encode()).hexdigest()
        assert previous == digest


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("seq", [1, 3, 5])
def test_one_changed_byte_anywhere_is_found(chain: Path, tamper: Tamper, column: str, seq: int) -> None:
    with tamper(chain) as connection:
        value = connection.execute(f'SELECT "{column}" FROM audit WHERE seq = ?', (seq,)).fetchone()[0]
        changed = "r" if value is None else chr(ord(value[0]) ^ 1) + value[1:]
        connection.execute(f'UPDATE audit SET "{column}" = ? WHERE seq = ?', (changed, seq))
    report = audit.verify_file(chain)
    assert not report.intact
    assert report.broken_at == seq
    assert report.records == seq - 1
    assert str(seq) in report.reason


async def test_a_running_daemon_finds_an_edit_too(journal: SqliteJournal, path: Path, tamper: Tamper) -> None:
    entry = JournalEntry(at=NOW, site="", actor="a", event="e", before="", after="")
    for _ in range(3):
        await journal.append(entry)
    with tamper(path) as connection:
        connection.execute("UPDATE audit SET actor = 'b' WHERE seq = 2")
    assert (await journal.verify()).broken_at == 2
    with tamper(path) as connection:
        connection.execute("UPDATE audit SET actor = 'a' WHERE seq = 2")
    assert (await journal.verify()).intact
    with tamper(path) as connection:
        connection.execute("DELETE FROM audit WHERE seq = 3")
    report = await journal.verify()
    assert (report.broken_at, report.records) == (3, 2)
    assert "cut off" in report.reason


@pytest.mark.parametrize(
    "done",
    [
        ("DELETE FROM audit WHERE seq = 1", 1, "record 1 is missing"),
        ("DELETE FROM audit WHERE seq IN (3, 4)", 3, "record 3 to 4 is missing"),
        ("UPDATE audit SET actor = 'x' WHERE seq = 2", 2, "record 2 was edited"),
        ("UPDATE audit SET detail = '{\"number\": 2}' WHERE seq = 2", 2, "edited"),
        ("UPDATE audit SET detail = 'no json' WHERE seq = 4", 4, "damaged"),
        ("UPDATE audit SET detail = '[1]' WHERE seq = 4", 4, "damaged"),
        ("UPDATE audit SET detail = '{\"a\":1.5}' WHERE seq = 4", 4, "damaged"),
        ("UPDATE audit SET detail = CAST(x'ff' AS TEXT) WHERE seq = 4", 4, "cannot be read"),
        ("UPDATE audit SET seq = -seq WHERE seq = 5", 5, "known to have existed"),
    ],
)
async def test_what_was_done_is_said(chain: Path, tamper: Tamper, done: tuple[str, int, str]) -> None:
    statement, broken_at, words = done
    with tamper(chain) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("INSERT INTO snapshots VALUES ('default', '{}', 5)")
        connection.execute(statement)
        if "-seq" in statement:
            connection.execute("DELETE FROM audit WHERE seq < 0")
    report = audit.verify_file(chain)
    assert (report.intact, report.broken_at) == (False, broken_at)
    assert words in report.reason


def test_two_records_that_changed_places_are_found(chain: Path, tamper: Tamper) -> None:
    with tamper(chain) as connection:
        connection.execute("UPDATE audit SET seq = 99 WHERE seq = 2")
        connection.execute("UPDATE audit SET seq = 2 WHERE seq = 3")
        connection.execute("UPDATE audit SET seq = 3 WHERE seq = 99")
    report = audit.verify_file(chain)
    assert report.broken_at == 2
    assert "moved" in report.reason


def test_a_record_rewritten_with_a_fitting_hash_breaks_the_next_link(chain: Path, tamper: Tamper) -> None:
    with tamper(chain) as connection:
        row = list(connection.execute("SELECT * FROM audit WHERE seq = 2").fetchone())
        row[3] = "somebody else"
        names = ("seq", *COLUMNS)
        record = dict(zip(names, row, strict=True))
        del record["hash"]
        record["detail"] = json.loads(record["detail"])
        digest = sha256(f"{record['previous_hash']}\n{canonical(record)}".encode()).hexdigest()
        connection.execute("UPDATE audit SET actor = ?, hash = ? WHERE seq = 2", (row[3], digest))
    report = audit.verify_file(chain)
    assert (report.broken_at, report.records) == (3, 2)


def test_a_table_rebuilt_without_types_is_found(chain: Path, tamper: Tamper) -> None:
    """Numbers where text was, and two records with one number."""
    with tamper(chain) as connection:
        connection.execute("CREATE TABLE loose AS SELECT * FROM audit")
        connection.execute("DROP TABLE audit")
        connection.execute("ALTER TABLE loose RENAME TO audit")
        connection.execute("UPDATE audit SET actor = 7 WHERE seq = 4")
    assert audit.verify_file(chain).broken_at == 4
    with tamper(chain) as connection:
        connection.execute("INSERT INTO audit SELECT * FROM audit WHERE seq = 2")
    report = audit.verify_file(chain)
    assert (report.broken_at, report.records) == (3, 2)


def test_a_damaged_page_is_a_break_and_not_a_crash(chain: Path) -> None:
    """The page that holds the records is overwritten; SQLite itself finds that."""
    with closing(sqlite3.connect(chain)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'audit'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with chain.open("r+b") as file:
        file.seek((root - 1) * size + 8)
        file.write(b"\xff" * 16)
    report = audit.verify_file(chain)
    assert (report.intact, report.broken_at) == (False, 1)


def test_a_lock_is_no_finding(chain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies around the file is raised, never reported as tampering."""

    class Busy:
        text_factory = str

        def execute(self, *arguments: Any) -> None:
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorname = "SQLITE_BUSY"
            raise error

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        audit.walk_on(Walk(), Busy())  # type: ignore[arg-type]


def test_a_damaged_record_is_shown_and_hides_no_other(chain: Path, tamper: Tamper) -> None:
    with tamper(chain) as connection:
        connection.execute("UPDATE audit SET detail = '{\"a\": 1.5', actor = CAST(x'61ff' AS TEXT) WHERE seq = 2")
    records = audit.tail_file(chain)
    assert [one.seq for one in records] == [1, 2, 3, 4, 5]
    assert records[1].detail == {"damaged": '{"a": 1.5'}
    assert records[1].actor == r"a\xff"
    assert audit.verify_export(audit.export_file(chain, "jsonl")).broken_at == 2


# --- reading without a daemon --------------------------------------------------------------------


def test_tail_and_read_select(chain: Path) -> None:
    assert [one.seq for one in audit.tail_file(chain, limit=2)] == [4, 5]
    assert audit.tail_file(chain, site="other") == []
    assert [one.seq for one in audit.read_file(chain, after=3)] == [4, 5]
    assert [one.seq for one in audit.read_file(chain, site="default", after=4)] == [5]


async def test_a_file_is_read_beside_the_running_daemon(
    journal: SqliteJournal, path: Path, entry: Callable[..., JournalEntry]
) -> None:
    await journal.append(entry())
    assert audit.verify_file(path).records == 1


async def test_a_file_left_by_a_killed_daemon_is_read_with_its_log(
    journal: SqliteJournal, path: Path, tmp_path: Path, entry: Callable[..., JournalEntry]
) -> None:
    await journal.append(entry())
    for name in ("", "-wal"):
        (tmp_path / f"copy.db{name}").write_bytes(path.with_name(f"{path.name}{name}").read_bytes())
    assert audit.verify_file(tmp_path / "copy.db").records == 1


def test_a_complete_file_on_a_medium_that_cannot_be_written_is_read(
    chain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There SQLite cannot make the files that it wants beside a database in WAL mode."""
    connect = sqlite3.connect
    tried: list[str] = []

    def on_read_only_medium(address: str, **options: Any) -> sqlite3.Connection:
        tried.append(address)
        if "immutable" not in address:
            raise sqlite3.OperationalError("unable to open database file")
        connection: sqlite3.Connection = connect(address, **options)
        return connection

    monkeypatch.setattr(sqlite3, "connect", on_read_only_medium)
    assert audit.verify_file(chain).records == 5
    assert len(tried) == 2


@pytest.mark.parametrize("content", [None, b"", b"no database" * 100])
def test_what_is_no_journal_is_said_and_nothing_is_created(path: Path, content: bytes | None) -> None:
    path.parent.mkdir()
    if content is not None:
        path.write_bytes(content)
    before = sorted(path.parent.iterdir())
    with pytest.raises(JournalUnavailable, match=r"sitebind\.db"):
        audit.verify_file(path)
    assert sorted(path.parent.iterdir()) == before


# --- exports -------------------------------------------------------------------------------------


def test_an_export_verifies_without_the_database(chain: Path) -> None:
    lines = list(audit.export_file(chain, "jsonl"))
    report = audit.verify_export([*lines, "", "\n"])
    assert report == audit.verify_file(chain)
    later = audit.verify_export(audit.export_file(chain, "jsonl", after=2))
    assert (later.intact, later.records, later.first, later.last) == (True, 3, 3, 5)


def test_an_empty_export_is_intact() -> None:
    assert audit.verify_export([]).intact


def changed(line: str, **fields: Any) -> str:
    return json.dumps({**json.loads(line), **fields})


@pytest.mark.parametrize(
    "change, broken_at",
    [
        (lambda lines: [lines[0], changed(lines[1], actor="x"), *lines[2:]], 2),
        (lambda lines: [lines[0], *lines[2:]], 2),
        (lambda lines: [lines[1], lines[0], *lines[2:]], 3),
        (lambda lines: [lines[0], "{", *lines[2:]], 2),
        (lambda lines: ["[]", *lines], 1),
        (lambda lines: [changed(lines[0], extra=1)], 1),
        (lambda lines: [changed(lines[0], seq="1")], 1),
        (lambda lines: [changed(lines[0], detail={"a": 1.5})], 1),
        (lambda lines: [changed(lines[0], detail=[])], 1),
        (lambda lines: [changed(lines[0], site=5)], 1),
        (lambda lines: [changed(lines[0], site="\ud800")], 1),
        (lambda lines: [changed(lines[0], previous_hash="1" * 64)], 1),
        (lambda lines: [changed(lines[0], seq=0)], 1),
    ],
)
def test_a_changed_export_is_found(chain: Path, change: Callable[[list[str]], list[str]], broken_at: int) -> None:
    report = audit.verify_export(change(list(audit.export_file(chain, "jsonl"))))
    assert (report.intact, report.broken_at) == (False, broken_at)


async def test_a_spreadsheet_finds_no_formula(
    journal: SqliteJournal, path: Path, entry: Callable[..., JournalEntry]
) -> None:
    for actor in ("=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx", 'plain, "quoted"\nand more'):
        await journal.append(entry(actor=actor, detail={"a": "=1"}))
    text = "\r\n".join(audit.export_file(path, "csv"))
    header, *cells = csv.reader(io.StringIO(text, newline=""))
    assert header == ["seq", *COLUMNS]
    actors = [row[header.index("actor")] for row in cells]
    assert actors[:-1] == ["'=1+1", "'+1", "'-1", "'@x", "'\tx", "'\rx", "'\nx"]
    assert actors[-1] == 'plain, "quoted"\nand more'
    assert {row[header.index("detail")] for row in cells} == {'{"a":"=1"}'}


# --- canonical JSON -------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), VALUES, max_size=5))
def test_canonical_json_is_json_and_does_not_depend_on_order(value: dict[str, Any]) -> None:
    text = canonical(value)
    assert json.loads(text) == value
    assert canonical(dict(reversed(value.items()))) == text
    assert canonical(json.loads(text)) == text


@given(
    st.tuples(*[st.text(st.characters()) for _ in range(5)]),
    st.none() | st.text(),
    st.dictionaries(st.text(st.characters(), max_size=5), VALUES, max_size=3),
)
def test_whatever_is_recorded_verifies_and_can_be_exported(
    texts: tuple[str, ...], request_id: str | None, detail: dict[str, Any]
) -> None:
    """Control characters, quotes, lone surrogates: the writer and the two verifiers agree."""
    site, actor, event, before, after = texts
    entry = JournalEntry(
        at=NOW, site=site, actor=actor, event=event, before=before, after=after,
        request_id=request_id, detail=detail,
    )  # fmt: skip
    _, row = link(entry).join(START)
    walk = Walk()
    assert walk.feed([row]) == 1
    assert row[3] == whole(actor)
    assert audit.verify_export([audit.json_line(record_of(row))]).intact
