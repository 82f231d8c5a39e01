"""What the log says of requests that are not HTTP as we know it. Used by `daemon.web.server`.

aiohttp answers them itself, with a plain 400, and logs each as an error with a traceback that quotes the bytes.
Anybody who reaches the port can send them, and the bytes may be a misspelt Authorization header.
"""

from __future__ import annotations

import logging

from aiohttp.http_exceptions import HttpProcessingError


class _Quiet(logging.Filter):
    """Turns aiohttp's report of a stranger's mistake into one line of information, without its bytes."""

    def __init__(self, log: logging.Logger) -> None:
        super().__init__()
        self._log = log

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError):
            return True
        record.levelno, record.levelname = logging.INFO, "INFO"
        record.exc_info, record.exc_text = None, None
        record.msg = f"{record.msg}: {type(error).__name__}; answered 400"
        return self._log.isEnabledFor(logging.INFO)


def protocol_log() -> logging.Logger:
    """The logger for aiohttp's protocol."""
    log = logging.getLogger("sitebind.web.protocol")
    if not log.filters:
        log.addFilter(_Quiet(log))
    return log
