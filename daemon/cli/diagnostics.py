"""`sitebind diagnostics`: one archive for a support case, without any value that could be a secret.

Asks the running daemon; when none answers, the archive holds what can be had without it.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from daemon.cli.bundle import Bundle, bundled
from daemon.cli.client import Client
from daemon.cli.exits import Exit, Failure
from daemon.cli.parser import Parser, add_url
from daemon.cli.place import client, configuration
from daemon.cli.terminal import counted, plain
from daemon.cli.which import is_absent

_ABOUT: Final = {
    "look_through_it": "Look through every file before you send it: it describes your installation.",
    "kept": "E-mail addresses, host names, account codes, file names, the names of callers and the reasons that people "
    "typed are in it: without them a case cannot be understood.",
    "left_out_always": "Values of secrets, keys and tokens; the vault and its key; of the configuration every value "
    "except valid choices, flags, numbers and durations, and the words of its findings, which may quote a mistyped "
    "value (sitebind check-config prints them).",
    "beware": "Audit records, log and problems of a site are as the daemon wrote them. They hold no secret that stands "
    "in its place, but may quote one that somebody typed into an option of another kind, or into a reason.",
}


def add(root: Parser) -> None:
    """Add the command."""
    parser = root.command(
        "diagnostics",
        help="write an archive for a support case: versions, states, reports, log; no value of a secret",
        example="sitebind diagnostics --output case-4711.tar.gz\n\n"
        "The log and what an administrator may see are in it when you may administer (root, or a token).\n"
        "exit code: 0 written, whatever could be had; the file says what is left out and why",
        execute=execute,
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        help="replaced when it exists; default: sitebind-diagnostics-TIME.tar.gz in this folder",
    )
    parser.add_argument("--site", metavar="SITE", help="only this site; default: all")
    parser.add_argument("--no-doctor", action="store_true", help="do not let the doctor examine each site")
    add_url(parser)


def execute(args: argparse.Namespace) -> int:
    """Put the archive together and name it."""
    made_at = datetime.now(UTC)
    path: Path = args.output or Path(f"sitebind-diagnostics-{made_at:%Y%m%dT%H%M%SZ}.tar.gz")
    with bundled(path, made_at) as bundle:
        _fill(bundle, args)
    for part in bundle.left_out:
        print(f"left out: {plain(part['file'])}: {plain(part['why'])}", file=sys.stderr)
    print(f"{counted(len(bundle.parts), 'part')} written to {path}; only you can read it.")
    print(
        "It holds e-mail addresses and host names, and of the configuration no secret. What somebody typed in the wrong"
    )
    print(f"place may stand in the records and the log. {_look(path)}")
    return Exit.WELL


def _look(path: Path) -> str:
    return f"Look through it before you send it: tar -xzOf {path} | less"


def _fill(bundle: Bundle, args: argparse.Namespace) -> None:
    from daemon.cli import diagnostics_parts as parts

    config = _configured(bundle, args)
    parts.add_versions(bundle)
    if config is not None:
        parts.add_configuration(bundle, config)
    daemon, why = _reached(args)
    if daemon is None:
        parts.add_alone(bundle, config, site=args.site)
    else:
        parts.add_daemon(bundle, daemon, site=args.site, doctor=not args.no_doctor)
    bundle.finish(_about(bundle, args, why))


def _about(bundle: Bundle, args: argparse.Namespace, why: str) -> dict[str, Any]:
    whom = why or "a daemon answered"
    return {"made_at": bundle.made_at.isoformat(), "site": args.site, "daemon": whom, **_ABOUT}


def _configured(bundle: Bundle, args: argparse.Namespace) -> Path | None:
    """The configuration of this host; with `--url` alone the daemon may be anywhere, and none is taken for its own."""
    if args.url and getattr(args, "config", None) is None:
        bundle.without("configuration.json", "--url was given without --config")
        return None
    try:
        return configuration(args)
    except Failure as failure:
        bundle.without("configuration.json", failure.text)
        return None


def _reached(args: argparse.Namespace) -> tuple[Client | None, str]:
    """The daemon, or why there is none. Raises `Failure` where one was named with `--url` and does not answer."""
    try:
        daemon = client(args, administers=True)
        daemon.get("/-/healthy", expected=(200, 503))
    except Failure as failure:
        if args.url or not (is_absent(failure) or failure.code is Exit.USAGE):
            raise
        return None, failure.text
    return daemon, ""
