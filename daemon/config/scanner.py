"""Walks an INI file line by line: where each option stands, and which lines are out of order.

`configparser` stays the parser of record; this scanner follows its rules (with `=` as the only delimiter and
blank lines ending a value) and reports everything at once where configparser stops at the first mistake.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from daemon.config.options import OPTIONS
from daemon.config.problems import Findings, Key, presentable


@dataclass(slots=True)
class _Position:
    """How far the walk has come: the section and option that are open, and the indent that continues them.

    Neither name shows in a `repr`: what stands in brackets may be a misplaced secret.
    """

    section: str | None = field(default=None, repr=False)
    option: str = field(default="", repr=False)
    line: int = 0
    indent: int = 0
    dropping: bool = False


@dataclass(slots=True)
class Scan:
    """The file's lines with the unusable ones emptied.

    `continued` says in which lines a value goes on; `lost` are options that were meant by emptied lines.
    """

    lines: list[str] = field(repr=False)
    continued: dict[Key, list[int]] = field(default_factory=dict)
    lost: set[Key] = field(default_factory=set)


def scan(text: str, findings: Findings) -> Scan:
    """Fill in `findings.lines`, report what is out of order, and give back what configparser may read."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    result = Scan(lines)
    at = _Position()
    for number, line in enumerate(lines, start=1):
        content = line.strip()
        if not content or content[0] in "#;":
            at.option = ""  # which ends a value for configparser too
        elif not _walk(at, line, number=number, result=result, findings=findings):
            lines[number - 1] = ""
    return result


def _walk(at: _Position, line: str, *, number: int, result: Scan, findings: Findings) -> bool:
    """Take one line with content; False when configparser must not see it."""
    content = line.strip()
    indent = line.index(content[0])
    if at.option and indent > at.indent:
        return _continue(at, content, number=number, result=result, findings=findings)
    at.indent = indent
    at.option = ""
    if content[0] == "[" and "]" in content[2:]:
        return _open_section(at, content, number=number, findings=findings)
    return _open_option(at, content, number=number, result=result, findings=findings)


def _continue(at: _Position, content: str, *, number: int, result: Scan, findings: Findings) -> bool:
    section = presentable(at.section or "")
    name, equals, _ = content.partition("=")
    if equals:
        at.dropping = True
        known = _known(at.section or "", name)
        result.lost |= known
        what = f'"{name.strip()}"' if known else "the line"
        findings.error(
            (section, presentable(at.option)),
            f"line {number} is indented, so it would go on with the value of line {at.line}",
            hint=f"move {what} to the margin if it is an option of its own",
            line=number,
        )
        return False
    if not at.dropping:
        result.continued.setdefault((at.section or "", at.option), []).append(number)
    return not at.dropping


def _open_section(at: _Position, content: str, *, number: int, findings: Findings) -> bool:
    name, rest = content[1 : content.rindex("]")], content[content.rindex("]") + 1 :].strip()
    at.section = name
    if rest:
        findings.error(
            (presentable(name), ""), "something stands after the section's name",
            hint="give it a line of its own", line=number,
        )  # fmt: skip
    earlier = findings.lines.setdefault((name, ""), number)
    if earlier != number:
        text = f"the section stands twice, first in line {earlier}"
        findings.error((presentable(name), ""), text, hint="put its options together", line=number)
    return True


def _open_option(at: _Position, content: str, *, number: int, result: Scan, findings: Findings) -> bool:
    name, equals, _ = content.partition("=")
    option = name.rstrip().lower()
    section = presentable(at.section or "")
    if not equals or not option:
        result.lost |= _known(at.section, re.split(r"[\s:]", content)[0])
        text = "the line is neither a [section], an option nor a comment"
        findings.error((section, ""), text, hint="an option is written NAME = VALUE", line=number)
        return False
    if at.section is None:
        result.lost |= _known(None, option)
        key = ("", presentable(option))
        findings.error(key, "stands before the first [section]", hint=_belongs(option), line=number)
        return False
    at.option, at.line = option, number
    earlier = findings.lines.setdefault((at.section, option), number)
    at.dropping = earlier != number
    if at.dropping:
        text = f"stands twice, first in line {earlier}"
        findings.error((section, presentable(option)), text, hint="keep one of them", line=number)
    return not at.dropping


def _known(section: str | None, name: str) -> set[Key]:
    """The option that `name` is in `section`, or, before any section, everywhere."""
    wanted = name.strip().lower()
    return {row.key for row in OPTIONS if row.name == wanted and section in {None, row.section}}


def _belongs(name: str) -> str:
    sections = [option.section for option in OPTIONS if option.name == name]
    return f"it belongs in [{sections[0]}]" if len(sections) == 1 else "put it under its section"
