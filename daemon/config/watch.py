"""Notices that a configuration, a secret or a CA file changed. Owned by the supervisor, who then reads all again.

Folders are watched, never files, so that editors' renames and a ConfigMap's `..data` swap are seen; contents are
compared, so that a touched file is no change; a slow poll catches what no event told. Only `IN_CLOSE_WRITE` and
renames wake the loop: a database that is written in the same folder does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

from asyncinotify import Event, Inotify, Mask, Watch

from daemon.config.survey import Folder, FolderKey, Survey, survey
from daemon.ports import Clock

_log = logging.getLogger(__name__)

_MASK = (
    Mask.CLOSE_WRITE | Mask.ATTRIB | Mask.CREATE | Mask.DELETE | Mask.MOVED_FROM | Mask.MOVED_TO
    | Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.ONLYDIR
)  # fmt: skip
_ABOUT_THE_WATCH = Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.UNMOUNT | Mask.IGNORED | Mask.Q_OVERFLOW
_LONGEST_SETTLING = 8


@dataclass(frozen=True, slots=True)
class _Watched:
    """A folder with the kernel's watch on it; None where the kernel refused, and the poll must do."""

    folder: Folder
    watch: Watch | None


class Watcher:
    """Says when the content of what is watched changed. One consumer.

    `debounce` and `poll` are seconds on `clock`. A change that is undone before it was looked at is none.
    """

    def __init__(self, clock: Clock, *, debounce: float = 0.25, poll: float = 30.0) -> None:
        self._clock = clock
        self._debounce = debounce
        self._poll = poll
        self._key = os.urandom(32)
        self._targets: frozenset[Path] = frozenset()
        self._seen: dict[Path, bytes] = {}
        self._folders: dict[FolderKey, _Watched] = {}
        self._inotify: Inotify | None = None
        self._hint = asyncio.Event()
        self._looking = asyncio.Lock()
        self._closed = False

    async def watch(self, targets: Iterable[Path]) -> None:
        """Watch these files and folders (a folder stands for its `*.ini`) instead of the ones before.

        Call it before reading what is watched: what changes afterwards is noticed. A target that is new is no change.
        """
        async with self._looking:
            self._targets = frozenset(target.absolute() for target in targets)
            found = await self._look()
            self._seen = found.digests | {path: self._seen[path] for path in self._seen if path in self._targets}
            if found.digests != self._seen:
                self._hint.set()

    async def changes(self) -> AsyncIterator[None]:
        """Yields once for every change, however many files and events it had; ends after `close`."""
        while True:
            await self._wait_for_hint()
            await self._settle()
            if self._closed:
                return
            if await self._changed():
                yield

    def close(self) -> None:
        """Stop watching; `changes` ends."""
        self._closed = True
        self._hint.set()
        if self._inotify is not None:
            asyncio.get_running_loop().remove_reader(self._inotify.fd)
            self._inotify.close()
            self._inotify = None

    async def _wait_for_hint(self) -> None:
        """Until an event came in or the poll is due."""
        hinted = asyncio.create_task(self._hint.wait(), name="config-watch-hint")
        polled = asyncio.create_task(self._clock.sleep(self._poll), name="config-watch-poll")
        try:
            await asyncio.wait({hinted, polled}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end(hinted, polled)

    async def _settle(self) -> None:
        """Let a burst of events end, but not for ever."""
        for _ in range(_LONGEST_SETTLING):
            if self._closed or not self._hint.is_set():
                return
            self._hint.clear()
            await self._clock.sleep(self._debounce)
        self._hint.clear()

    async def _changed(self) -> bool:
        async with self._looking:
            found = await self._look()
            changed = found.digests != self._seen
            self._seen = found.digests
            return changed

    async def _look(self) -> Survey:
        """Survey until no folder came in that was not watched while it was looked at."""
        while True:
            found = await asyncio.to_thread(survey, self._targets, key=self._key)
            if self._closed or not self._follow(found):
                return found

    def _follow(self, found: Survey) -> bool:
        """Watch the folders of the survey and no others; whether there was a new one."""
        for key in self._folders.keys() - found.folders.keys():
            self._drop(key)
        new = found.folders.keys() - self._folders.keys()
        for key, folder in found.folders.items():
            watch = self._add(folder.path) if key in new else self._folders[key].watch
            self._folders[key] = _Watched(folder, watch)
        return bool(new)

    def _add(self, path: Path) -> Watch | None:
        try:
            if self._inotify is None:
                self._inotify = Inotify()
                # asyncinotify 4.4.4 asks for a non-blocking handle by a wrong flag, and gets a blocking one.
                os.set_blocking(self._inotify.fd, False)
                asyncio.get_running_loop().add_reader(self._inotify.fd, self._drain)
            return self._inotify.add_watch(path, _MASK)
        except OSError as reason:
            _log.warning(
                "cannot watch %s (%s); changes there are noticed within %g seconds instead of at once",
                path, reason.strerror, self._poll,
            )  # fmt: skip
            return None

    def _drop(self, key: FolderKey) -> None:
        watched = self._folders.pop(key)
        if self._inotify is not None and watched.watch is not None:
            with contextlib.suppress(OSError):  # the folder is gone, and its watch with it
                self._inotify.rm_watch(watched.watch)

    def _drain(self) -> None:
        """Turn the kernel's waiting events into a hint."""
        with contextlib.suppress(BlockingIOError):  # all are read
            while self._inotify is not None and (event := self._inotify.sync_get()):
                if self._matters(event):
                    self._hint.set()

    def _matters(self, event: Event) -> bool:
        about = [key for key, watched in self._folders.items() if watched.watch and watched.watch is event.watch]
        if event.mask & _ABOUT_THE_WATCH:
            for key in about:
                self._drop(key)  # it is watched anew, should it still be there
            return bool(about) or Mask.Q_OVERFLOW in event.mask
        return any(self._folders[key].folder.covers(str(event.name)) for key in about)


async def _end(*tasks: asyncio.Task[object]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
