"""Checkpoints: where the trail ended, signed and appended to a file in a second place. Used by the engine and the CLI.

Each is a line of canonical JSON, as `daemon.store.signing` writes it. A line that was torn by a crash is ended by the
next checkpoint, so that it spoils no other.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from daemon.audit_ports import SealingFailed
from daemon.durable import sync
from daemon.ports import Seal, Secret
from daemon.store.chain import Head, moment
from daemon.store.journal import SqliteJournal
from daemon.store.signing import line, seal_of, sealed_by
from daemon.threads import AllTaken, Threads

_MEND: Final = "Make it writable for the daemon's user, or name another file in [daemon] checkpoint_file."


class SqliteCheckpoints:
    """Implements `daemon.audit_ports.Checkpoints` beside the journal."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal
        self._threads = Threads(2)
        self._turn = threading.Lock()

    @property
    def last_seq(self) -> int:
        return self._journal.last_seq

    async def write(self, file: Path, *, key: Secret, at: datetime, seconds: float) -> int:
        # What was acknowledged is signed, not what is in the database now: that may have been rewritten since.
        head, first = self._journal.head, self._journal.first_seq
        seal = checkpoint(head, records=head.seq - first + 1, key=key, at=at)
        try:
            await self._threads.run(partial(self._append, file, seal, seconds=seconds), seconds=seconds)
        except (TimeoutError, AllTaken):
            reason = f"it did not answer within {seconds:.0f} s"
        except OSError as error:
            reason = error.strerror or str(error)
        else:
            return head.seq
        raise SealingFailed(f"the checkpoint file {file} cannot be written: {reason}", _MEND)

    def _append(self, file: Path, seal: Seal, *, seconds: float) -> None:
        """Behind the one before, whose wait was cancelled or given up; raises `TimeoutError` where that hangs."""
        if not self._turn.acquire(timeout=seconds):
            raise TimeoutError
        try:
            append(file, seal)
        finally:
            self._turn.release()


def checkpoint(head: Head, *, records: int, key: Secret, at: datetime) -> Seal:
    """A signed checkpoint of a trail that ends in `head` and holds so many records. Raises `SealingFailed`."""
    return sealed_by(key, Seal(kind="checkpoint", seq=head.seq, hash=head.hash, count=records, at=moment(at)))


def append(path: Path, seal: Seal) -> None:
    """Write a line at the end, durably; the file is made, its folder is not. Blocks. Raises OSError."""
    # Not waited for: a pipe has no end. Append-only files (chattr +a) want O_APPEND, and let everybody read.
    flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    fresh = not path.exists()
    number = os.open(path, flags | os.O_CREAT, 0o644)
    try:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is no file")
        torn = status.st_size > 0 and os.pread(number, 1, status.st_size - 1) != b"\n"
        text = f"\n{line(seal)}\n".encode() if torn else f"{line(seal)}\n".encode()
        if os.write(number, text) != len(text):
            raise OSError("there was room for a part of the line only")
        os.fsync(number)
    finally:
        os.close(number)
    if fresh:
        sync(path.parent)


class Entry(NamedTuple):
    """A line of a checkpoint file. Without a seal it is torn, or with `whole` it holds another thing."""

    number: int
    seal: Seal | None
    whole: bool = True


def entries(lines: Iterable[str]) -> Iterator[Entry]:
    """What each line of a checkpoint file holds; empty ones are left out."""
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            yield Entry(number, seal_of(text))
        except (ValueError, RecursionError):
            yield Entry(number, None, whole=False)
