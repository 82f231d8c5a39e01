"""One daemon per database: an flock on a file beside it that says who holds it. Used by the journal."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
from datetime import UTC, datetime
from pathlib import Path

_log = logging.getLogger("sitebind.store")


class DatabaseInUse(Exception):
    """Another process holds the database. `str()` names it and says what to do."""


class Holder:
    """The lock on `<database>.lock`. It ends with the process, whatever happens; the file alone means nothing."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._path = database.with_name(f"{database.name}.lock")
        self._file: int | None = None

    def take(self) -> None:
        """Raises `DatabaseInUse` at once when somebody holds it, OSError when there can be no file."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write(file)
        except BlockingIOError as error:
            who = _read(file)
            os.close(file)
            raise DatabaseInUse(
                f"{self._database} is in use by {who}. Stop that daemon first, or name another file in "
                "[daemon] database; `sitebind status` asks the daemon that is running."
            ) from error
        except OSError:
            os.close(file)
            raise
        self._file = file

    def release(self) -> None:
        """Let others in. The file is not removed: another process may already have it open."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            os.close(file)
        except OSError as error:
            # Linux lets go of it whatever it answers.
            _log.warning("the lock %s could not be closed in order: %s", self._path, error)


def _write(file: int) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    document = {"pid": os.getpid(), "host": socket.gethostname(), "since": now}
    os.ftruncate(file, 0)
    os.pwrite(file, (json.dumps(document) + "\n").encode(), 0)


def _read(file: int) -> str:
    """Who wrote the lock file, for people; it may be half written just now."""
    try:
        found = json.loads(os.pread(file, 4096, 0))
        return f"process {found['pid']} on host {found['host']} since {found['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
