"""The command line as argparse sees it: the options that commands share, and a did-you-mean.

Nothing heavy is imported here or at the top of the commands' modules: `sitebind --help` must be quick.
"""

from __future__ import annotations

import argparse
import difflib
import math
import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from daemon.cli.exits import Exit

Execute = Callable[[argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
    """A parser whose commands carry an example, and which says the nearest word when a command does not exist."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
        self._commands: argparse._SubParsersAction[Parser] | None = None
        # What was not said after the command must not overwrite what was said before it.
        self.add_argument(
            "--config",
            metavar="PATH",
            default=argparse.SUPPRESS,
            help="configuration file, or a folder with one file for each site; default: $SITEBIND_CONFIG, "
            "./config.ini, /etc/sitebind/config.ini",
        )

    def command(self, name: str, *, help: str, example: str, execute: Execute | None = None) -> Parser:
        """Add a command of this one. `help` is a phrase without a full stop."""
        if self._commands is None:
            self._commands = self.add_subparsers(metavar="COMMAND", title="commands")
        parser = self._commands.add_parser(
            name, help=help, description=f"{help[0].upper()}{help[1:]}.", epilog=f"example:\n  {example}"
        )
        if execute is not None:
            parser.set_defaults(execute=execute)
        return parser

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where to read more, and leave with the exit code for wrong usage."""
        wrong = re.search(r"invalid choice: '([^']*)'", message)
        if wrong and self._commands is not None:
            message = f"there is no command {wrong[1]!r}; {nearest(wrong[1], self._commands.choices)}"
        self.exit(Exit.USAGE, f"sitebind: {message}\nTry: {self.prog} --help\n")


def nearest(word: str, known: Iterable[str]) -> str:
    """`did you mean "status"?`, or the whole list where nothing is near."""
    words = list(known)
    near = difflib.get_close_matches(word, words, n=1)
    return f'did you mean "{near[0]}"?' if near else f"there are: {', '.join(words)}."


def add_url(parser: argparse.ArgumentParser) -> None:
    """`--url`, for the commands that ask the running daemon."""
    parser.add_argument(
        "--url",
        metavar="URL",
        help="the daemon's address, http://HOST:PORT or unix:PATH; default: [daemon] socket of the configuration where "
        "this user may write to it, else [daemon] listen. A token is taken from "
        "$SITEBIND_TOKEN, else from [daemon] api_token of the configuration",
    )


def add_site(parser: argparse.ArgumentParser) -> None:
    """`SITE`, for the commands that mean exactly one."""
    parser.add_argument("site", nargs="?", metavar="SITE", help="which site; not needed when there is only one")


def add_reason(parser: argparse.ArgumentParser) -> None:
    """`--reason`, for the commands that change something."""
    parser.add_argument("--reason", metavar="TEXT", help="why; stands in the audit trail")


def add_json(parser: argparse.ArgumentParser) -> None:
    """`--json`, as on every reading command."""
    parser.add_argument("--json", action="store_true", help="print JSON, for a program to read")


def seconds(text: str) -> float:
    """A number of seconds on the command line, a day at most."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 86_400:
        message = f"{text!r} is not a number of seconds between 0 and 86400; a site's name stands before options"
        raise argparse.ArgumentTypeError(message)
    return value


def count(text: str) -> int:
    """A whole number from 0 on."""
    if not text.isdecimal() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)
