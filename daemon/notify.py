"""systemd's way of hearing from a daemon: one datagram a message to $NOTIFY_SOCKET, as sd_notify(3) has it.

Where the variable is not set nobody listens, and nothing here is made. Called by the composition root.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

_log = logging.getLogger("sitebind.notify")

_PATIENCE = 1.0
"""Seconds that a message may wait for room: the loop waits with it, and without room systemd itself is in trouble."""


class NotifySocket:
    """Where the service manager listens: a path, or an abstract name (`@name`)."""

    def __init__(self, name: str) -> None:
        address = os.fsencode(name)
        self._address = b"\0" + address[1:] if address.startswith(b"@") else address

    def tell(self, *assignments: str) -> None:
        """Send assignments (`READY=1`) as one message. What cannot be delivered is logged and never raised."""
        message = "\n".join(" ".join(one.splitlines()) for one in assignments)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(_PATIENCE)
                sender.sendto(message.encode(errors="replace"), self._address)
        except OSError as error:
            _log.warning("the service manager could not be told %s: %s", ", ".join(assignments), error)


def notify_socket(environment: Mapping[str, str]) -> NotifySocket | None:
    """The service manager's socket, where there is one that can be spoken to."""
    name = environment.get("NOTIFY_SOCKET", "")
    if not name:
        return None
    if not name.startswith(("/", "@")) or len(name) < 2:
        _log.warning("NOTIFY_SOCKET is neither a path nor an abstract name; the service manager is told nothing")
        return None
    return NotifySocket(name)


def watchdog_seconds(environment: Mapping[str, str]) -> float | None:
    """After how long a silence the service manager ends this process; None where it does not."""
    wanted = environment.get("WATCHDOG_USEC", "")
    if not wanted.isdecimal() or not int(wanted):
        return None
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None  # it is meant for another process
    return int(wanted) / 1_000_000
