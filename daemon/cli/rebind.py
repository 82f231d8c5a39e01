"""`sitebind rebind`: ask for a bind, and on request watch its steps to the end."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from daemon.cli.client import Answer, Client
from daemon.cli.exits import Exit
from daemon.cli.parser import Parser, add_json, add_reason, add_site, add_url, seconds
from daemon.cli.place import client
from daemon.cli.steps import step_lines
from daemon.cli.terminal import Palette, plain

Bind = dict[str, Any]

PATIENCE: Final = 120.0
_LOOK_EVERY: Final = 0.25
_REASON: Final = "asked for with sitebind rebind"
_CODES: Final = {"succeeded": Exit.WELL, "failed": Exit.FAILED, "cancelled": Exit.FAILED, "open": Exit.NOT_BOUND}


def add(root: Parser) -> None:
    """Add the command."""
    parser = root.command(
        "rebind",
        help="ask for a bind now; a bind that is under way is joined",
        example='sitebind rebind --wait --reason "password changed"\n\n'
        "exit code with --wait: 0 succeeded, 5 failed or cancelled, 3 still open when the time was up",
        execute=execute,
    )
    add_site(parser)
    parser.add_argument(
        "--wait",
        nargs="?",
        type=seconds,
        const=PATIENCE,
        metavar="SECONDS",
        help=f"watch the bind to its end, for so long at most (default {PATIENCE:.0f})",
    )
    add_reason(parser)
    add_url(parser)
    add_json(parser)


def execute(args: argparse.Namespace) -> int:
    """Ask, and watch when that was wanted."""
    daemon = client(args)
    asked = daemon.post(_path(args.site), {"reason": args.reason or _REASON}, expected=(200, 202))
    if args.wait is None:
        _print_accepted(asked, as_json=args.json)
        return Exit.WELL
    return watch(daemon, asked, patience=args.wait, as_json=args.json)


def watch(daemon: Client, asked: Answer, *, patience: float, as_json: bool) -> int:
    """Watch the bind that was asked for, say how it ended, and give the exit code."""
    report = Report(Palette(), quiet=as_json)
    bind = Watch(daemon, report=report).until_ended(asked, patience=patience)
    if as_json:
        print(json.dumps(bind, indent=2, ensure_ascii=False))
    else:
        print("\n".join(report.ending(bind, patience=patience)))
    return _CODES.get(bind.get("state", ""), Exit.INTERNAL)


@dataclass(slots=True)
class Watch:
    """Looks at an open bind until it has ended or patience has."""

    daemon: Client
    report: Report
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep

    def until_ended(self, asked: Answer, *, patience: float) -> Bind:
        """The bind as it stood last; its steps are reported as they end."""
        bind, end = asked.body, self.clock() + patience
        where = urlsplit(asked.location).path or _path_of(bind)
        self.report.opening(bind)
        while True:
            self.report.steps(bind)
            left = end - self.clock()
            if bind.get("state") != "open" or left <= 0:
                return bind
            self.pause(min(_LOOK_EVERY, left))
            bind = self.daemon.get(where).body


class Report:
    """A bind's steps as lines, each printed once, when it has ended."""

    def __init__(self, palette: Palette, *, quiet: bool) -> None:
        self._palette = palette
        self._quiet = quiet
        self._shown = 0

    def opening(self, bind: Bind) -> None:
        """Say which bind is watched."""
        self._print([f"{plain(bind.get('site'))}: attempt {bind.get('attempt')}, bind {plain(bind.get('id'))}"])

    def steps(self, bind: Bind) -> None:
        """Print the steps that were not printed yet."""
        steps = bind.get("steps") or []
        for step in steps[self._shown :]:
            self._print(self.step(step))
        self._shown = max(self._shown, len(steps))

    def step(self, step: dict[str, Any]) -> Iterator[str]:
        """`passed   connect   0.31 s  detail`, with the remedy below."""
        yield from step_lines(step, self._palette, column=14)

    def ending(self, bind: Bind, *, patience: float) -> Iterator[str]:
        """How it ended, in one line or two."""
        state = plain(bind.get("state"))
        if state == "open":
            yield f"Still open after {patience:.0f} s; it goes on. Look again with: sitebind status"
        elif state == "succeeded":
            yield self._palette.paint("Succeeded: the site is bound.", "green")
        else:
            fault = f" ({_fault(bind)})" if bind.get("fault") else ""
            yield self._palette.paint(f"{state.capitalize()}{fault}.", "red")
            yield "An earlier binding, if one was held, is kept. See: sitebind status"

    def _print(self, lines: Iterator[str] | list[str]) -> None:
        if not self._quiet:
            print("\n".join(lines), flush=True)


def _path(site: str | None) -> str:
    return "/rebind" if site is None else f"/rebind?{urlencode({'site': site})}"


def _path_of(bind: Bind) -> str:
    site, bind_id = quote(str(bind.get("site")), safe=""), quote(str(bind.get("id")), safe="")
    return f"/api/v1/sites/{site}/binds/{bind_id}"


def _fault(bind: Bind) -> str:
    fault = bind.get("fault")
    return plain(fault.get("code") if isinstance(fault, dict) else fault)


def _print_accepted(asked: Answer, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asked.body, indent=2, ensure_ascii=False))
        return
    bind = asked.body
    print(f"{plain(bind.get('site'))}: bind {plain(bind.get('id'))} is under way (attempt {bind.get('attempt')}).")
    print("Watch it with: sitebind rebind --wait (joins it), or look with: sitebind status")
