"""Reads one small regular file whole. Used for configuration files, for secrets and by the watcher.

Everything here blocks: call it in a thread.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path


class Unreadable(Exception):
    """A file cannot be read. `str()` says why, in words that go after "cannot be read: "."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a file held. `exposed` when others than its owner may read it."""

    data: bytes = field(repr=False)
    exposed: bool


def read_small(path: Path, *, limit: int) -> Content:
    """The file's bytes, `limit` at most. Raises `Unreadable`; never waits for a pipe's other end."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return _checked(number, limit)
        finally:
            os.close(number)
    except (OSError, ValueError) as reason:  # ValueError: a NUL in the name
        raise Unreadable(_words(reason)) from None


def is_absent(path: Path) -> bool:
    """Whether there is nothing at `path`; False where that cannot be found out, for then reading it says why."""
    try:
        os.stat(path)  # noqa: PTH116 - as `is_folder`
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return False
    return False


def is_folder(path: Path) -> bool:
    """Whether `path` is a folder; False where that cannot be found out, for then reading it says why."""
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises for a folder that may not be entered


def _checked(number: int, limit: int) -> Content:
    found = os.fstat(number)
    if stat.S_ISDIR(found.st_mode):
        raise Unreadable("it is a folder, not a file")
    if not stat.S_ISREG(found.st_mode):
        raise Unreadable("it is not a regular file")
    data = _up_to(number, limit + 1)
    if len(data) > limit:
        raise Unreadable(f"it is larger than {limit // 1024} KiB")
    return Content(data=data, exposed=bool(found.st_mode & 0o077))


def _up_to(number: int, size: int) -> bytes:
    pieces: list[bytes] = []
    while size > 0 and (piece := os.read(number, size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _words(reason: Exception) -> str:
    match reason:
        case FileNotFoundError():
            return "there is no such file"
        case PermissionError():
            return "this user may not read it"
        case OSError():
            return (reason.strerror or "the system refused").lower()
        case _:
            return "its name is not a file name"
