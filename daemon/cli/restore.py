"""`sitebind restore`: a backup in the place of the database, while the daemon is stopped."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.cli.exits import Exit, Failure
from daemon.cli.parser import Parser, add_json
from daemon.cli.place import daemon_settings, existing_configuration
from daemon.cli.terminal import Palette, counted, labelled, plain
from daemon.cli.vault import actor

if TYPE_CHECKING:
    from daemon.store.restoring import Restored


def add(root: Parser) -> None:
    """Add the command."""
    parser = root.command(
        "restore",
        help="put a backup in the place of the database, which is kept; the daemon must be stopped",
        example="sitebind restore /var/backups/sitebind-2026-11-23.db\n\n"
        "The backup is proven first, and the trail records that it was restored. The vault's key is not in it.\n"
        "exit code: 0 restored, 2 not asked for or the daemon runs, 5 nothing was restored",
        execute=_restore,
    )
    parser.add_argument("backup", metavar="FILE", type=Path, help="made by sitebind backup")
    parser.add_argument("--database", metavar="PATH", type=Path, help="default: [daemon] database of the configuration")
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    add_json(parser)


def _restore(args: argparse.Namespace) -> int:
    from daemon.ports import JournalUnavailable
    from daemon.store.copying import BackupRefused
    from daemon.store.holder import DatabaseInUse
    from daemon.store.restoring import restore
    from daemon.store.schema import SchemaRefused

    database: Path = (
        args.database
        or daemon_settings(existing_configuration(args), otherwise="Name the database with --database PATH.").database
    )
    if not args.backup.is_file():
        raise Failure(f"{args.backup}: there is no such file.", Exit.USAGE)
    if not args.yes:
        _confirm(args.backup, database)
    try:
        done = restore(args.backup, database, actor=actor(), at=datetime.now(UTC))
    except DatabaseInUse as error:
        raise Failure(f"Nothing was restored: {error}", Exit.USAGE) from None
    except (BackupRefused, JournalUnavailable, SchemaRefused) as error:
        raise Failure(f"Nothing was restored: {error}", Exit.FAILED) from None
    except OSError as error:
        raise Failure(f"{database} cannot be replaced: {error.strerror or error}.", Exit.FAILED) from None
    _tell(done, database, args)
    return Exit.WELL


def _confirm(backup: Path, database: Path) -> None:
    if not sys.stdin.isatty():
        raise Failure("This asks for confirmation, and there is no terminal to ask on. Say it with --yes.", Exit.USAGE)
    print(f"Put {plain(backup)} in the place of {plain(database)}? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise Failure("Nothing was restored.", Exit.USAGE)


def _tell(done: Restored, database: Path, args: argparse.Namespace) -> None:
    if args.json:
        print(json.dumps({"database": str(database), **asdict(done)}, indent=2))
        return
    print(Palette().paint(f"Restored: {plain(database)}", "green"))
    missing = "not known: the replaced database is damaged" if done.missing is None else counted(done.missing, "record")
    for label, text in (
        ("in it", f"{counted(done.records, 'record')}, head {done.head}"),
        ("recorded", f"restored, record {done.seq}"),
        ("missing", f"{missing} of the replaced database"),
        ("kept", done.kept_as or "there was no database"),
        (
            "next",
            "start the daemon; it verifies the bindings. sitebind vault status tells whether the vault's key fits",
        ),
    ):
        print("\n".join(labelled(label, text)))
