"""What headers say about time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from daemon.providers.answer import Answer, retry_after, service_time

START = datetime(2026, 1, 5, 3, 0, tzinfo=UTC)

CASES = [
    (429, {"Retry-After": "7"}, 7.0),
    (503, {"Retry-After": "7"}, 7.0),
    (503, {"Retry-After": "Mon, 05 Jan 2026 03:00:30 GMT"}, 30.0),
    (503, {"Retry-After": "Mon, 05 Jan 2026 02:00:00 GMT"}, 0.0),
    (429, {"Retry-After": "Mon, 05 Jan 2026 03:00:30"}, 30.0),
    (429, {"X-RateLimit-Reset": "4157"}, 4.157),
    (429, {"Retry-After": "7", "X-RateLimit-Reset": "4157"}, 7.0),
    (200, {"X-RateLimit-Reset": "4157"}, None),
    (429, {}, None),
    (429, {"X-RateLimit-Reset": "soon"}, None),
    (429, {"X-RateLimit-Reset": "-5"}, None),
    (429, {"X-RateLimit-Reset": "nan"}, None),
    (429, {"X-RateLimit-Reset": "inf"}, None),
    (429, {"Retry-After": "soon"}, None),
    (429, {"X-RateLimit-Reset": "1767582000000"}, 3600.0),
]


@pytest.mark.parametrize("status,headers,seconds", CASES)
def test_the_wait_that_is_asked_for(status: int, headers: dict[str, str], seconds: float | None) -> None:
    """Seconds or a date; X-RateLimit-Reset is in milliseconds, and nobody is believed beyond an hour."""
    assert retry_after(status, headers, now=START) == seconds


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Jan 2026 03:00:30 GMT"])
def test_an_unreadable_date_is_no_time(date: str) -> None:
    answer = Answer(status=200, headers={"Date": date}, body=b"", json=None)
    assert service_time(answer) is None
