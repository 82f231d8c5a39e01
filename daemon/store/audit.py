"""The audit trail without a daemon: verify, read and export a database file. Called by `sitebind audit`.

JSON lines are the verifiable export; CSV is for reading in a spreadsheet. Everything here reads only, and
works beside a running daemon. These functions block; none of them belongs on a loop.
"""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

from daemon.ports import AuditRecord, ChainReport, ExportFormat, Seal
from daemon.store.anchors import PRUNED, anchor_told, first_seq, newest_anchor, walk_begun
from daemon.store.audit_cef import cef_line
from daemon.store.audit_ocsf import ocsf_line
from daemon.store.audit_syslog import syslog_line
from daemon.store.chain import COLUMNS, START, Head, Row, Walk, canonical
from daemon.store.connection import uri
from daemon.store.rows import record_of
from daemon.store.trouble import is_damage, unavailable

FIELDS = tuple(field.name for field in fields(AuditRecord))
CSV_HEADER = ",".join(FIELDS)
# A spreadsheet takes a cell that begins with one of these for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def verify_file(path: Path) -> ChainReport:
    """Walk the whole chain of a database file. Raises `JournalUnavailable` when it cannot be read."""
    with reading(path) as connection:
        connection.execute("BEGIN")  # one view of it: what the daemon prunes meanwhile is not missing
        walk, known = walk_begun(connection), known_end(connection)
        if walk.intact:
            walk_on(walk, connection)
        walk.must_reach(known)
        return walk.report()


def walk_on(
    walk: Walk,
    connection: sqlite3.Connection,
    *,
    limit: int = -1,
    through: Callable[[Iterator[Row]], Iterator[Row]] = iter,
) -> int:
    """Feed the next records from the database and return how many were good. Damage is a break, no error.

    They go `through` that, which may end early.
    """
    connection.text_factory = str
    query = f"SELECT {COLUMNS} FROM audit WHERE seq > ? ORDER BY seq LIMIT ?"  # noqa: S608 - a constant
    try:
        return walk.feed(through(connection.execute(query, (walk.seq, limit))))
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        walk.break_off(f"record {walk.seq + 1} cannot be read: {error}")
        return 0


def known_end(connection: sqlite3.Connection) -> int:
    """The last record that a site's state names: a chain that ends before it was cut. Ask before walking."""
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM snapshots").fetchone()[0])


def read_records(
    connection: sqlite3.Connection, *, site: str | None = None, after: int = 0, limit: int = -1
) -> Iterator[AuditRecord]:
    """Records with `seq > after` in order; all of them with `limit` -1."""
    where, values = ("AND site = ?", (site,)) if site is not None else ("", ())
    query = f"SELECT {COLUMNS} FROM audit WHERE seq > ? {where} ORDER BY seq LIMIT ?"  # noqa: S608 - constants
    return map(record_of, read_rows(connection, query, (after, *values, limit)))


def newest_records(connection: sqlite3.Connection, *, site: str | None = None, limit: int = 50) -> list[AuditRecord]:
    """The newest records, oldest of them first."""
    where, values = ("WHERE site = ?", (site,)) if site is not None else ("", ())
    query = f"SELECT {COLUMNS} FROM audit {where} ORDER BY seq DESC LIMIT ?"  # noqa: S608 - constants
    return [record_of(row) for row in read_rows(connection, query, (*values, limit))][::-1]


def anchor_of_file(path: Path) -> Seal | None:
    """The anchor behind which the trail begins; None where nothing was pruned. Raises `JournalUnavailable`."""
    with reading(path) as connection:
        return newest_anchor(connection)


def end_of_file(path: Path) -> tuple[Head, int]:
    """The last record of a database file, and how many it holds. Raises `JournalUnavailable`."""
    with reading(path) as connection:
        connection.execute("BEGIN")
        row = connection.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
        head = START if row is None else Head(*row)
        return head, head.seq - first_seq(connection) + 1


def tail_file(path: Path, *, site: str | None = None, limit: int = 50) -> list[AuditRecord]:
    """The newest records of a database file, oldest of them first. Raises `JournalUnavailable`."""
    with reading(path) as connection:
        return newest_records(connection, site=site, limit=limit)


