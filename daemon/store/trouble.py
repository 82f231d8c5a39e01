"""SQLite's and the disk's errors in the administrator's words. Used by the journal and the vault."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from daemon.ports import JournalUnavailable

# By the beginning of SQLite's name for the error.
_LOCKED = "another program holds it locked. End that program (a backup, or an open sqlite3 shell)"
_WORDS = {
    "SQLITE_FULL": "the disk is full. Free space there; recording goes on by itself",
    "SQLITE_READONLY": "it is read-only. Check owner and mode of the file and its folder, and how the disk is mounted",
    "SQLITE_IOERR": "the disk reported an input/output error. Look at the kernel's log and the disk's health, "
    "then run `sitebind audit verify`",
    "SQLITE_BUSY": _LOCKED,
    "SQLITE_LOCKED": _LOCKED,
    "SQLITE_CORRUPT": "the file is damaged. Restore a backup (`sitebind restore BACKUP`), which keeps the damaged "
    "file beside it for the inquiry",
    "SQLITE_NOTADB": "the file is not an SQLite database. Restore a backup (`sitebind restore BACKUP`), or name "
    "another file in [daemon] database",
    "SQLITE_CANTOPEN": "it cannot be opened. Check that it exists and that this user may use it and its folder",
    "SQLITE_CONSTRAINT": "another program wrote into it. Find out which, and run `sitebind audit verify`",
}


def unavailable(error: sqlite3.Error | OSError, path: Path) -> JournalUnavailable:
    """The exception for callers; it names the file, the cause and what to do."""
    name = getattr(error, "sqlite_errorname", "")
    for beginning, words in _WORDS.items():
        if name.startswith(beginning):
            return JournalUnavailable(f"the journal {path} cannot be used: {words} ({name})")
    return JournalUnavailable(f"the journal {path} cannot be used: {error}")


def is_damage(error: sqlite3.Error) -> bool:
    """Whether what is stored is broken, as opposed to what lies around it."""
    # Text that is no UTF-8 any more is Python's finding, and has no name of SQLite's.
    return getattr(error, "sqlite_errorname", "SQLITE_CORRUPT").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))
