"""A disk that keeps what was synced, and of everything else what chance lets it keep: whole, in part, or not at all."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import singledispatchmethod
from pathlib import Path, PurePath
from typing import Final

from tests.torture.recording import Cut, Deed, Linked, Made, Removed, Renamed, Synced, Wrote

SECTOR: Final = 512

_Names = dict[str, "_File"]


class Loss(Enum):
    """What becomes of what was not synced when the power goes."""

    ALL = "nothing of it is there"
    NONE = "all of it is there"
    SOME = "each write is there or not, in any order"
    TORN = "each sector of each write is there or not"


@dataclass(eq=False)
class _File:
    """Its durable bytes, and what was done to it since."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[Wrote | Cut] = field(default_factory=list)
    is_folder: bool = False

    def sync(self, since: int) -> None:
        for deed in self.pending:
            if deed.at < since:
                _carry_out(deed, self.durable)
        self.pending = [deed for deed in self.pending if deed.at >= since]

    def after(self, loss: Loss, chance: random.Random) -> bytes:
        """The bytes that are found when the power is back."""
        found = bytearray(self.durable)
        for deed in self.pending:
            for part in _survivors(deed, loss, chance):
                _carry_out(part, found)
        return bytes(found)


@dataclass(frozen=True)
class _NameChange:
    at: int
    folder: str
    carry_out: Callable[[_Names], None]


class Disk:
    """Carries deeds out. `files`: what is there, durably, at the beginning."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._durable: _Names = {path: _File(bytearray(data)) for path, data in files.items()}
        self._now: _Names = dict(self._durable)
        self._pending: list[_NameChange] = []

    @singledispatchmethod
    def do(self, deed: Deed) -> None:
        """Take the next deed; those that are none of the disk's change nothing."""

    @do.register
    def _(self, deed: Made) -> None:
        made = _File(is_folder=deed.is_folder)
        self._rename(deed.at, deed.path, lambda names: names.__setitem__(deed.path, made))

    @do.register
    def _(self, deed: Wrote) -> None:
        self._now[deed.path].pending.append(deed)

    @do.register
    def _(self, deed: Cut) -> None:
        self._now[deed.path].pending.append(deed)

    @do.register
    def _(self, deed: Renamed) -> None:
        moved = self._now[deed.old]

        def change(names: _Names) -> None:
            names.pop(deed.old, None)
            names[deed.new] = moved

        self._rename(deed.at, deed.new, change)

    @do.register
    def _(self, deed: Linked) -> None:
        file = self._now[deed.old]
        self._rename(deed.at, deed.new, lambda names: names.__setitem__(deed.new, file))

    @do.register
    def _(self, deed: Removed) -> None:
        self._rename(deed.at, deed.path, lambda names: names.pop(deed.path, None))

    @do.register
    def _(self, deed: Synced) -> None:
        if (file := self._now.get(deed.path)) is not None:
            file.sync(deed.since)
        for change in self._pending:
            if change.folder == deed.path and change.at < deed.since:
                change.carry_out(self._durable)
        self._pending = [one for one in self._pending if one.folder != deed.path or one.at >= deed.since]

    def _rename(self, at: int, path: str, change: Callable[[_Names], object]) -> None:
        change(self._now)
        self._pending.append(_NameChange(at, str(PurePath(path).parent), lambda names: (change(names), None)[1]))

    def without_power(self, loss: Loss, chance: random.Random) -> dict[str, bytes | None]:
        """What is found afterwards, by path; None is a folder. Names are lost from the last change back."""
        kept = {Loss.ALL: 0, Loss.NONE: len(self._pending)}.get(loss, chance.randint(0, len(self._pending)))
        names = dict(self._durable)
        for change in self._pending[:kept]:
            change.carry_out(names)
        return {path: None if file.is_folder else file.after(loss, chance) for path, file in names.items()}


def restore(found: Mapping[str, bytes | None], *, old: Path, new: Path) -> None:
    """Write what was found below `old` to the empty folder `new`. A file whose folder was lost is lost with it."""
    for path, data in sorted(found.items()):
        place = new / PurePath(path).relative_to(old)
        if not place.parent.is_dir():
            continue
        if data is None:
            place.mkdir(mode=0o700)
        else:
            place.touch(mode=0o600)
            place.write_bytes(data)


def _carry_out(deed: Wrote | Cut, data: bytearray) -> None:
    if isinstance(deed, Wrote):
        if len(data) < deed.offset:
            data.extend(bytes(deed.offset - len(data)))
        data[deed.offset : deed.offset + len(deed.data)] = deed.data
    elif len(data) > deed.size:
        del data[deed.size :]
    else:
        data.extend(bytes(deed.size - len(data)))


def _survivors(deed: Wrote | Cut, loss: Loss, chance: random.Random) -> Iterable[Wrote | Cut]:
    if loss is Loss.ALL:
        return ()
    if loss is Loss.TORN and isinstance(deed, Wrote):
        return [part for part in _sectors(deed) if chance.random() < 0.5]
    return (deed,) if loss is Loss.NONE or chance.random() < 0.5 else ()


def _sectors(deed: Wrote) -> Iterable[Wrote]:
    """The parts of a write that a disk writes one by one: its sectors, by their place in the file."""
    begin, end = deed.offset, deed.offset + len(deed.data)
    while begin < end:
        stop = min(end, (begin // SECTOR + 1) * SECTOR)
        data = deed.data[begin - deed.offset : stop - deed.offset]
        yield Wrote(at=deed.at, path=deed.path, offset=begin, data=data)
        begin = stop