def read_file(path: Path, *, site: str | None = None, after: int = 0) -> Iterator[AuditRecord]:
    """The records of a database file with `seq > after`, as one view of it. Raises `JournalUnavailable`."""
    with reading(path) as connection:
        yield from read_records(connection, site=site, after=after)


def export_file(path: Path, format: ExportFormat, *, site: str | None = None, after: int = 0) -> Iterator[str]:
    """The export's records, without line ends; CSV begins with its header, and a cell may hold line ends.

    An export of one site is good for reading; only a whole one can be verified as a chain.
    """
    if format == "csv":
        yield CSV_HEADER
    yield from map(LINES[format], read_file(path, site=site, after=after))


def json_line(record: AuditRecord) -> str:
    """A record as one line of a verifiable export: canonical JSON with its hash."""
    return canonical(_document(record))


def csv_line(record: AuditRecord) -> str:
    """A record for a spreadsheet: what it would take for a formula begins with an apostrophe."""
    out = io.StringIO()
    document = {**_document(record), "detail": canonical(record.detail)}
    csv.writer(out, lineterminator="\r\n").writerow(_harmless(document[name]) for name in FIELDS)
    return out.getvalue().removesuffix("\r\n")


LINES: Mapping[ExportFormat, Callable[[AuditRecord], str]] = {
    "jsonl": json_line,
    "csv": csv_line,
    "syslog": syslog_line,
    "cef": cef_line,
    "ocsf": ocsf_line,
}
"""How an export writes a record."""


def verify_export(lines: Iterable[str]) -> ChainReport:
    """Verify JSON lines as `export_file` writes them; needs no database and no secret.

    An export may begin later than at record 1: it is verified from there on, and `first` says where. A record in it
    that tells of the pruning of those before it gives its anchor.
    """
    walk: Walk | None = None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        row = _row_of(line)
        if row is None:
            walk = walk or Walk()
            walk.break_off(f"line {number} is not a record of the audit trail")
        else:
            walk = walk or Walk(START if row[0] <= 1 else Head(row[0] - 1, row[9]))
            walk.feed([row])
            if row[4] == PRUNED:
                walk.explain(anchor_told(record_of(row)))
        if not walk.intact:
            break
    return (walk or Walk()).report()


def reading(path: Path) -> closing[sqlite3.Connection]:
    """A database that is only read, also on a medium that cannot be written."""
    address = uri(path, "ro")
    if path.is_file() and not path.with_name(f"{path.name}-wal").exists():
        # Without a journal the file is complete. SQLite would have to write to find that out.
        address = _address_of_complete(address)
    try:
        connection = sqlite3.connect(address, uri=True, isolation_level=None)
    except sqlite3.Error as error:
        raise unavailable(error, path) from error
    try:
        connection.execute("SELECT seq FROM audit LIMIT 1").fetchall()
    except sqlite3.Error as error:
        connection.close()
        raise unavailable(error, path) from error
    return closing(connection)


def _address_of_complete(address: str) -> str:
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            connection.execute("SELECT 1 FROM sqlite_master").fetchall()
    except sqlite3.Error:
        return f"{address}&immutable=1"
    return address


def read_rows(connection: sqlite3.Connection, query: str, values: tuple[Any, ...]) -> Iterator[Row]:
    """Rows, with what is no UTF-8 any more shown as such: one damaged record must not hide the others."""
    connection.text_factory = lambda data: data.decode("utf-8", "backslashreplace")
    return connection.execute(query, values)


def _document(record: AuditRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in FIELDS}


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _row_of(line: str) -> Row | None:
    """A line of an export as the row it came from; None when it is anything else."""
    try:
        found = json.loads(line)
        if not isinstance(found, dict) or set(found) != set(FIELDS) or type(found["seq"]) is not int:
            return None
        values: tuple[Any, ...] = tuple(found[name] for name in FIELDS)
        detail = canonical(found["detail"])
    except (ValueError, TypeError):
        return None
    return cast("Row", (*values[:8], detail, *values[9:]))
