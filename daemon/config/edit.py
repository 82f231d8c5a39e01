"""Changes options in the text of a configuration file and leaves every other byte as it is.

Called by `daemon.engine.editing`. The library ConfigUpdater knows where an option's lines are and writes the new one;
line ends, the byte order mark and indents are kept here. What was written is read back by our own reader, whose dialect
counts: a change that it would not read as it was meant, or that changes anything else, is refused.
"""

from __future__ import annotations

import codecs
import configparser
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from daemon.config.form import texts
from daemon.config.options import of_section
from daemon.config.problems import Key

if TYPE_CHECKING:
    from configupdater import ConfigUpdater, Section
    from configupdater.block import Block

_LINE_END = re.compile(r"(\r\n|\r|\n)")
_BY_HAND = "mend the file first; `sitebind check-config` names the lines"


class Uneditable(Exception):
    """The change cannot be made here. `str()` says why, in words that go after the option's name; `hint` what to do."""

    def __init__(self, key: Key, text: str, hint: str) -> None:
        super().__init__(text)
        self.key = key
        self.hint = hint


class _Line(NamedTuple):
    """A line without its end, and its end: empty only for the last one."""

    text: str
    end: str


class _Form(NamedTuple):
    """How an option's line is written in this file."""

    indent: str = ""
    spaced: bool = True


def edited(data: bytes, changes: Mapping[Key, str | None]) -> bytes:
    """The file with these options set, or taken out where None is wanted. Raises `Uneditable`."""
    before, in_order = values_of(data)
    if not in_order:
        raise Uneditable(("", ""), "has lines that are out of order, and cannot be changed from here", _BY_HAND)
    lines = _lines(data.decode("utf-8-sig"))
    for key, value in changes.items():
        lines = _changed(lines, key, value)
    mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    result = mark + "".join(line.text + line.end for line in lines).encode("utf-8", "surrogatepass")
    _check(before, result, changes)
    return result


def values_of(data: bytes) -> tuple[dict[Key, str], bool]:
    """The value of every option as it stands in the file, and whether the file can be read line by line."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return {}, False
    return texts(text)


def _check(before: Mapping[Key, str], result: bytes, changes: Mapping[Key, str | None]) -> None:
    """Read it back: what was asked for must stand there, and nothing else may differ."""
    after, in_order = values_of(result)
    wanted = {key: value for key, value in {**before, **changes}.items() if value is not None}
    if not in_order or after != wanted:
        raise _unwritable(next((key for key in changes if after.get(key) != changes[key]), ("", "")))


def _unwritable(key: Key) -> Uneditable:
    text = "cannot be written so that it is read back as it was typed"
    return Uneditable(key, text, "a value is one line, and neither begins nor ends with a blank")


def _lines(text: str) -> list[_Line]:
    pieces = _LINE_END.split(text)
    lines = [_Line(*pair) for pair in zip(pieces[::2], [*pieces[1::2], ""], strict=True)]
    return lines if lines[-1].text else lines[:-1]


def _changed(lines: list[_Line], key: Key, value: str | None) -> list[_Line]:
    section, option = key
    updater = _parsed(lines)
    if value is not None:
        if "\n" in value:
            raise _unwritable(key)
        indent = _set(updater, key, value)
        return _aligned(lines, str(updater), indent=indent)
    if updater.has_section(section):
        updater[section].pop(option, None)
    return _aligned(lines, str(updater))


def _parsed(lines: Sequence[_Line]) -> ConfigUpdater:
    from configupdater import ConfigUpdater  # noqa: PLC0415 - only a change needs it, no start

    updater = ConfigUpdater(delimiters=("=",), inline_comment_prefixes=None, empty_lines_in_values=False)
    text = "".join(line.text + ("\n" if line.end else "") for line in lines)
    try:
        return updater.read_string(text)
    except configparser.Error:  # its text quotes a line, which may hold a secret
        refusal = Uneditable(("", ""), "cannot be taken apart", _BY_HAND)
    raise refusal


def _set(updater: ConfigUpdater, key: Key, value: str) -> str:
    """Set or insert it, written as its neighbours are; the indent that its line needs."""
    section, option = key
    if not updater.has_section(section):
        _add_section(updater, section)
    held = updater[section]
    place = held[option] if held.has_option(option) else _place(held, option)
    form = _form_of(held, place)
    if held.has_option(option):
        raw = held[option].raw_key
        held[option] = type(held[option])(raw, value, space_around_delimiters=form.spaced)
    elif place is not None:
        place.add_after.option(option, value, space_around_delimiters=form.spaced)
    elif held.first_block is not None:
        held.first_block.add_before.option(option, value, space_around_delimiters=form.spaced)
    else:
        held[option] = value
    return form.indent


def _form_of(section: Section, place: Block | None) -> _Form:
    """As the option is written that is replaced or comes before; else as the section's first one."""
    written = section.option_blocks()
    model = next((block for block in written if block is place), written[0] if written else None)
    if model is None:
        return _Form()
    line = model.lines[0]
    return _Form(indent=line[: len(line) - len(line.lstrip())], spaced=line[line.index("=") - 1].isspace())


def _add_section(updater: ConfigUpdater, section: str) -> None:
    """At the end, behind an empty line."""
    text = str(updater)
    updater.add_section(section)
    if text and not text.endswith("\n\n"):
        updater[section].add_before.space()


def _place(section: Section, option: str) -> Block | None:
    """Behind what it goes: the line that shows it commented out, else its neighbour in the table; None: at the top."""
    shown = re.compile(rf"\s*[#;]\s*{re.escape(option)}\s*=")
    for block in section.iter_blocks():
        if any(shown.match(line) for line in block.lines):
            return block
    names = [row.name for row in of_section(section.name)]
    before = (name for name in reversed(names[: names.index(option)]) if section.has_option(name))
    found = next(before, None)
    return None if found is None else section[found]


def _aligned(before: list[_Line], after: str, *, indent: str = "") -> list[_Line]:
    """The new text's lines with the ends that they had; what is new ends as the file's first line does."""
    texts_now = after.split("\n")
    closed = texts_now[-1] == ""
    now = texts_now[:-1] if closed else texts_now
    head = _alike(before, now)
    tail = min(_alike(before[::-1], now[::-1]), len(before) - head, len(now) - head)
    newline = next((line.end for line in before if line.end), "\n")
    texts_new, gone = now[head : len(now) - tail], before[head : len(before) - tail]
    ends = [line.end or newline for line in gone] + [newline] * len(texts_new)
    new = [_Line(indent + text if text else text, end) for text, end in zip(texts_new, ends, strict=False)]
    result = [*before[:head], *new, *before[len(before) - tail :]]
    return [line if line.end else _Line(line.text, newline) for line in result[:-1]] + result[-1:]


def _alike(before: Sequence[_Line], now: Sequence[str]) -> int:
    """How many lines are the same from the beginning on."""
    return next((at for at, (line, text) in enumerate(zip(before, now, strict=False)) if line.text != text),
                min(len(before), len(now)))  # fmt: skip
