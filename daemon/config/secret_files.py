"""Secrets that were typed into the page or sent to the API: each in a file of its own, so that no other file holds it.

Called by `daemon.engine.editing`. Everything here blocks: call it in a thread.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Collection, Iterable
from pathlib import Path

from daemon.config import filing
from daemon.config.problems import Key
from daemon.config.textfile import Unreadable, read_small
from daemon.durable import sync
from daemon.ports import Secret

FOLDER = "secrets"
"""Beside the configuration file; mode 0700."""
LARGEST_SECRET = 16 * 1024

_LARGEST_FILE = 1024 * 1024
_RANDOM_BYTES = 8


def why_not(secret: Secret) -> str:
    """Why this text cannot be a secret, in words that go after the option's name; empty where it can."""
    text = secret.reveal()
    if not text:
        return "is empty"
    if any(char in text for char in "\n\r\0"):
        return "holds more than one line, or a NUL"
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        size = -1
    if size < 0:
        return "holds a character that UTF-8 does not know"
    return f"is longer than {LARGEST_SECRET // 1024} KiB" if size > LARGEST_SECRET else ""


def new_name(site: str, key: Key) -> str:
    """A file's name that was never used."""
    return f"{site}.{key[0]}.{key[1]}-{secrets.token_hex(_RANDOM_BYTES)}"


def reference(name: str) -> str:
    """How the configuration refers to it."""
    return f"file:{FOLDER}/{name}"


def store(config: Path, name: str, secret: Secret) -> None:
    """Write it, durable, for its owner alone. Raises `daemon.config.filing.NotWritten`."""
    folder = config.with_name(FOLDER)
    with filing.told(config):
        filing.ready(folder)
        filing.create(folder / name, secret.reveal().encode())
        sync(folder)


def discard(config: Path, names: Iterable[str]) -> None:
    """Take back what was stored for a change that was not made. What cannot be removed goes with a later `sweep`."""
    for name in names:
        with contextlib.suppress(OSError):
            (config.with_name(FOLDER) / name).unlink(missing_ok=True)


def sweep(config: Path, site: str, *, in_use: Collection[Path]) -> list[str]:
    """Remove what this site's changes left behind: files that nothing refers to any more. Raises `OSError`.

    Nothing: neither a file beside the configuration (which may be a copy of it) nor the settings in force.
    """
    folder = config.with_name(FOLDER)
    shape = re.compile(re.escape(site) + rf"\.\w+\.\w+-[0-9a-f]{{{2 * _RANDOM_BYTES}}}")
    ours = [file for file in folder.iterdir() if shape.fullmatch(file.name)] if folder.is_dir() else []
    ours = [file for file in ours if file not in in_use]
    beside = [_content(file) for file in config.parent.iterdir()] if ours else []
    gone = [file for file in ours if not any(file.name.encode() in content for content in beside)]
    for file in gone:
        file.unlink(missing_ok=True)
    if gone:
        sync(folder)
    return [file.name for file in gone]


def _content(file: Path) -> bytes:
    try:
        return read_small(file, limit=_LARGEST_FILE).data
    except Unreadable:  # a folder, a socket, the database: no configuration
        return b""
