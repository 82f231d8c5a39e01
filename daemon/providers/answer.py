"""What came back from the service, as plain values, and what its headers say about time.

Made by `http.py`, judged by `envelope.py`, `graph_answer.py` and the modules of EWS and autodiscover.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

_LONGEST_WAIT: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole response. `json` is None for anything that is not JSON; nothing of the content is in the repr.

    `retry_after` is what the service asked for, in seconds; `request_id` names the call for its support.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    json: Any = field(repr=False)
    request_id: str = ""
    retry_after: float | None = None

    @property
    def size(self) -> int:
        """The length of the body in bytes."""
        return len(self.body)

    @property
    def kind(self) -> str:
        """The content type, as it was written; foreign text."""
        return self.headers.get("Content-Type", "")


def retry_after(status: int, headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Seconds to wait, from Retry-After (seconds or a date), else after a 429 from X-RateLimit-Reset.

    The latter counts in milliseconds. An hour is the most that is believed.
    """
    asked = headers.get("Retry-After", "").strip()
    if asked:
        when = _date(asked)
        seconds = unsigned(asked) if when is None else max(0.0, (when - now).total_seconds())
    elif status == 429:
        milliseconds = unsigned(headers.get("X-RateLimit-Reset", "").strip())
        seconds = None if milliseconds is None else milliseconds / 1000
    else:
        seconds = None
    return None if seconds is None else min(seconds, _LONGEST_WAIT)


def service_time(answer: Answer) -> datetime | None:
    """The time that the service believes, from the Date header."""
    return _date(answer.headers.get("Date", ""))


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def unsigned(text: str) -> float | None:
    """A number from a header; None for anything that is not finite and at least 0."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
