"""`sitebind resolve`: where an address or a group resolves, and why one that exists may resolve to nothing.

Asks the running daemon, which may remember the answer; when none runs, the directory is asked from this process.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlencode

from daemon.cli.client import BROKE_OFF, Client
from daemon.cli.exits import Exit, Failure
from daemon.cli.parser import Parser, add_json, add_url
from daemon.cli.place import client, existing_configuration, reading
from daemon.cli.resolution import NO_OBJECTS, Shown
from daemon.cli.terminal import Palette, plain
from daemon.cli.which import is_absent, only, only_site

Resolution = dict[str, Any]
Ask = Callable[[Client, str], Resolution]

PATIENCE: Final = 300.0


def add(root: Parser) -> None:
    """Add the command."""
    parser = root.command(
        "resolve",
        help="look an address or a group up in the directory that the configuration names",
        example="sitebind resolve ada@example.com\n  sitebind resolve 'All Staff' --members\n\n"
        "Without a running daemon the directory is asked from here.\n"
        "exit code: 0 found, 5 not found or ambiguous",
        execute=execute,
    )
    parser.add_argument("wanted", metavar="ADDRESS|GROUP", help="an e-mail address, a group's name, a DN or an id")
    parser.add_argument("--members", action="store_true", help="list a group's members, also through groups inside it")
    parser.add_argument("--fresh", action="store_true", help="ask the directory, whatever the daemon remembers")
    parser.add_argument("--site", metavar="SITE", help="which site; not needed when there is only one")
    add_url(parser)
    add_json(parser)


def execute(args: argparse.Namespace) -> int:
    """Look up, print, and answer whether one object was found."""
    if args.json:
        found = _by_the_daemon(args, _in_one_piece) or _alone(args)
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return Exit.WELL if found.get("object") is not None else Exit.FAILED
    shown = Shown(Palette(), say=print)
    if _by_the_daemon(args, partial(_as_it_comes, shown=shown)) is None:
        _alone(args, shown=shown)
    if not shown.ended:
        raise Failure(f"{BROKE_OFF}. Ask again.", Exit.FAILED)
    return Exit.WELL if shown.one_was_found else Exit.FAILED


def _by_the_daemon(args: argparse.Namespace, ask: Ask) -> Resolution | None:
    """Ask the daemon; None when there is none to be found, which is said."""
    try:
        daemon = client(args)
        return ask(daemon, _path(args, site=args.site or only_site(daemon)))
    except Failure as failure:
        if args.url or not is_absent(failure):
            raise
        print(f"sitebind: {failure.text}\nThe directory is asked from here.", file=sys.stderr)
        return None


def _path(args: argparse.Namespace, *, site: str) -> str:
    query = {"address" if "@" in args.wanted else "group": args.wanted}
    query |= {name: "yes" for name in ("members", "fresh") if getattr(args, name)}
    return f"/api/v1/sites/{quote(site, safe='')}/resolve?{urlencode(query)}"


def _in_one_piece(daemon: Client, path: str) -> Resolution:
    found = daemon.get(path, timeout=PATIENCE).body
    if not isinstance(found.get("objects"), list):
        raise Failure(NO_OBJECTS, Exit.INTERNAL)
    return found


def _as_it_comes(daemon: Client, path: str, *, shown: Shown) -> Resolution:
    line: Resolution = {}
    for line in daemon.lines(path, timeout=PATIENCE):
        shown.take(line)
    return line


def _alone(args: argparse.Namespace, *, shown: Shown | None = None) -> Resolution:
    """Ask from this process: in one piece, or with `shown` told of everything as it comes."""
    import asyncio

    from daemon.engine.operations import Lookup, RequestRefused
    from daemon.examination import resolve_alone, unfold_alone
    from daemon.ports import ProviderFault

    found = reading(existing_configuration(args).absolute())
    site = args.site or only([known.id for known in found.sites])
    file = next((file for file in found.sites if file.id == site), None)
    if file is None or file.settings is None:
        raise Failure(f"The configuration of site {plain(site)} cannot be used: see sitebind check-config.", Exit.USAGE)
    lookup = Lookup(wanted=args.wanted, kind=None if "@" in args.wanted else "group", members=args.members)
    try:
        if shown is None:
            return asyncio.run(resolve_alone(file.settings, lookup))
        asyncio.run(unfold_alone(file.settings, lookup, tell=shown.take))
        return {}
    except RequestRefused as refused:
        raise Failure(refused.reason, Exit.USAGE) from None
    except ProviderFault as fault:
        raise Failure(f"{plain(fault.detail)}\n  {fault.fault.remedy}", Exit.FAILED) from None
