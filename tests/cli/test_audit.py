"""`sitebind audit` on real databases, with and without the daemon's configuration."""

from __future__ import annotations

import csv
import io
import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from daemon.ports import JournalEntry
from daemon.store.audit import verify_export
from daemon.store.journal import SqliteJournal

Ask = Callable[..., Any]
AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def an_entry(number: int, site: str = "default") -> JournalEntry:
    return JournalEntry(
        at=AT,
        site=site,
        actor="http:127.0.0.1",
        event="bind_requested",
        before="configured",
        after="binding",
        request_id=f"r-{number}",
        detail={"reason": f"reason {number}"},
    )


@pytest.fixture
async def database(tmp_path: Path) -> Path:
    """Three records of one site and one of another, written by the real journal."""
    path = tmp_path / "sitebind.db"
    journal = SqliteJournal(path)
    await journal.open()
    for number, site in enumerate(("default", "default", "other", "default"), start=1):
        await journal.append(an_entry(number, site))
    await journal.close()
    return path


@pytest.fixture
async def config(database: Path) -> Path:
    path = database.with_name("config.ini")
    path.write_text("[daemon]\ndatabase = sitebind.db\n")
    return path


def tampered(path: Path, statement: str) -> None:
    """What somebody with the sqlite3 tool can do, once the triggers are dropped."""
    connection = sqlite3.connect(path)
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_an_intact_trail_verifies(database: Path, sitebind: Ask) -> None:
    said = sitebind("audit", "verify", "--database", database)
    assert (said.code, said.out.startswith("Intact: 4 records, 1 to 4.")) == (0, True)


def test_the_database_is_found_through_the_configuration(config: Path, sitebind: Ask) -> None:
    """Relative to the configuration's folder, not to the one where somebody stands."""
    assert sitebind("audit", "verify", "--config", config).code == 0


def test_one_changed_byte_is_found_and_named(database: Path, sitebind: Ask) -> None:
    tampered(database, "UPDATE audit SET actor = 'http:127.0.0.2' WHERE seq = 3")
    said = sitebind("audit", "verify", "--database", database)
    assert said.code == 5
    assert said.out.startswith("Broken at record 3: record 3 was edited")
    assert "The 2 records before it are as they were written." in said.out


def test_verify_shares_the_work_and_gives_the_same_answer(database: Path, sitebind: Ask) -> None:
    alone = sitebind("audit", "verify", "--json", "--database", database)
    assert sitebind("audit", "verify", "--jobs", "2", "--json", "--database", database).out == alone.out


def test_verify_answers_in_json(database: Path, sitebind: Ask) -> None:
    tampered(database, "DELETE FROM audit WHERE seq = 2")
    said = sitebind("audit", "verify", "--json", "--database", database)
    report = json.loads(said.out)
    assert (said.code, report["intact"], report["broken_at"]) == (5, False, 2)


def test_tail_shows_the_newest_records_oldest_first(database: Path, sitebind: Ask) -> None:
    said = sitebind("audit", "tail", "-n", "2", "--database", database)
    lines = said.out.splitlines()
    assert (said.code, [line.split()[0] for line in lines]) == (0, ["3", "4"])
    assert lines[1] == (
        "4 2026-11-23T12:00:00Z default bind_requested configured -> binding by http:127.0.0.1 request r-4 "
        '{"reason": "reason 4"}'
    )


def test_tail_can_be_of_one_site_and_in_json(database: Path, sitebind: Ask) -> None:
    said = sitebind("audit", "tail", "--site", "other", "--json", "--database", database)
    (line,) = said.out.splitlines()
    assert (json.loads(line)["seq"], json.loads(line)["site"]) == (3, "other")


def test_jsonl_is_an_export_that_verifies_anywhere(database: Path, sitebind: Ask) -> None:
    said = sitebind("audit", "export", "--database", database)
    report = verify_export(said.out.splitlines())
    assert (said.code, report.intact, report.records) == (0, True, 4)


