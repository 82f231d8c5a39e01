"""A problem of the process that lasts while something fails, is logged once for each reason, and goes by itself."""

from __future__ import annotations

import logging
from typing import Final

from daemon.ports import Clock
from states import Problem

_log: Final = logging.getLogger("sitebind.engine")


class LastingProblem:
    """`code` names it in health answers; `what` is what fails, for the log."""

    def __init__(self, code: str, what: str, *, clock: Clock) -> None:
        self._code = code
        self._what = what
        self._clock = clock
        self.problem: Problem | None = None

    def failed(self, text: str, remedy: str) -> None:
        """It failed, once more or for another reason."""
        if self.problem is None or self.problem.text != text:
            _log.warning("%s. What to do: %s", text, remedy)
        since = self._clock.now() if self.problem is None else self.problem.since
        self.problem = Problem(code=self._code, severity="warning", text=text, remedy=remedy, since=since)

    def over(self) -> None:
        """It works."""
        if self.problem is not None:
            _log.warning("%s again; it was not since %s", self._what, self.problem.since.isoformat())
            self.problem = None
