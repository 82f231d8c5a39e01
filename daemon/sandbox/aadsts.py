"""The identity platform's table of errors, and their body. Used by `identity.py` and by tests that walk the table.

The texts are ours; numbers, `error` and statuses are as documented or recorded, and what is not says "[gap] ours".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NoReturn

from daemon.sandbox.call import Answer, Refusal


@dataclass(frozen=True, slots=True)
class Row:
    """One error: AADSTS number, OAuth error, HTTP status, text."""

    number: int
    error: str
    status: int
    text: str


_ROWS: Final = (
    Row(7000215, "invalid_client", 401, "Invalid client secret provided. Send the secret's value, not its id."),
    Row(7000222, "invalid_client", 401, "The provided client secret keys are expired."),
    Row(700016, "unauthorized_client", 400, "The application was not found in the directory."),
    Row(90002, "invalid_request", 400, "The tenant was not found."),
    Row(900023, "invalid_request", 400, "The tenant identifier is neither a GUID nor a valid domain name."),
    Row(7000216, "invalid_client", 401, "This grant needs a client_secret or a client_assertion."),  # [gap] the status
    Row(7000218, "invalid_client", 401, "The body must hold a client_assertion or client_secret."),  # [gap] the status
    Row(70011, "invalid_scope", 400, "The value of the parameter scope is not valid."),
    Row(1002012, "invalid_scope", 400, "A client credentials scope must be a resource followed by /.default."),
    Row(500011, "invalid_resource", 400, "The resource principal was not found in the tenant."),
    Row(7000112, "unauthorized_client", 401, "The application is disabled."),  # [gap] the error
    Row(53003, "access_denied", 400, "Access has been blocked by Conditional Access policies."),  # [gap] the error
    Row(900144, "invalid_request", 400, "The body lacks a parameter that is required."),  # [gap] the row
    Row(70003, "unsupported_grant_type", 400, "The grant type is not supported."),  # [gap] the row
    Row(90033, "temporarily_unavailable", 503, "A transient error has occurred. Please try again."),  # [gap] the row
    Row(90055, "temporarily_unavailable", 429, "There are too many requests."),  # [gap] the row
)
TABLE: Final[Mapping[int, Row]] = {row.number: row for row in _ROWS}
# [gap] ours: what a number gives that no table names.
_UNKNOWN: Final = "invalid_request", 400, "The request failed."


def row_of(number: int) -> Row:
    """Give the row of a number, or one made up for it."""
    return TABLE.get(number) or Row(number, *_UNKNOWN)


def answer(row: Row, *, marks: Mapping[str, str], at: datetime, url: str, subject: str = "") -> Answer:
    """Build the answer. `subject` says what it is about; `marks` give the trace and correlation id."""
    trace, correlation = marks.get("x-ms-request-id", ""), marks.get("client-request-id", "")
    stamp = f"{at:%Y-%m-%d %H:%M:%SZ}"
    about = f" ({subject})" if subject else ""
    said = f"AADSTS{row.number}: {row.text}{about} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}"
    return Answer(
        status=row.status,
        body={
            "error": row.error,
            "error_description": said,
            "error_codes": [row.number],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"{url}/error?code={row.number}",
        },
        headers={"Cache-Control": "no-store, no-cache", "Pragma": "no-cache"},
    )


def refuse(number: int, *, marks: Mapping[str, str], at: datetime, url: str, subject: str = "") -> NoReturn:
    """Stop handling the call with an error of the table."""
    raise Refusal(answer(row_of(number), marks=marks, at=at, url=url, subject=subject))
