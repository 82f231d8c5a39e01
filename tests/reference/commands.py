"""docs/reference/commands.md, from the parsers of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Final

from daemon.cli.commands import parser
from daemon.cli.exits import INTERRUPTED, PIPE_CLOSED, Exit
from tests.reference.markdown import anchor, code, fenced, page, table, title

FIRST: Final = """\
Every command of `sitebind`, as `sitebind COMMAND --help` tells it. `--config PATH` may stand before or behind each
command: the configuration file, or a folder with one file for each site; else `$SITEBIND_CONFIG`, `./config.ini`,
`/etc/sitebind/config.ini`.

The commands that talk to the daemon find it through the same configuration: over its Unix socket where this user may
write to it, else over the listener. Their token is `$SITEBIND_TOKEN`, else `[daemon] api_token`.
[access.md](../access.md) tells who may do what."""
CODES: Final[dict[int, tuple[str, str]]] = {
    Exit.WELL: ("well; for `status`: bound", ""),
    Exit.INTERNAL: ("a defect in sitebind; for `healthcheck`: not well", "report the lines that were printed"),
    Exit.USAGE: ("wrong usage or configuration", "the text names the option, or file and line"),
    Exit.NOT_BOUND: ("not bound, or still under way when the time was up", "`sitebind status`"),
    Exit.UNREACHABLE: (
        "the daemon is not reachable",
        "`systemctl status sitebind`; the text says where it was looked for",
    ),
    Exit.FAILED: ("failed, or a check found something", "the text names it, and what to do"),
    Exit.NOT_ALLOWED: (
        "the daemon does not allow it",
        "a token with the scope that the text names, or the socket as root",
    ),
    INTERRUPTED: ("ended by Ctrl-C", ""),
    PIPE_CLOSED: ("who read the output has gone", ""),
}
_EVERYWHERE: Final = frozenset({"help", "config"})


def text() -> str:
    """The page."""
    lines = title("Command reference", first=FIRST)
    every = list(commands(parser()))
    rows = [(f"[`{name}`](#{anchor(name)})", help_) for name, help_, _ in every]
    lines += [*table(("Command", "What it does"), rows), "## Exit codes", ""]
    lines += ["Scripts and service managers may rely on them.", ""]
    lines += table(("Code", "Meaning", "Next"), [(str(int(value)), *said) for value, said in CODES.items()])
    for name, _, command in every:
        lines += _command(name, command)
    return page(lines)


def commands(
    of: argparse.ArgumentParser, before: str = "sitebind"
) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Every command with those below it: its whole name, its help, its parser."""
    for action in of._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        for told in action._choices_actions:
            name = f"{before} {told.dest}"
            yield name, told.help or "", action.choices[told.dest]
            yield from commands(action.choices[told.dest], name)


def _command(name: str, command: argparse.ArgumentParser) -> Iterator[str]:
    yield from (f"## {name}", "", command.description or "", "")
    yield from fenced(_usage(name, command), "text")
    rows = [(_written(action), _told(action)) for action in command._actions if _is_told(action)]
    if rows:
        yield from table(("Argument", "Meaning"), rows)
    example, _, notes = (command.epilog or "").partition("\n\n")
    yield from fenced("\n".join(line.strip() for line in example.splitlines()[1:]))
    if notes:
        yield from (_sentence(" ".join(notes.split())), "")


def _usage(name: str, command: argparse.ArgumentParser) -> str:
    wide = argparse.HelpFormatter(prog=name, width=10_000)
    shown = [action for action in command._actions if action.dest not in _EVERYWHERE]
    wide.add_usage(None, shown, command._mutually_exclusive_groups, prefix="")
    return wide.format_help().strip()


def _is_told(action: argparse.Action) -> bool:
    return action.dest not in _EVERYWHERE and not isinstance(action, argparse._SubParsersAction)


def _written(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else _value(action)
    if not action.option_strings:
        return code(value)
    return ", ".join(code(f"{option} {value}".strip()) for option in action.option_strings)


def _value(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    return "|".join(map(str, action.choices)) if action.choices else action.dest.upper()


def _told(action: argparse.Action) -> str:
    return (action.help or "") % {"default": action.default, "prog": "sitebind"}


def _sentence(notes: str) -> str:
    said = f"{notes[0].upper()}{notes[1:]}"
    return said if said.endswith(".") else f"{said}."