def test_an_exported_file_is_verified_without_the_database(database: Path, tmp_path: Path, sitebind: Ask) -> None:
    """As it was downloaded; one changed character is found, what is no export is said, and so is a file that is not."""
    file = tmp_path / "sitebind-audit.jsonl"
    file.write_text(sitebind("audit", "export", "--database", database).out)
    said = sitebind("audit", "verify", "--export", file)
    assert (said.code, said.out.startswith("Intact: 4 records, 1 to 4.")) == (0, True)
    file.write_text(file.read_text().replace("reason 2", "reason 7"))
    said = sitebind("audit", "verify", "--export", file, "--json")
    assert (said.code, json.loads(said.out)["broken_at"]) == (5, 2)
    file.write_bytes(b"\xff\xfe")
    assert "line 1 is not a record" in sitebind("audit", "verify", "--export", file).out
    said = sitebind("audit", "verify", "--export", tmp_path / "elsewhere")
    assert (said.code, "cannot be read: No such file" in said.err) == (2, True)


def test_csv_has_a_header_and_a_row_for_each_record(database: Path, sitebind: Ask) -> None:
    said = sitebind("audit", "export", "--format", "csv", "--database", database)
    header, *rows = csv.reader(io.StringIO(said.out))
    assert (header[0], [row[0] for row in rows]) == ("seq", ["1", "2", "3", "4"])


def test_an_export_to_a_file_is_whole_and_private(database: Path, tmp_path: Path, sitebind: Ask) -> None:
    target = tmp_path / "audit.jsonl"
    target.write_text("last month's")
    said = sitebind("audit", "export", "--output", target, "--database", database)
    assert (said.code, said.out) == (0, "")
    assert said.err == f"4 records written to {target}\n"
    assert len(target.read_text().splitlines()) == 4
    assert target.stat().st_mode & 0o077 == 0


def test_an_export_that_breaks_off_leaves_the_earlier_file_alone(
    database: Path, tmp_path: Path, sitebind: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "audit.jsonl"
    target.write_text("last month's")

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    said = sitebind("audit", "export", "--output", target, "--database", database)
    assert (said.code, f"{target} cannot be written: No space left on device" in said.err) == (5, True)
    assert target.read_text() == "last month's"
    assert sorted(path.name for path in tmp_path.glob("*audit.jsonl*")) == ["audit.jsonl"]


def test_a_file_that_is_no_database_is_said(tmp_path: Path, sitebind: Ask) -> None:
    (tmp_path / "notes.txt").write_text("shopping list\n" * 100)
    said = sitebind("audit", "verify", "--database", tmp_path / "notes.txt")
    assert (said.code, "not a database" in said.err.replace("an SQLite", "a")) == (5, True)


def test_a_database_that_is_not_there_is_wrong_usage(tmp_path: Path, sitebind: Ask) -> None:
    said = sitebind("audit", "tail", "--database", tmp_path / "gone.db")
    assert (said.code, "there is no such database" in said.err) == (2, True)


def test_reading_leaves_the_file_as_it_was(database: Path, sitebind: Ask) -> None:
    before = database.read_bytes()
    sitebind("audit", "tail", "--database", database)
    sitebind("audit", "verify", "--database", database)
    assert database.read_bytes() == before


def test_colour_does_not_get_into_a_pipe(database: Path, sitebind: Ask) -> None:
    assert "\x1b" not in sitebind("audit", "tail", "--database", database).out


def test_a_reader_who_has_enough_is_no_error(database: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        command = [sys.executable, "-m", "daemon", "audit", "export", "--database", str(database)]
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.fixture
async def living(tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    """A journal that a daemon has open."""
    journal = SqliteJournal(tmp_path / "sitebind.db")
    await journal.open()
    yield journal
    await journal.close()


async def test_following_shows_what_a_running_daemon_records(living: SqliteJournal, tmp_path: Path) -> None:
    await living.append(an_entry(1))
    command = [sys.executable, "-m", "daemon", "audit", "tail", "-f", "--database", str(tmp_path / "sitebind.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        limit = threading.Timer(20.0, process.kill)
        limit.start()
        assert process.stdout is not None
        try:
            assert process.stdout.readline().startswith("1 ")
            await living.append(an_entry(2))
            await living.append(an_entry(3, "other"))
            assert [process.stdout.readline().split()[0] for _ in range(2)] == ["2", "3"]
        finally:
            process.send_signal(2)
            assert process.wait() == 130
            limit.cancel()
        assert process.stderr is not None
        assert process.stderr.read() == ""
