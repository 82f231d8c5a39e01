"""The Unix socket: made with the right owner and mode before anybody can connect, removed when it is ours.

Called by `daemon.web.server`; the functions block for moments, and are called in a thread.
"""

from __future__ import annotations

import grp
import os
import socket
import stat
from pathlib import Path

from daemon.config.model import DaemonSettings


class SocketUnusable(Exception):
    """The socket cannot be had. `str()` says why and what to do."""


class UnixSocket:
    """A socket at a path. `server` is bound and does not listen yet: until then a connection is refused."""

    def __init__(self, path: Path, server: socket.socket) -> None:
        self.path = path
        self.server = server
        self._own = _identity(path)

    def remove(self) -> None:
        """Close and remove it, unless something else has taken its place."""
        self.server.close()
        if _identity(self.path) == self._own:
            self.path.unlink(missing_ok=True)


def make(path: Path, settings: DaemonSettings) -> UnixSocket:
    """Bind the socket with its mode and group. Raises `SocketUnusable`."""
    group = -1 if not settings.socket_group else group_named(settings.socket_group, "socket_group")
    _remove_left_behind(path)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _bind(server, path)
        # The umask decided until here; nobody could connect, since nobody listens yet.
        if group != -1:
            os.chown(path, -1, group)
        path.chmod(settings.socket_mode)
    except OSError as error:
        server.close()
        reason = (error.strerror or str(error)).lower()
        raise SocketUnusable(f"[daemon] socket = {path} cannot be made: {reason}. {_what_to_do(path)}") from None
    return UnixSocket(path, server)


def group_named(name: str, option: str) -> int:
    """The number of a group. Raises `SocketUnusable`."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise SocketUnusable(
            f"[daemon] {option} = {name}: there is no such group. Make it with groupadd, or name another one."
        ) from None


def _bind(server: socket.socket, path: Path) -> None:
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    server.bind(str(path))
    server.settimeout(0)


def _remove_left_behind(path: Path) -> None:
    """A socket of a process that has ended is removed; one in use, or anything else, never is."""
    found = _identity(path)
    if found is None:
        return
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise SocketUnusable(
            f"[daemon] socket = {path}: something that is no socket stands there, and is not removed. "
            "Move it away, or name another path."
        )
    if _answers(path):
        raise SocketUnusable(
            f"[daemon] socket = {path}: another process answers there. Stop it, or name another path; "
            f"ss -xlp | grep {path.name} shows which it is."
        )
    if _identity(path) == found:
        path.unlink(missing_ok=True)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:  # it is there and busy, or not ours to look at: not to be removed
            return True
        return True


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SocketUnusable(f"[daemon] socket = {path} cannot be looked at: {error.strerror}") from None
    return found.st_dev, found.st_ino


def _what_to_do(path: Path) -> str:
    return f"Let the daemon's user write to {path.parent}, name another path, or leave socket empty to have none."
