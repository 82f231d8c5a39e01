"""`sitebind audit`: read, verify and export the audit trail straight from the database file.

The daemon is not needed and is not asked: whoever checks the record must not have to trust who writes it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from daemon.cli import audit_seal, audit_verify
from daemon.cli.audit_place import add_database, database, readable
from daemon.cli.exits import Exit, Failure
from daemon.cli.parser import Parser, add_json, count
from daemon.cli.terminal import Palette, counted, plain
from daemon.cli.whole_file import whole_file

if TYPE_CHECKING:
    from daemon.ports import AuditRecord

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
    audit_verify.add(parser)
    audit_seal.add(parser)
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
        "syslog is RFC 5424, cef the Common Event Format 0, ocsf version 1.3.0 of that schema.\n"
        "Where old records were pruned it begins behind them, and says so",
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


def _say_which(parser: Parser) -> int:
    parser.print_help(sys.stderr)
    return Exit.USAGE


def _tail(args: argparse.Namespace) -> int:
    from daemon.store.audit import tail_file

    path = database(args)
    show = _as_json if args.json else _Lines(Palette()).line
    with readable():
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
    with readable():
        lines: Iterable[str] = export_file(path, args.format)
        lines, end = (map(octets_counted, lines), "") if args.octet_counting else (lines, "\n")
        begins = _begins(path)
        if args.output is None:
            for line in lines:
                print(line, end=end)
            if begins:
                print(begins, file=sys.stderr)
            return Exit.WELL
        written = _write_whole(args.output, lines, end=end)
    records = written - (args.format == "csv")
    print(f"{counted(records, 'record')} written to {args.output}{begins and f'. {begins}'}", file=sys.stderr)
    return Exit.WELL


def _begins(path: Path) -> str:
    """Where an export begins, when that is not the beginning."""
    from daemon.store.audit import anchor_of_file

    anchor = anchor_of_file(path)
    if anchor is None:
        return ""
    return plain(f"It begins with record {anchor.seq + 1}: those before were pruned on {anchor.at[:10]}")


def _write_whole(path: Path, lines: Iterable[str], *, end: str) -> int:
    number = 0
    with whole_file(path) as file:
        for line in lines:
            file.write(f"{line}{end}".encode())
            number += 1
    return number
