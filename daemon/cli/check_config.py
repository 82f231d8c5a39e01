"""`sitebind check-config`: every finding of a configuration at once, without starting anything."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from daemon.cli.exits import Exit
from daemon.cli.parser import Parser, add_json
from daemon.cli.place import existing_configuration, reading
from daemon.cli.terminal import counted, plain

if TYPE_CHECKING:
    from daemon.config.model import FileProblem, Reading, SecretSource


def add(root: Parser) -> None:
    """Add the command."""
    parser = root.command(
        "check-config",
        help="read a configuration file or folder and print everything that is wrong with it",
        example="sitebind check-config --config /etc/sitebind/config.ini --secrets\n\n"
        "exit code: 0 usable (there may be warnings), 2 errors, 5 a secret cannot be read",
        execute=execute,
    )
    parser.add_argument(
        "--secrets", action="store_true", help="also try to read each secret that is given by reference"
    )
    add_json(parser)


def execute(args: argparse.Namespace) -> int:
    """Read, print, and answer whether the daemon could use it."""
    path = existing_configuration(args)
    found = reading(path)
    secrets = list(_unreadable_secrets(found)) if args.secrets else []
    if args.json:
        print(json.dumps(_document(found, secrets), indent=2, ensure_ascii=False))
    else:
        print("\n".join([*_lines(found, secrets), f"{path}: {_verdict(found, secrets)}"]))
    if found.errors:
        return Exit.USAGE
    return Exit.FAILED if secrets else Exit.WELL


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableSecret:
    """A reference that leads to nothing now. `place` is `config.ini: [binding] password`."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


def _problems(found: Reading) -> list[FileProblem]:
    from daemon.config.ini import all_problems

    return sorted(all_problems(found), key=lambda problem: (problem.file, problem.line))


def _lines(found: Reading, secrets: list[UnreadableSecret]) -> Iterator[str]:
    for problem in _problems(found):
        warning = "warning: " if problem.severity == "warning" else ""
        yield f"{warning}{plain(problem)}"
    yield from (f"secret: {plain(secret)}" for secret in secrets)


def _verdict(found: Reading, secrets: list[UnreadableSecret]) -> str:
    problems = _problems(found)
    errors = sum(problem.severity == "error" for problem in problems)
    counts = [counted(errors, "error"), counted(len(problems) - errors, "warning")]
    if secrets:
        counts.append(f"{counted(len(secrets), 'secret')} not readable")
    return f"{', '.join(counts)}; {counted(len(found.sites), 'site')}"


def _document(found: Reading, secrets: list[UnreadableSecret]) -> dict[str, Any]:
    return {
        "ok": not found.errors and not secrets,
        "sites": [site.id for site in found.sites],
        "findings": [_finding(problem) for problem in _problems(found)],
        "secrets": [{"place": secret.place, "text": secret.text} for secret in secrets],
    }


def _finding(problem: FileProblem) -> dict[str, Any]:
    values = {field.name: getattr(problem, field.name) for field in fields(problem)}
    return {**values, "said": str(problem)}


def _unreadable_secrets(found: Reading) -> Iterator[UnreadableSecret]:
    from daemon.config.secrets import SecretUnreadable, resolve_now

    for place, source in _sources(found):
        try:
            resolve_now(source)
        except SecretUnreadable as error:
            yield UnreadableSecret(place=place, text=str(error))


def _sources(found: Reading) -> Iterator[tuple[str, SecretSource]]:
    from daemon.config.secrets import secret_sources

    for section, option, source in secret_sources(found.daemon) if found.daemon else ():
        yield f"[{section}] {option}", source
    for site in found.sites:
        for section, option, source in secret_sources(site.settings) if site.settings else ():
            yield f"{site.source}: [{section}] {option}", source
