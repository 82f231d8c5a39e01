"""`sitebind reload`: read the configuration again now, and say for each option what became of it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any, Final

from daemon.cli.exits import Exit
from daemon.cli.parser import Parser, add_json, add_url
from daemon.cli.place import client
from daemon.cli.terminal import Palette, plain

_WORDS: Final = {
    "applied": "applied",
    "rebind": "applied; the site binds again with it",
    "needs_restart": "needs a restart of the daemon",
}


def add(root: Parser) -> None:
    """Add the command."""
    parser = root.command(
        "reload",
        help="read the configuration again and say what was applied, what needs a restart, what was rejected",
        example="sitebind reload\n\nexit code: 0 applied or unchanged, 5 rejected (the last good settings stay)",
        execute=execute,
    )
    add_url(parser)
    add_json(parser)


def execute(args: argparse.Namespace) -> int:
    """Ask for the reload, which has happened when the answer comes."""
    # Thousands of files take their time to be read, and a rejected reload is an answer, not an error.
    answer = client(args).post("/-/reload", {}, timeout=120.0, expected=(200, 422)).body
    if args.json:
        print(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        print("\n".join(for_a_person(answer, palette=Palette())))
    return Exit.FAILED if answer.get("outcome") == "rejected" else Exit.WELL


def for_a_person(answer: dict[str, Any], *, palette: Palette) -> Iterator[str]:
    """The outcome, a line for each option that differs, and every finding."""
    changes, findings = answer.get("changes") or [], answer.get("findings") or []
    yield _headline(answer, len(changes), palette)
    named = [_option(change) for change in changes]
    wide = max(map(len, named), default=0)
    for name, change in zip(named, changes, strict=True):
        result = str(change.get("result"))
        yield f"  {name.ljust(wide)}  {_WORDS.get(result, plain(result))}"
    yield from (f"  {plain(finding)}" for finding in findings)


def _headline(answer: dict[str, Any], changes: int, palette: Palette) -> str:
    match answer.get("outcome"):
        case "rejected":
            others = " Options of other, good files were applied:" if changes else ""
            return palette.paint(f"Rejected: the last good settings stay in force.{others}", "red")
        case "unchanged":
            since = answer.get("in_force_since")
            # The daemon watches its files: who saves and then asks comes second.
            known = f" since {plain(since)}; a saved file is applied by itself" if since else ""
            return f"Unchanged: the configuration says what is in force already{known}."
        case _:
            return palette.paint("Applied.", "green")


def _option(change: dict[str, Any]) -> str:
    site = f"{plain(change['site'])}: " if change.get("site") else ""
    return f"{site}[{plain(change.get('section'))}] {plain(change.get('option'))}"
