"""Gathers findings while a file is read: every one with its place. Used by the reader's stages.

Findings never hold a value that could be, or could hide, a secret.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Literal

from daemon.config.model import FileProblem
from daemon.config.options import OPTIONS, SECTION_NAMES, of_section

Key = tuple[str, str]

_NAME_LIKE = re.compile(r"[A-Za-z][A-Za-z_ -]{0,31}")
_SHOWN = 60


class BadValue(ValueError):
    """A value cannot be what its option wants. `str()` says what is wrong; `hint` what to write instead."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


class Findings:
    """The findings of one file. `lines` maps a section's options, and `(section, "")`, to line numbers."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Key, int] = {}
        self.found: list[FileProblem] = []

    def error(self, key: Key, text: str, *, hint: str = "", line: int = 0, near: Sequence[Key] = ()) -> None:
        """What must be mended. Without `line` it stands at the option, else at `near`, else at its section."""
        self._add("error", key, text=text, hint=hint, line=line or self._line(key, near))

    def warning(self, key: Key, text: str, *, hint: str = "", line: int = 0, near: Sequence[Key] = ()) -> None:
        """What works but should not stay so; placed like an error."""
        self._add("warning", key, text=text, hint=hint, line=line or self._line(key, near))

    def in_order(self) -> tuple[FileProblem, ...]:
        """All findings from the top of the file to its end."""
        return tuple(sorted(self.found, key=lambda problem: problem.line))

    def _line(self, key: Key, near: Sequence[Key]) -> int:
        places = (key, *near, (key[0], ""))
        return next((self.lines[place] for place in places if place in self.lines), 0)

    def _add(self, severity: Literal["error", "warning"], key: Key, *, text: str, hint: str, line: int) -> None:
        section, option = key
        self.found.append(
            FileProblem(
                file=self.file, line=line, section=section, option=option, text=text, hint=hint, severity=severity
            )
        )


def presentable(name: str) -> str:
    """`name` if it looks like a name; else nothing, for it may be a piece of a secret in the wrong place."""
    return name if _NAME_LIKE.fullmatch(name) else ""


def shown(value: str) -> str:
    """A value as a finding quotes it: short, on one line, and not at all where a sign-in may be inside."""
    if "@" in value:
        return "the value (not shown, it may hold a sign-in)"
    plain = "".join(char if char.isprintable() else "?" for char in value)
    return f'"{plain[:_SHOWN]}…"' if len(plain) > _SHOWN else f'"{plain}"'


def did_you_mean(section: str, name: str, sections: Sequence[str] = SECTION_NAMES) -> str:
    """The option that was meant, looked for in its section first and then in the others; empty if none is near."""
    here = nearest_option(section, name)
    if here:
        return f'did you mean "{here}"?'
    elsewhere = {option.name: f"[{option.section}] {option.name}" for option in OPTIONS if option.section in sections}
    there = _nearest(name, elsewhere)
    return f"did you mean {there}?" if there else ""


def nearest_option(section: str, name: str) -> str:
    """The option of this section whose name is near; empty if none is."""
    return _nearest(name, {option.name: option.name for option in of_section(section)})


def section_meant(name: str, sections: Sequence[str]) -> str:
    """The section that was meant, or all there are."""
    near = _nearest(name.strip().lower(), {section: section for section in sections})
    known = ", ".join(f"[{section}]" for section in sections)
    return f"did you mean [{near}]?" if near else f"the sections are {known}"


def _nearest(name: str, candidates: Mapping[str, str]) -> str:
    near = difflib.get_close_matches(name, candidates, n=1, cutoff=0.7)
    return candidates[near[0]] if near else ""
