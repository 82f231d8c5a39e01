"""Where each option of a configuration comes from, without what it says. Called by `sitebind diagnostics`.

A value is told only where it cannot be a secret, not even one that was put in the wrong place: a choice, a flag, a
number or a duration that is valid for its option. All else, the words of findings too, may quote what somebody typed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from daemon.config.form import texts
from daemon.config.ini import DAEMON_FILE, LARGEST_FILE, files_of
from daemon.config.model import SecretSource
from daemon.config.options import OPTIONS, SECTION_NAMES, Option
from daemon.config.problems import BadValue, Findings, Key
from daemon.config.scanner import scan
from daemon.config.textfile import Unreadable, is_folder, read_small
from daemon.config.values import duration, parse

_CLOSED: Final = frozenset({"choice", "flag", "integer", "duration", "port", "mode", "steps"})
UNREADABLE: Final = "the file is not UTF-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionOrigin:
    """One option in one file. `line` is 0 and `valid` True where it is not given; `value` is None for all that is open.

    `secret` says how a secret is given (`file`, `env`, …), and is empty for what is none.
    """

    section: str
    option: str
    given: bool
    line: int = 0
    valid: bool = True
    value: str | None = None
    secret: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOrigin:
    """One file; `unreadable` says why nothing is known of it. `unknown` counts the options that do not exist."""

    file: str
    unreadable: str = ""
    exposed: bool = False
    unknown: int = 0
    options: tuple[OptionOrigin, ...] = ()


def provenance(path: Path) -> tuple[FileOrigin, ...]:
    """Every file of the configuration at `path`. Never raises for what it finds; blocks."""
    if not is_folder(path):
        return (_of_file(path, SECTION_NAMES),)
    try:
        files = files_of(path)
    except OSError as reason:
        return (FileOrigin(file=str(path), unreadable=(reason.strerror or "the system refused").lower()),)
    sites = tuple(name for name in SECTION_NAMES if name != "daemon")
    return tuple(_of_file(file, ("daemon",) if file.name == DAEMON_FILE else sites) for file in files)


def _of_file(path: Path, sections: tuple[str, ...]) -> FileOrigin:
    try:
        content = read_small(path, limit=LARGEST_FILE)
        text = content.data.decode("utf-8-sig")
    except Unreadable as reason:
        return FileOrigin(file=str(path), unreadable=str(reason))
    except UnicodeDecodeError:
        return FileOrigin(file=str(path), unreadable=UNREADABLE)
    findings = Findings(str(path))
    scan(text, findings)
    given, _ = texts(text)
    known = {option.key for option in OPTIONS if option.section in sections}
    return FileOrigin(
        file=str(path),
        exposed=content.exposed,
        unknown=len(given.keys() - known),
        options=tuple(_origins(sections, given, lines=findings.lines, folder=path.absolute().parent)),
    )


def _origins(
    sections: tuple[str, ...], given: dict[Key, str], *, lines: dict[Key, int], folder: Path
) -> Iterator[OptionOrigin]:
    for option in OPTIONS:
        if option.section in sections:
            text = given.get(option.key)
            if text is None:
                yield OptionOrigin(section=option.section, option=option.name, given=False)
            else:
                yield _origin(option, text, line=lines.get(option.key, 0), folder=folder)


def _origin(option: Option, text: str, *, line: int, folder: Path) -> OptionOrigin:
    valid, value, secret = True, None, ""
    try:
        parsed = parse(option, text, folder=folder)
    except BadValue:
        valid = False
    else:
        value = _told(option, parsed)
        secret = parsed.kind if isinstance(parsed, SecretSource) else ""
    return OptionOrigin(
        section=option.section, option=option.name, given=True, line=line, valid=valid, value=value, secret=secret
    )


def _told(option: Option, parsed: object) -> str | None:
    """The value as its option means it, never as it was typed."""
    if option.kind not in _CLOSED:
        return None
    match parsed:
        case bool():
            return "yes" if parsed else "no"
        case int() if option.kind == "duration":
            return duration(parsed)
        case int() if option.kind == "mode":
            return f"{parsed:04o}"
        case tuple():
            return ", ".join(map(str, parsed))
        case _:
            return str(parsed)
