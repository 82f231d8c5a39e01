"""`sitebind resolve`: where an address or a group resolves, and why one that exists may resolve to nothing.

Asks the running daemon, which may remember the answer; when none runs, the directory is asked from this process.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote, urlencode

from daemon.cli.client import Client
from daemon.cli.exits import Exit, Failure
from daemon.cli.parser import Parser, add_json, add_url
from daemon.cli.place import client, existing_configuration, reading
from daemon.cli.terminal import Palette, counted, labelled, plain, span
from daemon.cli.which import is_absent, only, only_site

Resolution = dict[str, Any]
Item = dict[str, Any]

PATIENCE: Final = 300.0
_WIDE: Final = 14


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
    found = _by_the_daemon(args) or _alone(args)
    if args.json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        print("\n".join(for_a_person(found, palette=Palette())))
    return Exit.WELL if found.get("object") is not None else Exit.FAILED


def for_a_person(found: Resolution, *, palette: Palette) -> Iterator[str]:
    """The object, or the near misses; where the answer came from, and how long it took."""
    objects = found["objects"]
    if len(objects) > 1:
        yield palette.paint(f"{plain(found['wanted'])} is ambiguous: {len(objects)} objects.", "yellow")
    elif not objects:
        yield palette.paint(f"{plain(found['wanted'])} is not found.", "red")
    for item in objects:
        yield from _whole(item, palette)
    yield from _members(found, palette)
    for reason in found["reasons"]:
        yield from labelled("why", reason, column=_WIDE)
    if found["near"]:
        yield "Near misses:"
        yield from (_row(item, palette) for item in found["near"])
    yield from labelled("source", _source(found), column=_WIDE)


def _whole(item: Item, palette: Palette) -> Iterator[str]:
    yield f"{plain(item['kind'])} {palette.paint(plain(item['display_name']) or '(no name)', 'bold')}"
    yield from labelled("address", item["primary_address"] or "none", column=_WIDE)
    others = [address for address in item["addresses"] if address != item["primary_address"]]
    if others:
        yield from labelled("also", ", ".join(others), column=_WIDE)
    yield from labelled("id", item["id"], column=_WIDE)
    if marks := _marks(item):
        yield from labelled("note", ", ".join(marks), column=_WIDE)


def _members(found: Resolution, palette: Palette) -> Iterator[str]:
    members = found["members"]
    if members is None:
        return
    more = ", and there are more ([directory] members_limit)" if found["truncated"] else ""
    yield f"{counted(len(members), 'member')}{more}:"
    by_name = sorted(members, key=lambda item: (str(item["display_name"]).casefold(), str(item["primary_address"])))
    yield from (_row(item, palette) for item in by_name)


def _row(item: Item, palette: Palette) -> str:
    marks = f"  ({', '.join(_marks(item))})" if _marks(item) else ""
    name = plain(item["display_name"]) or "(no name)"
    return f"  {plain(item['kind']):<8}{plain(item['primary_address']) or '-':<36} {name}{palette.paint(marks, 'dim')}"


def _marks(item: Item) -> list[str]:
    """What keeps an object from being worked with."""
    said = (
        ("disabled", item["enabled"] is False),
        ("without a licence", item["licensed"] is False),
        ("not mail enabled", not item["mail_enabled"]),
    )
    return [words for words, holds in said if holds]


def _source(found: Resolution) -> str:
    took = f"{plain(found['source'])}, {found['seconds'] * 1000:.0f} ms"
    age = found["age_seconds"]
    return f"{took}, asked {span(age)} ago; --fresh asks anew" if age else took


def _by_the_daemon(args: argparse.Namespace) -> Resolution | None:
    """Ask the daemon; None when there is none to be found, which is said."""
    try:
        daemon = client(args)
        return _asked(daemon, args, site=args.site or only_site(daemon))
    except Failure as failure:
        if args.url or not is_absent(failure):
            raise
        print(f"sitebind: {failure.text}\nThe directory is asked from here.", file=sys.stderr)
        return None


def _asked(daemon: Client, args: argparse.Namespace, *, site: str) -> Resolution:
    query = {"address" if "@" in args.wanted else "group": args.wanted}
    query |= {name: "yes" for name in ("members", "fresh") if getattr(args, name)}
    path = f"/api/v1/sites/{quote(site, safe='')}/resolve?{urlencode(query)}"
    found = daemon.get(path, timeout=PATIENCE).body
    if not isinstance(found.get("objects"), list):
        raise Failure("The daemon's answer holds no objects: is it of another version?", Exit.INTERNAL)
    return found


def _alone(args: argparse.Namespace) -> Resolution:
    import asyncio

    from daemon.engine.operations import Lookup, RequestRefused
    from daemon.examination import resolve_alone
    from daemon.ports import ProviderFault

    found = reading(existing_configuration(args).absolute())
    site = args.site or only([known.id for known in found.sites])
    file = next((file for file in found.sites if file.id == site), None)
    if file is None or file.settings is None:
        raise Failure(f"The configuration of site {plain(site)} cannot be used: see sitebind check-config.", Exit.USAGE)
    lookup = Lookup(wanted=args.wanted, kind=None if "@" in args.wanted else "group", members=args.members)
    try:
        return asyncio.run(resolve_alone(file.settings, lookup))
    except RequestRefused as refused:
        raise Failure(refused.reason, Exit.USAGE) from None
    except ProviderFault as fault:
        raise Failure(f"{plain(fault.detail)}\n  {fault.fault.remedy}", Exit.FAILED) from None
