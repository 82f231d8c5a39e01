"""Every call for a file below some folder, as Python makes it: counted, failed at the n-th, and watched.

The calls of SQLite itself do not come this way; see `database_calls`. Neither does what asks for no more than
whether a file may be used (`os.access`), nor inotify.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import io
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, Self
from unittest import mock

from tests.torture.nth import Nth

ERRORS: Final = (errno.EIO, errno.ENOSPC, errno.EACCES)
OPENING: Final = (*ERRORS, errno.EMFILE)
"""By turns; a descriptor too many can be met only by what opens."""

_BY_PATH: Final = (
    "stat", "lstat", "mkdir", "unlink", "chmod", "readlink", "listdir", "scandir", "rename", "replace", "link",
)  # fmt: skip
_BY_NUMBER: Final = (
    "close", "read", "pread", "write", "pwrite", "fsync", "fstat", "fchmod", "fchown", "ftruncate",
)  # fmt: skip
_OPENS: Final = {"open", "listdir", "scandir"}
_OF_FILES: Final = {"read", "write", "flush"}

Seen = Callable[[str, tuple[Any, ...]], None]
"""Told of a call that is about to be made: its name and its arguments."""


class FileCalls:
    """Stands between Python and the files below `folder`; `seen` watches."""

    def __init__(self, folder: Path, nth: Nth, seen: Seen) -> None:
        self._folder = f"{folder}/"
        self._nth = nth
        self._seen = seen
        self._numbers: set[int] = set()

    @contextmanager
    def between(self) -> Iterator[None]:
        """Stand there."""
        with ExitStack() as stack:
            for name in (*_BY_PATH, *_BY_NUMBER):
                self._put(stack, os, name, by_number=name in _BY_NUMBER)
            self._put(stack, fcntl, "flock", by_number=True)
            stack.enter_context(mock.patch.object(os, "open", self._opening(os.open)))
            for module, name in ((io, "open"), (builtins, "open"), (os, "fdopen")):
                stack.enter_context(mock.patch.object(module, name, self._filing(name, getattr(module, name))))
            yield

    def _put(self, stack: ExitStack, module: Any, name: str, *, by_number: bool) -> None:
        real = getattr(module, name)

        def called(*arguments: Any, **options: Any) -> Any:
            if not (arguments and self._ours(arguments[0])):
                return real(*arguments, **options)
            if by_number and name == "close":
                self._numbers.discard(arguments[0])
                return self._closed(lambda: real(*arguments))
            return self._made(name, arguments, lambda: real(*arguments, **options))

        stack.enter_context(mock.patch.object(module, name, called))

    def _ours(self, target: Any) -> bool:
        if isinstance(target, int):
            return target in self._numbers
        try:
            return f"{os.fspath(target)}/".startswith(self._folder)
        except TypeError:
            return False

    def _made(self, name: str, arguments: tuple[Any, ...], real: Callable[[], Any]) -> Any:
        self._seen(name, arguments)
        return self._nth.call(name, real, lambda number: _error(name, number))

    def _closed(self, real: Callable[[], Any]) -> Any:
        """Linux takes the number back whatever it answers."""
        number = self._nth.strikes("close")
        real()
        if number:
            raise _error("close", number)

    def _opening(self, real: Callable[..., int]) -> Callable[..., int]:
        def opened(path: Any, flags: int, *rest: Any, **options: Any) -> int:
            if not self._ours(path):
                number = real(path, flags, *rest, **options)
                self._numbers.discard(number)
                return number
            number = self._made("open", (path, flags), lambda: real(path, flags, *rest, **options))
            self._numbers.add(number)
            return number

        return opened

    def _filing(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def opened(file: Any, *rest: Any, **options: Any) -> Any:
            if not self._ours(file):
                return real(file, *rest, **options)
            if name == "fdopen":
                self._numbers.add(file)
                return _File(real(file, *rest, **options), self._made)
            return _File(self._made("open", (file, 0), lambda: real(file, *rest, **options)), self._made)

        return opened


class _File:
    """A file object whose reading and writing are calls too."""

    def __init__(self, real: Any, made: Callable[[str, tuple[Any, ...], Callable[[], Any]], Any]) -> None:
        self._real = real
        self._made = made

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._real.close()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if name not in _OF_FILES:
            return found
        return lambda *arguments: self._made(name, arguments, lambda: found(*arguments))


def _error(name: str, number: int) -> OSError:
    among = OPENING if name in _OPENS else ERRORS
    code = among[number % len(among)]
    return OSError(code, os.strerror(code))
