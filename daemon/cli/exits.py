"""Exit codes, and the one exception with which a command ends early. Used by every command.

The numbers are a contract: scripts, systemd units and container health checks rely on them.
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What the process says to the shell."""

    WELL = 0
    INTERNAL = 1
    USAGE = 2
    NOT_BOUND = 3
    UNREACHABLE = 4
    FAILED = 5
    NOT_ALLOWED = 6


# As shells have it: 128 and the number of the signal.
INTERRUPTED = 130
PIPE_CLOSED = 141


class Failure(Exception):
    """A command cannot go on. The text is for the administrator: what happened, where, what to do next."""

    def __init__(self, text: str, code: Exit) -> None:
        super().__init__(text)
        self.text = text
        self.code = code
