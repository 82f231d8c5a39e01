"""One configuration file, filled in: its text as typed values with their places. Used by `daemon.config.ini`."""

from __future__ import annotations

import configparser
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.config import options, values
from daemon.config.model import SecretSource
from daemon.config.options import Option
from daemon.config.problems import BadValue, Findings, Key, did_you_mean, nearest_option, presentable, section_meant
from daemon.config.scanner import Scan, scan
from daemon.config.textfile import Content

_INLINE_COMMENT = re.compile(r"\s[;#]")
_OWN_LINE = "a comment needs a line of its own; behind a value it is part of the value"
_ALTERNATIVES = "write file:PATH, env:NAME, credential:NAME or keyring:SERVICE/USER and keep the secret there"


@dataclass(slots=True)
class Form:
    """What one file says.

    `values` holds what was given and is good; `given` also what was given and is bad; `lost` what some line that
    cannot be used seems to have meant.
    """

    path: Path
    findings: Findings
    exposed: bool
    legible: bool = True
    values: dict[Key, Any] = field(default_factory=dict)
    given: set[Key] = field(default_factory=set)
    lost: set[Key] = field(default_factory=set)

    @property
    def folder(self) -> Path:
        """What relative paths in this file are relative to."""
        return self.path.absolute().parent

    def spoiled(self, key: Key) -> bool:
        """Whether the option was meant to be there but has no value, so that nothing can be said of what follows."""
        return self.meant(key) and key not in self.values

    def meant(self, key: Key) -> bool:
        """Whether the option was given, however badly: to say that it is missing would be a second finding."""
        return key in self.given or key in self.lost

    def of_section(self, section: str) -> dict[str, Any]:
        """The good values of one section by option name."""
        return {name: value for (owner, name), value in self.values.items() if owner == section}


def fill_in(path: Path, content: Content, *, sections: Sequence[str], elsewhere: Mapping[str, str]) -> Form:
    """Read `content`; `sections` may stand in this file, `elsewhere` says where others belong."""
    form = Form(path=path, findings=Findings(str(path)), exposed=content.exposed)
    try:
        text = content.data.decode("utf-8-sig")
    except UnicodeDecodeError as bad:
        line = content.data[: bad.start].count(b"\n") + 1
        form.findings.error(("", ""), "the file is not UTF-8", hint="save it as UTF-8", line=line)
        form.legible = False
        return form
    scanned = scan(text, form.findings)
    form.lost |= scanned.lost
    for section, entries in _parsed(scanned, form.findings).items():
        if section not in sections:
            hint = elsewhere.get(section) or section_meant(section, sections)
            line = form.findings.lines.get((section, ""), 0)
            form.findings.error((presentable(section), ""), "unknown section here", hint=hint, line=line)
            continue
        for name, text in entries.items():
            _take(form, (section, name), text, continued=scanned.continued, sections=sections)
    return form


def texts(text: str) -> tuple[dict[Key, str], bool]:
    """The value of every option as it stands in `text`, and whether all lines are in order."""
    findings = Findings("")
    found = _parsed(scan(text, findings), findings)
    values = {(section, name): value for section, entries in found.items() for name, value in entries.items()}
    return values, not findings.found


def _parsed(scanned: Scan, findings: Findings) -> dict[str, dict[str, str]]:
    """What configparser makes of it. Strict, unless the scanner has already reported what strictness would."""
    parser = configparser.ConfigParser(
        delimiters=("=",),
        comment_prefixes=("#", ";"),
        inline_comment_prefixes=None,
        strict=not findings.found,
        empty_lines_in_values=False,
        default_section="\n",  # cannot stand in a file: [DEFAULT] is a section like any other
        interpolation=None,
    )
    try:
        parser.read_string("\n".join(scanned.lines))
    except configparser.Error as refused:  # its text quotes the line, which may hold a secret
        line = getattr(refused, "lineno", 0) or 0
        findings.error(("", ""), "the file cannot be taken apart", hint="look for an odd line", line=line)
    return {section: dict(parser.items(section)) for section in parser.sections()}


def _take(form: Form, key: Key, text: str, *, continued: Mapping[Key, list[int]], sections: Sequence[str]) -> None:
    option = options.BY_KEY.get(key)
    if option is None:
        _unknown(form, key, sections)
        return
    if not text and option.kind != "socket":
        _empty(form, option)
        return
    form.given.add(key)
    if key in continued and option.kind not in values.LIST_KINDS:
        form.findings.error(
            key, f"goes on in line {continued[key][0]}, which is indented", hint="a value stands on one line",
            line=continued[key][0],
        )  # fmt: skip
        return
    _convert(form, option, text)


def _convert(form: Form, option: Option, text: str) -> None:
    commented = _INLINE_COMMENT.search(text) is not None
    try:
        value = values.parse(option, text, folder=form.folder)
    except BadValue as bad:
        form.findings.error(option.key, str(bad), hint=_OWN_LINE if commented else bad.hint)
        return
    if value == () and option.kind != "steps":
        form.findings.error(option.key, "holds no item", hint="name one, or remove the line")
        return
    if commented:
        form.findings.warning(option.key, 'holds " ;" or " #", which looks like a comment', hint=_OWN_LINE)
    if isinstance(value, SecretSource):
        _weigh(form, option, value)
    form.values[option.key] = value


def _weigh(form: Form, option: Option, source: SecretSource) -> None:
    """A secret in the file itself: a warning, and an error where others can read the file."""
    if source.kind not in {"plain", "literal"}:
        return
    if form.exposed:
        form.findings.error(
            option.key, "a secret stands in a file that others can read", hint=f"chmod 600 the file, or {_ALTERNATIVES}"
        )
    elif source.kind == "plain":
        form.findings.warning(
            option.key, "the secret stands in the file as plain text",
            hint=f"{_ALTERNATIVES}, or literal:TEXT to keep it here on purpose",
        )  # fmt: skip


def _empty(form: Form, option: Option) -> None:
    """No value is as good as no line where the default is empty; else somebody forgot something."""
    if option.kind == "secret":
        form.given.add(option.key)
        form.findings.error(option.key, "is empty", hint=f"{_ALTERNATIVES}, or remove the line")
    elif option.default:
        form.findings.error(option.key, "is empty", hint=f"remove the line for the default, {option.default}")


def _unknown(form: Form, key: Key, sections: Sequence[str]) -> None:
    section, name = key
    named = presentable(name)
    form.lost.add((section, nearest_option(section, name)))  # one slip is one finding
    hint = did_you_mean(section, name, sections) if named else "its name is not shown: it may be part of a secret"
    form.findings.error((section, named), "unknown option", hint=hint, line=form.findings.lines.get(key, 0))
