"""`sitebind backup`: a proven copy of the database, made while the daemon runs or while it is stopped."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from daemon.cli.audit_place import add_database, database
from daemon.cli.exits import Exit, Failure
from daemon.cli.parser import Parser, add_json, add_url
from daemon.cli.place import client
from daemon.cli.terminal import Palette, counted, labelled, plain
from daemon.cli.vault import actor

if TYPE_CHECKING:
    from daemon.ports import Backup

NOT_IN_IT: Final = (
    "the vault's key: without it the sealed keys in the backup open nothing (sitebind vault status says where it lies)",
    "the configuration: the INI files",
    "the secrets that the configuration refers to, and certificates",
)


def add(root: Parser) -> None:
    """Add the command."""
    parser = root.command(
        "backup",
        help="copy the database whole and prove the copy, also while the daemon runs",
        example="sitebind backup --output /var/backups/sitebind-$(date +%F).db\n\n"
        "It is recorded as backup_made: by the running daemon, for who may administer, or offline.\n"
        "The vault's key and the configuration are not in it: keep those elsewhere.\n"
        "exit code: 0 made and proven, 5 there is no backup",
        execute=_backup,
    )
    parser.add_argument(
        "--output", metavar="FILE", type=Path, help="must not exist yet; default: sitebind-TIME.db in this folder"
    )
    add_database(parser)
    add_url(parser)
    add_json(parser)


def _backup(args: argparse.Namespace) -> int:
    from daemon.ports import JournalUnavailable
    from daemon.store.copying import BackupRefused, copied
    from daemon.store.schema import SchemaRefused

    source, target = database(args), args.output or Path(f"sitebind-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.db")
    try:
        with copied(source, target) as backup:
            # Recorded first, in its place afterwards: no backup lies there of which the trail knows nothing.
            seq = _recorded(args, source, backup)
    except OSError as error:
        raise Failure(
            f"{target} cannot be written: {error.strerror or error}. There is no backup.", Exit.FAILED
        ) from None
    except (BackupRefused, JournalUnavailable, SchemaRefused) as error:
        raise Failure(f"There is no backup: {error}", Exit.FAILED) from None
    _tell(backup, seq, args)
    return Exit.WELL


def _recorded(args: argparse.Namespace, source: Path, backup: Backup) -> int:
    import asyncio

    from daemon.store.holder import DatabaseInUse

    if not args.url:
        try:
            return asyncio.run(_recorded_offline(source, backup))
        except DatabaseInUse:
            pass  # by the daemon, which is asked then
    body = client(args, administers=True).post("/api/v1/backups", asdict(backup), expected=(200,)).body
    return int(body["seq"])


async def _recorded_offline(source: Path, backup: Backup) -> int:
    """In the database itself, under the lock that the daemon would hold."""
    from daemon.engine.backups import record_backup
    from daemon.engine.operations import Caller, RequestRefused
    from daemon.store.journal import SqliteJournal

    journal = SqliteJournal(source)
    await journal.open()
    try:
        return await record_backup(journal, backup, caller=Caller(actor=actor()), at=datetime.now(UTC))
    except RequestRefused as error:
        raise Failure(f"There is no backup: {error.reason}", Exit.FAILED) from None
    finally:
        await journal.close()


def _tell(backup: Backup, seq: int, args: argparse.Namespace) -> None:
    if args.json:
        print(json.dumps({**asdict(backup), "recorded_as": seq, "not_in_it": list(NOT_IN_IT)}, indent=2))
        return
    print(Palette().paint(f"Made and proven: {plain(backup.file)}", "green"))
    for label, text in (
        ("in it", f"{counted(backup.records, 'record')}, head {backup.head}"),
        ("recorded", f"backup_made, record {seq}"),
        *(("not in it", text) for text in NOT_IN_IT),
    ):
        print("\n".join(labelled(label, text)))
