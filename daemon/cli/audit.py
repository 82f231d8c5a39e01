"""`sitebind audit`: read, verify and export the audit trail straight from the database file.

The daemon is not needed and is not asked: whoever checks the record must not have to trust who writes it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from daemon.cli.exits import Exit, Failure
from daemon.cli.parser import Parser, add_json, count
from daemon.cli.place import daemon_settings, existing_configuration
from daemon.cli.terminal import Palette, counted, plain
from daemon.cli.whole_file import whole_file

if TYPE_CHECKING:
    from daemon.ports import AuditRecord, ChainReport

_LOOK_EVERY: Final = 0.5
_FORMATS: Final = ("jsonl", "csv", "syslog", "cef", "ocsf")


def add(root: Parser) -> None:
    """Add the command with its own commands."""
    parser = root.command(
        "audit",
        help="read, verify or export the audit trail; works without the daemon",
        example="sitebind audit tail -f\n  sitebind audit verify\n  sitebind audit export --format jsonl",
    )
    parser.set_defaults(execute=lambda _args: _say_which(parser))
    _add_tail(parser)
    verify = parser.command(
        "verify",
        help="prove that no record was edited, removed or moved",
        example="sitebind audit verify --database /var/lib/sitebind/sitebind.db\n"
        "  sitebind audit verify --export sitebind-audit.jsonl\n\n"
        "exit code: 0 intact, 5 broken. The trail is tamper-evident, not tamper-proof",
        execute=_verify,
    )
    verify.add_argument(
        "--export",
        metavar="FILE",
        type=Path,
        help="JSON lines that were exported, in place of the database",
    )
    verify.add_argument(
        "--jobs",
        type=count,
        default=1,
        metavar="N",
        help="processes that share the work, each a range of the database's trail (default: 1)",
    )
    add_database(verify)
    add_json(verify)
    _add_export(parser)


def _add_tail(parser: Parser) -> None:
    tail = parser.command(
        "tail",
        help="print the newest records, and with -f those that follow",
        example="sitebind audit tail -f -n 50 --site default",
        execute=_tail,
    )
    tail.add_argument("-f", "--follow", action="store_true", help="go on with what is recorded from now on")
    tail.add_argument("-n", "--lines", type=count, default=20, metavar="N", help="how many (default: 20)")
    tail.add_argument("--site", metavar="SITE", help="only this site's")
    add_database(tail)
    add_json(tail)


def _add_export(parser: Parser) -> None:
    export = parser.command(
        "export",
        help="write the whole trail: jsonl can be verified anywhere, csv is for reading, the others for a SIEM",
        example="sitebind audit export --format csv --output audit.csv\n\n"
        "syslog is RFC 5424, cef the Common Event Format 0, ocsf version 1.3.0 of that schema",
        execute=_export,
    )
    export.add_argument("--format", choices=_FORMATS, default="jsonl", help="default: jsonl")
    export.add_argument(
        "--octet-counting",
        action="store_true",
        help="with syslog: each message's length before it and no line end, as receivers on TCP and TLS want it",
    )
    export.add_argument("--output", metavar="FILE", type=Path, help="whole or not at all; default: standard output")
    add_database(export)


def add_database(parser: Parser) -> None:
    """`--database`, for the commands that work on the file."""
    parser.add_argument("--database", metavar="PATH", type=Path, help="default: [daemon] database of the configuration")


def _say_which(parser: Parser) -> int:
    parser.print_help(sys.stderr)
    return Exit.USAGE


def database(args: argparse.Namespace) -> Path:
    """The database that is meant, which exists. Raises `Failure`."""
    path: Path | None = args.database
    if path is None:
        config = existing_configuration(args)
        path = daemon_settings(config, otherwise="Name the database with --database PATH.").database
    if not path.is_file():
        raise Failure(
            f"{path}: there is no such database. It is made when the daemon first runs; "
            "name another with --database PATH.",
            Exit.USAGE,
        )
    return path


@contextmanager
def _readable() -> Iterator[None]:
    """What keeps the database from being read becomes a `Failure` in words."""
    import sqlite3

    from daemon.ports import JournalUnavailable

    try:
        yield
    except JournalUnavailable as error:
        raise Failure(str(error), Exit.FAILED) from None
    except sqlite3.Error as error:
        raise Failure(f"The database cannot be read: {error}.", Exit.FAILED) from None


def _verify(args: argparse.Namespace) -> int:
    path, report = (
        _verified_export(args.export) if args.export is not None else _verified_database(database(args), jobs=args.jobs)
    )
    if args.json:
        print(json.dumps(asdict(report), indent=2))
    else:
        print(_verdict(report, path))
    return Exit.WELL if report.intact else Exit.FAILED


def _verified_database(path: Path, *, jobs: int) -> tuple[Path, ChainReport]:
    from daemon.store.ranges import verify_in_ranges

    with _readable():
        return path, verify_in_ranges(path, jobs=jobs)


def _verified_export(path: Path) -> tuple[Path, ChainReport]:
    from daemon.store.audit import verify_export

    try:
        # What is no UTF-8 is no record either: the verdict names the line.
        with path.open(encoding="utf-8", errors="replace") as lines:
            return path, verify_export(lines)
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror or error}.", Exit.USAGE) from None


def _verdict(report: ChainReport, path: Path) -> str:
    palette = Palette()
    if report.intact:
        span = f", {report.first} to {report.last}" if report.records else ""
        said = palette.paint(f"Intact: {counted(report.records, 'record')}{span}.", "green")
        return f"{said}\n  Head: {report.head}\n  Note the head elsewhere: it shows a trail that was rewritten whole."
    broken = palette.paint(f"Broken at record {report.broken_at}: {plain(report.reason)}.", "red")
    return (
        f"{broken}\n  The {counted(report.records, 'record')} before it are as they were written.\n"
        f"  Keep {path} as it is, as evidence, and find out who could write to it."
    )


def _tail(args: argparse.Namespace) -> int:
    from daemon.store.audit import tail_file

    path = database(args)
    show = _as_json if args.json else _Lines(Palette()).line
    with _readable():
        records = tail_file(path, site=args.site, limit=args.lines)
        _print(records, show)
        if args.follow:
            last = records[-1].seq if records else _last_seq(path)
            _follow(path, args.site, after=last, show=show)
    return Exit.WELL


def _last_seq(path: Path) -> int:
    """With `-n 0`, and for a site without records yet, following begins at the end of the trail."""
    from daemon.store.audit import tail_file

    newest = tail_file(path, limit=1)
    return newest[-1].seq if newest else 0


def _follow(path: Path, site: str | None, *, after: int, show: Any) -> None:
    """Print what is recorded from now on, until Ctrl-C or until the reader has gone."""
    from daemon.store.audit import read_file

    while True:
        for record in read_file(path, site=site, after=after):
            _print([record], show)
            after = record.seq
        time.sleep(_LOOK_EVERY)


def _print(records: Iterable[AuditRecord], show: Any) -> None:
    for record in records:
        print(show(record), flush=True)


def _as_json(record: AuditRecord) -> str:
    from daemon.store.audit import json_line

    return json_line(record)


class _Lines:
    """Records as lines for a person."""

    def __init__(self, palette: Palette) -> None:
        self._palette = palette

    def line(self, record: AuditRecord) -> str:
        """`17 2026-11-23T12:01:02Z default bind_requested configured -> binding by http:127.0.0.1 {…}`."""
        moved = plain(record.before if record.before == record.after else f"{record.before} -> {record.after}")
        if record.before != record.after:
            moved = self._palette.paint(moved, "bold")
        detail = json.dumps(record.detail, ensure_ascii=False, sort_keys=True) if record.detail else ""
        request = f" request {record.request_id}" if record.request_id else ""
        first = plain(f"{record.seq} {record.at[:19]}Z {record.site or '-'} {record.event}")
        return f"{first} {moved} {plain(f'by {record.actor}{request} {detail}')}".rstrip()


def _export(args: argparse.Namespace) -> int:
    from daemon.store.audit import export_file
    from daemon.store.audit_syslog import counted as octets_counted

    if args.octet_counting and args.format != "syslog":
        raise Failure("--octet-counting is a framing of syslog messages: add --format syslog.", Exit.USAGE)
    path = database(args)
    with _readable():
        lines: Iterable[str] = export_file(path, args.format)
        lines, end = (map(octets_counted, lines), "") if args.octet_counting else (lines, "\n")
        if args.output is None:
            for line in lines:
                print(line, end=end)
            return Exit.WELL
        written = _write_whole(args.output, lines, end=end)
    records = written - (args.format == "csv")
    print(f"{counted(records, 'record')} written to {args.output}", file=sys.stderr)
    return Exit.WELL


def _write_whole(path: Path, lines: Iterable[str], *, end: str) -> int:
    number = 0
    with whole_file(path) as file:
        for line in lines:
            file.write(f"{line}{end}".encode())
            number += 1
    return number
