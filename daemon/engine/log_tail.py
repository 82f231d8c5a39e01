"""The newest log lines, for a support case: the log itself goes to standard error, where the daemon cannot read it.

Kept as they were written, so that a line costs no second formatting. Served by `daemon.web.logs`.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import Final

MOST_LINES: Final = 500
LONGEST_LINE: Final = 8 * 1024
"""Characters of a kept line: a traceback may be longer, and its end says most."""
_CUT: Final = "[…] "


class LogTail:
    """The newest lines, `MOST_LINES` of `LONGEST_LINE` characters at most. Appending is safe from every thread."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=MOST_LINES)

    def add(self, line: str) -> None:
        """Keep a line; the oldest goes."""
        self._lines.append(line if len(line) <= LONGEST_LINE else _CUT + line[-LONGEST_LINE:])

    def newest(self, most: int) -> list[str]:
        """The newest lines, oldest of them first."""
        lines = list(self._lines)
        return lines[-most:] if most > 0 else []


TAIL: Final = LogTail()
"""One for the process, as logging has one root: a new handler goes on where the one before ended."""


class KeepingHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to its stream as every handler of its kind, and keeps what it wrote."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, which is kept too."""
        line = super().format(record)
        TAIL.add(line)
        return line
