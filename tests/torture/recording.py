"""What a process did to the files of one folder and what it answered meanwhile, in order, as strace saw it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

INDEX: Final = "-shm"
"""SQLite's index is written through memory, and made anew after a power cut: it is none of the recording."""

_FORBIDDEN: Final = (
    "truncate", "fallocate", "copy_file_range", "sendfile", "splice", "writev", "pwritev", "pwritev2", "linkat",
    "symlink", "symlinkat", "open", "creat", "rmdir", "io_uring_setup",
)  # fmt: skip
"""Other ways to change a file. Whoever takes one of them below the folder must be taught here first."""

_TRACED: Final = (
    "openat", "write", "pwrite64", "lseek", "ftruncate", "fsync", "fdatasync", "rename", "renameat", "renameat2",
    "link", "unlink", "unlinkat", "mkdir", "mkdirat", "sendto", "sendmsg",
)  # fmt: skip

_REQUEST: Final = re.compile(rb"^X-Request-ID: (load-[\d-]+)\r$", re.MULTILINE)
_STRING: Final = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_BEHIND: Final = re.compile(r"(?:\d|AT_FDCWD)<((?:\\x[0-9a-f]{2})*)>")
"""The file behind a descriptor, as `-y` shows it."""
_CALL: Final = re.compile(r"(\w+)\((.*)\) += (-?\d+)(.*)")
_LONGEST_STRING: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Deed:
    """One thing that was done. `at` orders all of them."""

    at: int


@dataclass(frozen=True, kw_only=True)
class Made(Deed):
    """A new, empty file or folder has a name."""

    path: str
    is_folder: bool = False


@dataclass(frozen=True, kw_only=True)
class Wrote(Deed):
    """Bytes of a file."""

    path: str
    offset: int
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Cut(Deed):
    """A file has another length."""

    path: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Synced(Deed):
    """What was done to a file, or to the names in a folder, before `since` is durable."""

    path: str
    since: int


@dataclass(frozen=True, kw_only=True)
class Renamed(Deed):
    """A file has another name, and whatever had it before is gone."""

    old: str
    new: str


@dataclass(frozen=True, kw_only=True)
class Linked(Deed):
    """A file has one more name."""

    old: str
    new: str


@dataclass(frozen=True, kw_only=True)
class Removed(Deed):
    """A name is gone."""

    path: str


@dataclass(frozen=True, kw_only=True)
class Answered(Deed):
    """The answer to a call began to leave: from here on it is a promise."""

    request: str


def tracer(log: Path) -> list[str | Path]:
    """What stands before the command that is recorded; it stays the direct child of whoever starts it."""
    calls = ",".join((*_TRACED, *(f"?{name}" for name in _FORBIDDEN)))
    how = ("-D", "-f", "-q", "-A", "-y", "-xx", "-s", str(_LONGEST_STRING), "--seccomp-bpf")
    return ["strace", *how, "-e", f"trace={calls}", "-e", "signal=kill", "-o", log]


