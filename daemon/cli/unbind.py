"""`sitebind unbind`: end the association with the account, after asking, and say what is left behind."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from daemon.cli.client import Client
from daemon.cli.exits import Exit, Failure
from daemon.cli.parser import Parser, add_json, add_reason, add_site, add_url, seconds
from daemon.cli.place import client
from daemon.cli.terminal import Palette, counted, labelled, moment, plain

Site = dict[str, Any]

PATIENCE: Final = 120.0
_LONGEST: Final = 300.0
_REASON: Final = "asked for with sitebind unbind"
_LOCAL_ONLY: Final = (
    "is not told: the keys stay valid there until you end them in the Administration Console, and whoever has a copy "
    "of them can use them"
)
_REVOKED: Final = "the keys are revoked"
_APPLICATION: Final = (
    "has no call that ends an application's client id and secret: delete the application, or renew its secret, in the "
    "Administration Console"
)


def add(root: Parser) -> None:
    """Add the command."""
    parser = root.command(
        "unbind",
        help="end the association: revoke the keys at Mimecast, then wipe them here",
        example='sitebind unbind --reason "the server is retired"\n\n'
        "Afterwards nothing binds by itself until somebody asks: sitebind rebind, or sitebind bind.\n"
        "exit code: 0 unbound, 5 failed (the keys are kept), 3 still under way when the time was up, 6 not allowed",
        execute=execute,
    )
    add_site(parser)
    parser.add_argument(
        "--local-only", action="store_true", help="do not ask Mimecast: only wipe the keys here, and say what is left"
    )
    add_reason(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    parser.add_argument(
        "--wait",
        type=seconds,
        default=PATIENCE,
        metavar="SECONDS",
        help=f"wait for the end for so long at most, 300 at most (default {PATIENCE:.0f})",
    )
    add_url(parser)
    add_json(parser)


def execute(args: argparse.Namespace) -> int:
    """Say what will be revoked, ask, do it, and say what became of it."""
    daemon = client(args, administers=True)
    site = _site(daemon, args.site)
    if not args.yes:
        _confirm(site, local_only=args.local_only)
    wait = min(args.wait, _LONGEST)
    path = f"/api/v1/sites/{quote(str(site.get('id')), safe='')}/unbind?wait={wait:.3f}"
    order = {"reason": args.reason or _REASON, "local_only": args.local_only}
    after = daemon.post(path, order, timeout=wait + 30, expected=(200, 202)).body
    if args.json:
        print(json.dumps(after, indent=2, ensure_ascii=False))
    else:
        print("\n".join(ending(after, palette=Palette())))
    return _code(after)


def ending(site: Site, *, palette: Palette) -> Iterator[str]:
    """What became of it, what is left behind, and what to do next."""
    name, problems = plain(site.get("id")), {problem.get("code"): problem for problem in site.get("problems") or []}
    if "unbind-pending" in problems:
        yield f"{name}: the unbind is still under way; it goes on. Look again with: sitebind status"
    elif site.get("binding") is None:
        yield palette.paint(f"{name}: unbound. The keys of this binding are wiped here.", "green")
        _, _, left = str(site.get("reason") or "").partition("; ")
        if left:
            yield from labelled("left", left)
    else:
        yield palette.paint(f"{name}: not unbound; the keys are kept.", "red")
    for code in ("unbind-failed", "keys-not-wiped", "revoke-pending"):
        if code in problems:
            yield from labelled("", f"{problems[code].get('text')} → {problems[code].get('remedy')}")


def _code(site: Site) -> Exit:
    codes = {problem.get("code") for problem in site.get("problems") or []}
    if "unbind-pending" in codes:
        return Exit.NOT_BOUND
    return Exit.WELL if site.get("binding") is None else Exit.FAILED


def _site(daemon: Client, named: str | None) -> Site:
    """The site that is meant, which holds a binding."""
    if named is not None:
        site = daemon.get(f"/api/v1/sites/{quote(named, safe='')}").body
    else:
        sites: list[Site] = daemon.get("/api/v1/sites").body.get("sites") or []
        if len(sites) != 1:
            raise Failure(
                f"There are {counted(len(sites), 'site')}; name the one to unbind: sitebind unbind SITE", Exit.USAGE
            )
        site = sites[0]
    if site.get("binding") is None:
        raise Failure(f"{plain(site.get('id'))} holds no binding: there is nothing to unbind.", Exit.USAGE)
    return site


def _confirm(site: Site, *, local_only: bool) -> None:
    if not sys.stdin.isatty():
        raise Failure("This asks for confirmation, and there is no terminal to ask on. Say it with --yes.", Exit.USAGE)
    print("\n".join(_what(site, local_only=local_only)), file=sys.stderr)
    print("Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise Failure("Nothing was done.", Exit.USAGE)


def _what(site: Site, *, local_only: bool) -> Iterator[str]:
    """What would be ended, and what that means."""
    binding, now = site["binding"], datetime.now(UTC)
    there = _LOCAL_ONLY if local_only else _APPLICATION if binding.get("method") == "application" else _REVOKED
    yield f"This ends the binding of site {plain(site.get('id'))}:"
    yield from labelled("account", f"{binding.get('account_code')} ({site.get('company') or 'company unknown'})")
    yield from labelled("keys", f"of {binding.get('method')}, bound {moment(binding.get('bound_at'), now=now)}")
    yield from labelled("Mimecast", there)
    yield from labelled("here", "the stored keys are wiped, and nothing binds by itself until somebody asks")
