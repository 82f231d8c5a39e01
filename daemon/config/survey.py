"""One look at everything that is watched: a digest of each target, and the folders whose events would tell of a change.

Called by `daemon.config.watch` in a thread: everything here blocks.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from daemon.config.ini import LARGEST_FILE, files_of, is_config_name
from daemon.config.textfile import Unreadable, is_folder, read_small

FolderKey = tuple[int, int]
"""A folder's device and inode: what stays when its name leads elsewhere."""

_CONFIG_FILES = "*.ini"
_MOST_LINKS = 40


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder to watch, and the names in it that matter."""

    path: Path
    names: frozenset[str]

    def covers(self, name: str) -> bool:
        """Whether something that happened to `name` may be a change."""
        return name in self.names or (_CONFIG_FILES in self.names and is_config_name(name))


@dataclass(slots=True)
class Survey:
    """What one look found. Digests are keyed, so that they tell nothing of a secret."""

    digests: dict[Path, bytes] = field(default_factory=dict)
    folders: dict[FolderKey, Folder] = field(default_factory=dict)


def survey(targets: Iterable[Path], *, key: bytes) -> Survey:
    """Look at every target: a file, or a folder that stands for its configuration files."""
    found = Survey()
    names: dict[Path, set[str]] = {}
    for target in targets:
        files = _listing(target)
        found.digests[target] = _digest([target] if files is None else files, key)
        for folder, name in _trails(target, files):
            names.setdefault(folder, set()).add(name)
    for folder, wanted in names.items():
        _add_folder(found, folder, wanted)
    return found


def trail(path: Path) -> Iterator[tuple[Path, str]]:
    """The (folder, name) pairs on which it depends what `path` leads to.

    That is its last name, every symbolic link on the way, and where the way ends early the first name that is missing.
    """
    pending = list(reversed(path.parts[1:]))
    current = Path("/")
    links = 0
    while pending and links < _MOST_LINKS:
        name = pending.pop()
        here = current.parent if name == ".." else current / name
        link = _link(here)
        if link is not None:
            links += 1
            pending += reversed(link.parts[1:] if link.is_absolute() else link.parts)
            yield current, name
            current = Path("/") if link.is_absolute() else current
            continue
        if not pending or not is_folder(here):
            yield current, name
            return
        current = here


def _link(path: Path) -> Path | None:
    try:
        return path.readlink()
    except OSError:  # no link, or nothing at all
        return None


def _listing(target: Path) -> list[Path] | None:
    """The configuration files of a folder; None for anything else."""
    if not is_folder(target):
        return None
    try:
        return files_of(target)
    except OSError:  # it may not be read, or it went away: the digest of nothing, and looked at again later
        return []


def _trails(target: Path, files: list[Path] | None) -> Iterator[tuple[Path, str]]:
    yield from trail(target)
    if files is None:
        return
    yield Path(os.path.realpath(target)), _CONFIG_FILES
    for file in files:
        if file.is_symlink():
            yield from trail(file)


def _add_folder(found: Survey, folder: Path, names: set[str]) -> None:
    try:
        status = folder.stat()
    except OSError:  # it went away while it was looked at; the event that says so follows
        return
    key = (status.st_dev, status.st_ino)
    earlier = found.folders.get(key)
    found.folders[key] = Folder(folder, frozenset(names) | (earlier.names if earlier else frozenset()))


def _digest(files: list[Path], key: bytes) -> bytes:
    whole = hashlib.blake2b(key=key)
    for file in files:
        whole.update(hashlib.blake2b(file.name.encode(errors="surrogateescape"), key=key).digest())
        whole.update(_content(file, key))
    return whole.digest()


def _content(file: Path, key: bytes) -> bytes:
    try:
        content = read_small(file, limit=LARGEST_FILE)
    except Unreadable as reason:
        return hashlib.blake2b(str(reason).encode(), key=key, person=b"unreadable").digest()
    # Who may read a file decides whether a secret may stand in it.
    return hashlib.blake2b(content.data, key=key, person=b"exposed" if content.exposed else b"own").digest()
