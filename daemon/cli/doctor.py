"""`sitebind doctor`: every layer between this server and a working binding, and the one that fails.

Asks the running daemon; when none runs, the configuration alone is examined in this process.
"""

from __future__ import annotations

import argparse
import json
import os
import pwd
import sys
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

from daemon.cli.exits import Exit, Failure
from daemon.cli.parser import Parser, add_json, add_site, add_url
from daemon.cli.place import client, existing_configuration, reading
from daemon.cli.steps import step_lines
from daemon.cli.terminal import Palette, plain
from daemon.cli.which import is_absent, only, only_site

Layer = dict[str, Any]

PATIENCE: Final = 300.0
"""Seconds: each layer has a limit of its own, and a slow one is to be reported by the daemon, not by us."""


def add(root: Parser) -> None:
    """Add the command."""
    parser = root.command(
        "doctor",
        help="find out why a site cannot bind: examine every layer from here to the service, without touching the "
        "binding",
        example="sitebind doctor --config /etc/sitebind/config.ini\n\n"
        "Without a running daemon the configuration alone is examined.\n"
        "exit code: 0 no check failed, 5 one did",
        execute=execute,
    )
    add_site(parser)
    parser.add_argument(
        "--sign-in",
        action="store_true",
        help="also make a real login and log out again; never with a sign-in that was refused before",
    )
    add_url(parser)
    add_json(parser)


def execute(args: argparse.Namespace) -> int:
    """Examine, print, and answer whether a check failed."""
    site, layers = _by_the_daemon(args) or _alone(args)
    if args.json:
        print(json.dumps({"layers": layers}, indent=2, ensure_ascii=False))
    else:
        print("\n".join(for_a_person(site, layers, palette=Palette())))
    return Exit.FAILED if any(layer.get("status") == "failed" for layer in layers) else Exit.WELL


def for_a_person(site: str, layers: list[Layer], *, palette: Palette) -> Iterator[str]:
    """A line for each layer, and the verdict."""
    yield f"{plain(site)}: from this server to a working binding"
    column = 2 + max(len(plain(layer.get("step"))) for layer in layers)
    for layer in layers:
        yield from step_lines(layer, palette, column=column)
    failed = [layer for layer in layers if layer.get("status") == "failed"]
    if failed:
        yield palette.paint(f"It fails at: {plain(failed[0].get('step'))}.", "red")
    elif any(layer.get("status") == "warning" for layer in layers):
        yield palette.paint("No check failed; see the warnings.", "yellow")
    else:
        yield palette.paint("No check failed.", "green")


def _by_the_daemon(args: argparse.Namespace) -> tuple[str, list[Layer]] | None:
    """Ask the daemon; None when there is none to be found, which is said."""
    try:
        daemon = client(args)
        site = args.site or only_site(daemon)
        path = f"/api/v1/sites/{quote(site, safe='')}/doctor"
        layers = daemon.post(path, {"sign_in": True} if args.sign_in else {}, timeout=PATIENCE).body.get("layers")
    except Failure as failure:
        if args.url or not is_absent(failure):
            raise
        print(f"sitebind: {failure.text}\nThe configuration alone is examined.", file=sys.stderr)
        return None
    if not isinstance(layers, list) or not layers:
        raise Failure("The daemon's answer holds no layers: is it of another version?", Exit.INTERNAL)
    return site, layers


def _alone(args: argparse.Namespace) -> tuple[str, list[Layer]]:
    import asyncio
    import dataclasses

    from daemon.examination import examine_alone

    found = reading(existing_configuration(args).absolute())
    site = args.site or only([file.id for file in found.sites])
    file = next((file for file in found.sites if file.id == site), None)
    if file is None:
        known = ", ".join(plain(known.id) for known in found.sites)
        raise Failure(f"The configuration holds no site {plain(site)}; it holds: {known or 'none'}.", Exit.USAGE)
    actor = f"cli:{_user()}"
    steps = asyncio.run(examine_alone(found, file, actor=actor, sign_in=args.sign_in))
    return site, [dataclasses.asdict(step) for step in steps]


def _user() -> str:
    """Who runs this command, for the audit trail."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