def has_ended(log: Path, pid: int) -> bool:
    """Whether the recording of a process is whole."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        return re.search(rb"^%d +\+\+\+ " % pid, file.read(), re.MULTILINE) is not None


def deeds(log: Path, folder: Path, *, before: Iterable[str]) -> list[Deed]:
    """Everything that was done below `folder`, which held the files `before`, and every answer; in order of effect."""
    reading = _Reading(str(folder.resolve()), set(before))
    with log.open(encoding="ascii", errors="replace") as lines:
        found = [deed for call in _whole(lines) for deed in reading.of(call)]
    return sorted(found, key=lambda deed: deed.at)


@dataclass(frozen=True)
class _Call:
    """`said` is what strace adds to the answer; the numbers are those of its lines."""

    name: str
    arguments: str
    answer: int
    said: str
    began: int
    ended: int

    @property
    def strings(self) -> list[bytes]:
        return [_bytes(found) for found in _STRING.findall(self.arguments)]

    @property
    def file(self) -> str:
        """The path behind the descriptor that comes first, or that was opened."""
        found = _BEHIND.search(f"{self.answer}{self.said}" if self.name == "openat" else self.arguments)
        return os.fsdecode(_bytes(found[1])) if found is not None else ""

    @property
    def numbers(self) -> list[int]:
        """The plain numbers among its arguments, from the last one back."""
        return [int(word) for word in reversed(self.arguments.split(", ")) if word.isdecimal()]

    @property
    def descriptor(self) -> int:
        return int(self.arguments.partition("<")[0])


def _whole(lines: Iterable[str]) -> Iterator[_Call]:
    """The calls that came to an end; an answer to a caller also where its end was not seen."""
    begun: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(lines):
        thread, _, text = line.rstrip().partition(" ")
        text = text.strip()
        if text.endswith("<unfinished ...>"):
            begun[thread] = number, text.removesuffix("<unfinished ...>").rstrip()
            if text.startswith("send"):
                yield _Call(text.partition("(")[0], text, 0, "", number, number)
            continue
        began = number
        if text.startswith("<... "):
            began, start = begun.pop(thread)
            text = start + text.partition("resumed>")[2]
        if (found := _CALL.fullmatch(text)) is not None:
            name, arguments, answer, said = found.groups()
            yield _Call(name, arguments, int(answer), said, began, number)


@dataclass
class _Reading:
    """Knows which files there are, and how far each descriptor has got."""

    folder: str
    known: set[str]
    offsets: dict[int, int] = field(default_factory=dict)

    def of(self, call: _Call) -> Iterator[Deed]:
        """What the call did, if it is any of our business."""
        if call.name in ("sendto", "sendmsg"):
            yield from _answers(call)
        elif call.answer >= 0:
            assert call.name not in _FORBIDDEN or not self._touches(call), f"{call.name} must be understood: {call}"
            method = getattr(self, f"_{call.name}", None)
            if method is not None:
                yield from method(call)

    def _ours(self, path: str) -> bool:
        return f"{path}/".startswith(f"{self.folder}/") and not path.endswith(INDEX)

    def _touches(self, call: _Call) -> bool:
        return self._ours(call.file) or any(map(self._ours, self._names(call)))

    def _names(self, call: _Call) -> list[str]:
        """Paths among the arguments; a relative one begins where the daemon was started: in the folder."""
        return [os.path.join(self.folder, os.fsdecode(found)) for found in call.strings]  # noqa: PTH118 - no such file

    def _openat(self, call: _Call) -> Iterator[Deed]:
        path = call.file
        self.offsets[call.answer] = 0
        if not self._ours(path):
            return
        assert "O_APPEND" not in call.arguments, f"appending must be understood: {call}"
        if "O_CREAT" in call.arguments and path not in self.known:
            self.known.add(path)
            yield Made(at=call.ended, path=path)
        elif "O_TRUNC" in call.arguments:
            yield Cut(at=call.began, path=path, size=0)

    def _lseek(self, call: _Call) -> Iterator[Deed]:
        self.offsets[call.descriptor] = call.answer
        yield from ()

    def _write(self, call: _Call) -> Iterator[Deed]:
        offset = self.offsets.get(call.descriptor, 0)
        self.offsets[call.descriptor] = offset + call.answer
        if self._ours(call.file):
            yield Wrote(at=call.began, path=call.file, offset=offset, data=call.strings[0][: call.answer])

    def _pwrite64(self, call: _Call) -> Iterator[Deed]:
        if self._ours(call.file):
            data = call.strings[0][: call.answer]
            assert len(data) == call.answer, "strace cut a string short"
            yield Wrote(at=call.began, path=call.file, offset=call.numbers[0], data=data)

    def _ftruncate(self, call: _Call) -> Iterator[Deed]:
        if self._ours(call.file):
            yield Cut(at=call.began, path=call.file, size=call.numbers[0])

    def _fsync(self, call: _Call) -> Iterator[Deed]:
        if self._ours(call.file) and call.answer == 0:
            yield Synced(at=call.ended, path=call.file, since=call.began)

    _fdatasync = _fsync

    def _rename(self, call: _Call) -> Iterator[Deed]:
        old, new = self._names(call)
        if self._ours(old) or self._ours(new):
            self.known = self.known - {old} | {new}
            yield Renamed(at=call.began, old=old, new=new)

    _renameat = _renameat2 = _rename

    def _link(self, call: _Call) -> Iterator[Deed]:
        old, new = self._names(call)
        if self._ours(new):
            self.known.add(new)
            yield Linked(at=call.began, old=old, new=new)

    def _unlink(self, call: _Call) -> Iterator[Deed]:
        (path,) = self._names(call)
        if self._ours(path):
            self.known.discard(path)
            yield Removed(at=call.began, path=path)

    _unlinkat = _unlink

    def _mkdir(self, call: _Call) -> Iterator[Deed]:
        (path,) = self._names(call)
        if self._ours(path):
            yield Made(at=call.ended, path=path, is_folder=True)

    _mkdirat = _mkdir


def _bytes(hexadecimal: str) -> bytes:
    return bytes.fromhex(hexadecimal.replace("\\x", ""))


def _answers(call: _Call) -> Iterator[Deed]:
    for data in call.strings:
        if data.startswith(b"HTTP/1.1 2") and (found := _REQUEST.search(data)) is not None:
            yield Answered(at=call.began, request=found[1].decode())
