"""`sitebind audit key` and `audit checkpoint`: the key that signs what the trail held, and a checkpoint at once."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.cli.audit_place import add_database, database, readable
from daemon.cli.exits import Exit, Failure
from daemon.cli.parser import Parser, add_json
from daemon.cli.place import daemon_settings, existing_configuration

if TYPE_CHECKING:
    from daemon.config.model import DaemonSettings
    from daemon.ports import Secret
    from daemon.store.signing import PublicKey, SigningKey


def add(audit: Parser) -> None:
    """Add both commands to `sitebind audit`."""
    key = audit.command(
        "key",
        help="make the key that signs checkpoints and what is pruned, or print its public half",
        example="sitebind audit key --new /etc/sitebind/checkpoint.key > checkpoint-public.pem\n"
        "  sitebind audit key --public > checkpoint-public.pem\n\n"
        "The public key goes to whoever verifies, on another way than the database.",
        execute=_key,
    )
    which = key.add_mutually_exclusive_group(required=True)
    which.add_argument("--new", metavar="PATH", type=Path, help="make one there, for its owner only; never overwrites")
    which.add_argument("--public", action="store_true", help="print the public half of [daemon] checkpoint_key")
    add_json(key)
    now = audit.command(
        "checkpoint",
        help="sign where the trail ends now and append that to [daemon] checkpoint_file; also while the daemon runs",
        example="sitebind audit checkpoint\n  sitebind audit checkpoint --output /media/usb/checkpoints.jsonl\n\n"
        "exit code: 0 written, 5 not written",
        execute=_checkpoint,
    )
    now.add_argument("--output", metavar="FILE", type=Path, help="default: [daemon] checkpoint_file")
    add_database(now)
    add_json(now)


def _key(args: argparse.Namespace) -> int:
    public = _made(args.new) if args.new is not None else _configured(_settings(args)).public
    if args.json:
        print(json.dumps({"public_key": public.pem, "fingerprint": public.fingerprint}, indent=2))
        return Exit.WELL
    print(public.pem, end="")
    print(f"fingerprint: {public.fingerprint}", file=sys.stderr)
    if args.new is not None:
        print(
            f"The private key is in {args.new}: let the daemon's user read it, and nobody else. "
            f"Set [daemon] checkpoint_key = file:{args.new.absolute()}",
            file=sys.stderr,
        )
    return Exit.WELL


def _made(path: Path) -> PublicKey:
    from daemon.store.signing import make_key

    try:
        return make_key(path)
    except FileExistsError:
        raise Failure(f"{path} exists already, and no key is overwritten. Name another file.", Exit.USAGE) from None
    except OSError as error:
        raise Failure(f"{path} cannot be made: {error.strerror or error}.", Exit.FAILED) from None


def _settings(args: argparse.Namespace) -> DaemonSettings:
    return daemon_settings(existing_configuration(args), otherwise="Mend them first.")


def _secret(settings: DaemonSettings) -> Secret:
    from daemon.config.secrets import SecretUnreadable, resolve_now

    if settings.checkpoint_key is None:
        raise Failure("[daemon] checkpoint_key is not set. `sitebind audit key --new PATH` makes a key.", Exit.USAGE)
    try:
        return resolve_now(settings.checkpoint_key)
    except SecretUnreadable as error:
        raise Failure(f"[daemon] checkpoint_key: {error}.", Exit.USAGE) from None


def _configured(settings: DaemonSettings) -> SigningKey:
    from daemon.store.signing import SigningKey, UnusableKey

    try:
        return SigningKey.from_pem(_secret(settings).reveal())
    except UnusableKey as error:
        raise Failure(f"[daemon] checkpoint_key {error}.", Exit.USAGE) from None


def _checkpoint(args: argparse.Namespace) -> int:
    from daemon.audit_ports import SealingFailed
    from daemon.store.audit import end_of_file
    from daemon.store.checkpoints import append, checkpoint
    from daemon.store.signing import line

    settings = _settings(args)
    target: Path | None = args.output or settings.checkpoint_file
    if target is None:
        raise Failure("[daemon] checkpoint_file is not set. Name a file with --output FILE.", Exit.USAGE)
    with readable():
        head, records = end_of_file(database(args))
    if not records:
        raise Failure("The trail has no record yet: there is nothing to sign.", Exit.FAILED)
    try:
        seal = checkpoint(head, records=records, key=_secret(settings), at=datetime.now(UTC))
        append(target, seal)
    except SealingFailed as error:
        raise Failure(f"{error}. {error.remedy}", Exit.USAGE) from None
    except OSError as error:
        raise Failure(f"{target} cannot be written: {error.strerror or error}.", Exit.FAILED) from None
    print(line(seal) if args.json else f"Record {seal.seq} is signed in {target}.\n  Head: {seal.hash}")
    return Exit.WELL
