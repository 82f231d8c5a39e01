"""What a lookup found, in words for a person: the object, its members as they come, near misses and reasons.

Called by `resolve.py` with the lines of the daemon's answer, whether they come one by one or as one document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from daemon.cli.exits import Exit, Failure
from daemon.cli.terminal import Palette, counted, labelled, plain, span

Line = dict[str, Any]
Item = dict[str, Any]

NO_OBJECTS: Final = "The daemon's answer holds no objects: is it of another version?"
_WIDE: Final = 14


class Shown:
    """Says what each line tells. `ended` once the last one was taken."""

    def __init__(self, palette: Palette, *, say: Callable[[str], None]) -> None:
        self._palette = palette
        self._say = say
        self._found: Line = {}
        self._listed = False
        self.ended = False

    @property
    def one_was_found(self) -> bool:
        """Whether exactly one object was."""
        return self._found.get("object") is not None

    def take(self, line: Line) -> None:
        """A line: `resolution`, `member` or `end`, or all of it in one document. Raises `Failure` for anything else."""
        match line:
            case {"resolution": dict(found)}:
                self._begin(found)
            case {"member": dict(member)}:
                self._member(member)
            case {"end": dict(end)}:
                self._end(end)
            case {"objects": list()}:
                self._begin(line)
                members = line["members"]
                for member in members or ():
                    self._member(member)
                self._end(line | {"members": None if members is None else len(members)})
            case _:
                raise Failure(NO_OBJECTS, Exit.INTERNAL)

    def _begin(self, found: Line) -> None:
        self._found = found
        wanted, objects = plain(found["wanted"]), found["objects"]
        if len(objects) > 1:
            self._say(self._palette.paint(f"{wanted} is ambiguous: {len(objects)} objects.", "yellow"))
        elif not objects:
            self._say(self._palette.paint(f"{wanted} is not found.", "red"))
        for item in objects:
            self._say_all(_whole(item, self._palette))

    def _member(self, member: Item) -> None:
        if not self._listed:
            self._say("Members:")
            self._listed = True
        self._say(_row(member, self._palette))

    def _end(self, end: Line) -> None:
        if end["members"] is not None:
            more = ", and there are more ([directory] members_limit)" if end["truncated"] else ""
            self._say(f"{counted(end['members'], 'member')}{more}.")
        for reason in end["reasons"]:
            self._say_all(labelled("why", reason, column=_WIDE))
        if self._found["near"]:
            self._say("Near misses:")
            self._say_all(_row(item, self._palette) for item in self._found["near"])
        self._say_all(labelled("source", _source({**self._found, "seconds": end["seconds"]}), column=_WIDE))
        self.ended = True

    def _say_all(self, lines: Iterator[str]) -> None:
        for line in lines:
            self._say(line)


def _whole(item: Item, palette: Palette) -> Iterator[str]:
    yield f"{plain(item['kind'])} {palette.paint(plain(item['display_name']) or '(no name)', 'bold')}"
    yield from labelled("address", item["primary_address"] or "none", column=_WIDE)
    others = [address for address in item["addresses"] if address != item["primary_address"]]
    if others:
        yield from labelled("also", ", ".join(others), column=_WIDE)
    yield from labelled("id", item["id"], column=_WIDE)
    if marks := _marks(item):
        yield from labelled("note", ", ".join(marks), column=_WIDE)


def _row(item: Item, palette: Palette) -> str:
    marks = f"  ({', '.join(_marks(item))})" if _marks(item) else ""
    name = plain(item["display_name"]) or "(no name)"
    return f"  {plain(item['kind']):<8}{plain(item['primary_address']) or '-':<36} {name}{palette.paint(marks, 'dim')}"


def _marks(item: Item) -> list[str]:
    """What keeps an object from being worked with."""
    said = (
        ("disabled", item["enabled"] is False),
        ("without a licence", item["licensed"] is False),
        ("not mail enabled", not item["mail_enabled"]),
    )
    return [words for words, holds in said if holds]


def _source(found: Line) -> str:
    took = f"{plain(found['source'])}, {found['seconds'] * 1000:.0f} ms"
    age = found["age_seconds"]
    return f"{took}, asked {span(age)} ago; --fresh asks anew" if age else took
