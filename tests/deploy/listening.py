"""The service manager's end of the notify socket, for tests that are the service manager."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tests.acceptance.processes import LONGEST

Message = dict[str, str]


class Listening:
    """Receives what a daemon tells, message by message, at a path or under an abstract name (`@…`)."""

    def __init__(self, name: str | Path) -> None:
        self.name = str(name)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.name.replace("@", "\0", 1) if self.name.startswith("@") else self.name)
        self.heard: list[Message] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def message(self, *, within: float = LONGEST) -> Message | None:
        """The next message; None when none comes in time."""
        self._socket.settimeout(within)
        try:
            text = self._socket.recv(65536).decode()
        except TimeoutError:
            return None
        said = dict(line.split("=", 1) for line in text.split("\n"))
        self.heard.append(said)
        return said

    def until(self, wanted: Callable[[Message], bool], why: str, *, within: float = LONGEST) -> Message:
        """The next message that is wanted; those before it stand in `heard`."""
        end = time.monotonic() + within
        while (said := self.message(within=max(0.01, end - time.monotonic()))) is not None:
            if wanted(said):
                return said
        raise AssertionError(f"never told: {why}; heard: {self.heard}")

    def status(self, text: str) -> Message:
        """The message that shows this line."""
        return self.until(lambda said: said.get("STATUS") == text, text)

    def silent_for(self, seconds: float, key: str) -> bool:
        """Whether nothing with this key comes meanwhile."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            said = self.message(within=left)
            if said is not None and key in said:
                return False
        return True


def abstract_name() -> str:
    return f"@sitebind-test-{os.getpid()}-{time.monotonic_ns()}"
