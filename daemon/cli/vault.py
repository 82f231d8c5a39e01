"""`sitebind vault`: how the vault's key stands, and another key for it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.cli.exits import Exit, Failure
from daemon.cli.parser import Parser, add_json, add_url
from daemon.cli.place import client, daemon_settings, existing_configuration
from daemon.cli.terminal import Palette, counted, labelled, plain

if TYPE_CHECKING:
    from daemon.config.model import DaemonSettings, SecretSource
    from daemon.ports import Rekeyed, Secret
    from daemon.store.journal import SqliteJournal
    from daemon.store.vault_status import VaultStatus


def add(root: Parser) -> None:
    """Add the command with its own commands."""
    parser = root.command(
        "vault",
        help="the sealed keys: show how their vault stands, or seal them with another key",
        example="sitebind vault status\n  sitebind vault rekey",
    )
    parser.set_defaults(execute=lambda _args: _say_which(parser))
    status = parser.command(
        "status",
        help="show which key the vault has, whether it fits, and how much is sealed; works without the daemon",
        example="sitebind vault status\n\nexit code: 0 the key fits, 5 it does not",
        execute=_status,
    )
    add_json(status)
    rekey = parser.command(
        "rekey",
        help="seal every record with another key; through the daemon, or in the database while it is stopped",
        example="sitebind vault rekey\n  sitebind vault rekey --new-key file:/etc/sitebind/vault-key\n"
        "  sitebind vault rekey --old-key file:/root/old-vault-key\n\n"
        "Bindings stay as they are. Backups made before need the key of then.\n"
        "exit code: 0 done, 2 the vault is locked or the key cannot be used",
        execute=_rekey,
    )
    rekey.add_argument(
        "--new-key",
        metavar="REFERENCE",
        help="file:PATH, credential:NAME or env:NAME that holds the new key: 32 bytes in base64, or a passphrase; "
        "default: a new key file",
    )
    rekey.add_argument(
        "--old-key",
        metavar="REFERENCE",
        help="where the old key lies when the configuration names the new one already; the daemon must be stopped",
    )
    add_url(rekey)
    add_json(rekey)


def _say_which(parser: Parser) -> int:
    parser.print_help(sys.stderr)
    return Exit.USAGE


def _settings(args: argparse.Namespace) -> DaemonSettings:
    settings = daemon_settings(existing_configuration(args), otherwise="Mend them first.")
    if not settings.database.is_file():
        raise Failure(
            f"{settings.database}: there is no such database. It is made when the daemon first runs.", Exit.USAGE
        )
    return settings


def _status(args: argparse.Namespace) -> int:
    from daemon.ports import JournalUnavailable
    from daemon.store.vault_status import status_of

    settings = _settings(args)
    key, locked = _resolved(settings.vault_key)
    source = "" if settings.vault_key is None else f"[daemon] vault_key = {settings.vault_key}"
    try:
        found = status_of(settings.database, key=key, source=source, locked=locked)
    except JournalUnavailable as error:
        raise Failure(str(error), Exit.FAILED) from None
    if args.json:
        print(json.dumps({"database": str(settings.database), **asdict(found)}, indent=2))
    else:
        print("\n".join(_lines(found, settings.database, Palette())))
    return Exit.FAILED if found.problem else Exit.WELL


def _lines(found: VaultStatus, database: Path, palette: Palette) -> Iterator[str]:
    if found.problem:
        yield palette.paint("Locked: the sealed keys cannot be opened.", "red")
        yield from labelled("why", found.problem)
    else:
        yield palette.paint("Open: the key fits.", "green")
    yield from labelled("database", str(database))
    yield from labelled("key", f"{found.source}, id {found.found or 'unknown'}")
    count = sum(found.sealed.values())
    yield from labelled("sealed", f"{counted(count, 'record')} of {counted(len(found.sealed), 'site')}")
    if found.other_key:
        yield from labelled("", f"{counted(found.other_key, 'record')} sealed with another key: rebind those sites")
    yield from labelled("last rekey", found.last_rekey or "never")


def _rekey(args: argparse.Namespace) -> int:
    if args.url:
        return _tell(_through_the_daemon(args), args)
    import asyncio

    from daemon.ports import JournalUnavailable
    from daemon.store.holder import DatabaseInUse
    from daemon.store.schema import SchemaRefused

    settings = _settings(args)
    try:
        done = asyncio.run(_offline(args, settings))
    except DatabaseInUse as error:
        if args.old_key is not None:
            raise Failure(f"--old-key works only while the daemon is stopped: {error}", Exit.USAGE) from None
        done = _through_the_daemon(args)
    except (JournalUnavailable, SchemaRefused) as error:
        raise Failure(str(error), Exit.FAILED) from None
    return _tell(done, args)


def _through_the_daemon(args: argparse.Namespace) -> dict[str, Any]:
    order: dict[str, Any] = {}
    if args.new_key is not None:
        source = _reference(args.new_key, "--new-key")
        # The daemon has a working folder of its own: a path is made whole here.
        order["new_key"] = f"{source.kind}:{source.where}"
    return client(args, administers=True).post("/api/v1/vault/rekey", order, timeout=120.0, expected=(200,)).body


async def _offline(args: argparse.Namespace, settings: DaemonSettings) -> dict[str, Any]:
    """In the database itself, under the lock that the daemon would hold."""
    from daemon.ports import VaultLocked
    from daemon.store.journal import SqliteJournal

    journal = SqliteJournal(settings.database)
    await journal.open()
    try:
        done = await _rekeyed(args, settings, journal)
    except VaultLocked as error:
        raise Failure(str(error), Exit.USAGE) from None
    finally:
        await journal.close()
    return {
        "records": done.records,
        "old_key": done.old_key,
        "new_key": done.new_key,
        "not_opened": list(done.left),
        "notes": list(done.late),
    }


async def _rekeyed(args: argparse.Namespace, settings: DaemonSettings, journal: SqliteJournal) -> Rekeyed:
    from daemon.store.vault import SealedVault

    present = settings.vault_key if args.old_key is None else _reference(args.old_key, "--old-key")
    wanted = _wanted(args, settings)
    key, locked = _resolved(present)
    to, unreadable = _resolved(wanted)
    if unreadable:
        raise Failure(unreadable, Exit.USAGE)
    vault = SealedVault(journal, key=key, locked=locked)
    await vault.open()
    return await vault.rekey(actor=actor(), at=datetime.now(UTC), to=to, source="" if wanted is None else str(wanted))


def _wanted(args: argparse.Namespace, settings: DaemonSettings) -> SecretSource | None:
    """Where the new key lies; None for a new key file."""
    if args.new_key is not None:
        return _reference(args.new_key, "--new-key")
    if args.old_key is not None:
        return settings.vault_key
    if settings.vault_key is not None:
        raise Failure(
            f"The vault's key comes from [daemon] vault_key ({settings.vault_key}), where sitebind does not write.\n"
            "  Put a new key somewhere: (umask 277; openssl rand -base64 32 > /etc/sitebind/vault-key.new)\n"
            "  Then: sitebind vault rekey --new-key file:/etc/sitebind/vault-key.new\n"
            "  and name that file in [daemon] vault_key.",
            Exit.USAGE,
        )
    return None


def _reference(text: str, option: str) -> SecretSource:
    from daemon.config.problems import BadValue
    from daemon.config.values import secret_source

    try:
        source = secret_source(text, Path.cwd())
    except BadValue as error:
        raise Failure(f"{option}: {error}", Exit.USAGE) from None
    if source.kind not in {"file", "credential", "env"}:
        # Not repeated: it may be the key itself.
        raise Failure(f"{option}: expected file:PATH, credential:NAME or env:NAME, and never the key.", Exit.USAGE)
    return source


def _resolved(source: SecretSource | None) -> tuple[Secret | None, str]:
    """The secret, or why it cannot be had."""
    if source is None:
        return None, ""
    from daemon.config.secrets import SecretUnreadable, resolve_now

    try:
        return resolve_now(source), ""
    except SecretUnreadable as error:
        return None, str(error)


def actor() -> str:
    """Who works on the database, for the audit trail."""
    import pwd

    try:
        return f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"cli:uid={os.getuid()}"


def _tell(done: dict[str, Any], args: argparse.Namespace) -> int:
    if args.json:
        print(json.dumps(done, indent=2, ensure_ascii=False))
        return Exit.WELL
    said = f"Done: {counted(int(done.get('records') or 0), 'record')} sealed with key {plain(done.get('new_key'))}."
    print(Palette().paint(said, "green"))
    lines = [f"The old key {plain(done.get('old_key'))} opens nothing here; backups made before need it."]
    if done.get("not_opened"):
        lines.append(f"These did not open before either, rebind their sites: {', '.join(done['not_opened'])}")
    for line in (*lines, *(done.get("notes") or [])):
        print("\n".join(labelled("", line, column=0)))
    if args.new_key is not None:  # whole, to be copied
        print(f"  Before the next start set [daemon] vault_key = {plain(args.new_key)}")
    return Exit.WELL
