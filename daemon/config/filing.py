"""Puts a configuration file in the place of another so that a crash leaves the old one or the new one, whole.

Called by `daemon.engine.editing`. Everything here blocks: call it in a thread, one at a time for a folder.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from daemon.durable import sync

_log = logging.getLogger("sitebind.configuration")

BACKUPS = "backups"
"""The folder beside the file where it is kept as it was before a change."""
KEPT_BACKUPS = 10
CONFIG_MAP_LINK = "..data"

_ELSEWHERE = "Change it where it comes from; the change is picked up here by itself."
_NOT_OURS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EXDEV}


class NotWritten(Exception):
    """The file is what it was. `str()` is a sentence; `managed` when it is not ours to write."""

    def __init__(self, text: str, *, managed: bool = False) -> None:
        super().__init__(text)
        self.managed = managed


class Overtaken(NotWritten):
    """Somebody else changed the file in this very moment; theirs stays."""


def why_managed(path: Path) -> str:
    """Why the file cannot be changed from here, in a sentence; empty where it can."""
    try:
        if path.is_symlink():
            return _linked(path)
        found = path.stat()
    except OSError as reason:
        return f"{path.name} cannot be looked at: {_words(reason)}. {_ELSEWHERE}"
    if not found.st_mode & 0o222:
        return f"{path.name} is marked read-only. Change it by other means, or let its owner write to it: chmod u+w."
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK | os.X_OK):
        return f"{path.name} or its folder is read-only for this process. {_ELSEWHERE}"
    if os.geteuid() != 0 and (found.st_uid != os.geteuid() or found.st_gid not in {os.getegid(), *os.getgroups()}):
        return f"{path.name} belongs to another user or group, and a file from here would not. {_ELSEWHERE}"
    return ""


def replace(path: Path, data: bytes, *, over: bytes) -> None:
    """Put the content in the place of `over`, with the mode and owner of the file; durable afterwards.

    Raises `NotWritten`, and `Overtaken` where `over` is not what stands there.
    """
    fresh = path.with_name(f".{path.name}.new")  # hidden: in a folder of sites it is none
    with told(path):
        found = path.stat()
        fresh.unlink(missing_ok=True)
        try:
            create(fresh, data, like=found)
            _still(path, over)
            fresh.rename(path)
        except (OSError, Overtaken):
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise
    try:
        sync(path.parent)
    except OSError as reason:  # it is in place all the same
        _log.warning("the change of %s may not survive a power failure: %s", path, _words(reason))


def keep(path: Path, data: bytes, *, at: datetime) -> str:
    """Put the content aside as it was before a change; the backup's place beside the file. Raises `NotWritten`."""
    folder = path.with_name(BACKUPS)
    with told(path):
        ready(folder)
        stem = f"{path.name}.bak-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        taken = {entry.name for entry in folder.iterdir()}
        name = next(name for name in _numbered(stem) if name not in taken)
        create(folder / name, data)
        # By name and not by time: after the clock was set back the new one comes first.
        for old in [one for one in _backups(folder, path.name) if one.name != name][: 1 - KEPT_BACKUPS]:
            old.unlink()
        sync(folder)
    return f"{BACKUPS}/{name}"


def ready(folder: Path) -> None:
    """Make a private folder, or see that the one that is there is private. Raises `OSError`."""
    if not folder.is_dir():
        folder.mkdir(mode=0o700)
        sync(folder.parent)
    if stat.S_IMODE(folder.stat().st_mode) & 0o022:
        raise PermissionError(errno.EACCES, f"others may write to the folder {folder.name}")


def create(path: Path, data: bytes, *, like: os.stat_result | None = None) -> None:
    """A new file on the disk: mode 0600, or mode and owner `like` another's. Raises `OSError`; nothing is left then."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(number, "wb") as file:
            if like is not None:
                _dress(number, like)
            file.write(data)
            file.flush()
            os.fsync(number)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


@contextmanager
def told(path: Path) -> Iterator[None]:
    """What the system refuses while `path` is to be changed, as a sentence."""
    try:
        yield
    except OSError as reason:
        managed = reason.errno in _NOT_OURS
        then = _ELSEWHERE if managed else "Nothing was changed; make room or mend the disk, then try again."
        refusal = NotWritten(f"{path.name} could not be written: {_words(reason)}. {then}", managed=managed)
    else:
        return
    raise refusal


def _still(path: Path, expected: bytes) -> None:
    if path.read_bytes() != expected:
        raise Overtaken(f"{path.name} was changed by somebody else in this very moment. Nothing was written.")


def _dress(number: int, like: os.stat_result) -> None:
    now = os.fstat(number)
    if (now.st_uid, now.st_gid) != (like.st_uid, like.st_gid):
        os.fchown(number, like.st_uid, like.st_gid)
    os.fchmod(number, stat.S_IMODE(like.st_mode))


def _linked(path: Path) -> str:
    target = path.readlink()
    if CONFIG_MAP_LINK in target.parts:
        return f"{path.name} comes from a ConfigMap. Change the ConfigMap; the change is picked up here by itself."
    return f"{path.name} is a symbolic link. {_ELSEWHERE}"


def _numbered(stem: str) -> Iterator[str]:
    """Backups of the same second: by name they stay in the order of their time."""
    yield stem
    yield from (f"{stem}-{number:03}" for number in range(1, 1000))


def _backups(folder: Path, name: str) -> list[Path]:
    shape = re.compile(re.escape(name) + r"\.bak-\d{8}T\d{6}Z(-\d{3})?")
    return sorted(entry for entry in folder.iterdir() if shape.fullmatch(entry.name))


def _words(reason: OSError) -> str:
    return (reason.strerror or "the system refused").lower()
