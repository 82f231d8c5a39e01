"""Graph's failures: their shape, and the manner of Microsoft's host. Used by `server.py` and the `graph_` modules."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import NoReturn

from daemon.sandbox import aadsts
from daemon.sandbox.call import Answer
from daemon.sandbox.manner import BARE_OUTAGE, Manner, Marks
from daemon.sandbox.script import Endpoint


class GraphRefusal(Exception):
    """A check failed. Graph's `answered` turns it into an answer with the ids of its request."""

    def __init__(self, status: int, code: str, *, message: str, headers: Mapping[str, str]) -> None:
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers

    def answer(self, marks: Marks) -> Answer:
        """Build the answer to the request with these marks."""
        return failure(self.status, self.code, message=self.message, marks=marks, headers=self.headers)


def refuse(status: int, code: str, *, message: str, headers: Mapping[str, str] | None = None) -> NoReturn:
    """Stop handling the call."""
    raise GraphRefusal(status, code, message=message, headers=headers or {})


def bad_request(message: str) -> NoReturn:
    """Stop handling a call that makes no sense."""
    refuse(400, "BadRequest", message=message)


def failure(status: int, code: str, *, message: str, marks: Marks, headers: Mapping[str, str] | None = None) -> Answer:
    """Build a failure in Graph's shape, with the ids that the headers carry too."""
    at = parsedate_to_datetime(marks["Date"])
    inner = {
        "date": f"{at:%Y-%m-%dT%H:%M:%S}",
        "request-id": marks.get("request-id", ""),
        "client-request-id": marks.get("client-request-id", ""),
    }
    body = {"error": {"code": code, "message": message, "innerError": inner}}
    return Answer(status=status, body=body, headers=headers or {})


def throttling(seconds: float) -> dict[str, str]:
    """Give the headers of a 429. Retry-After is in whole seconds."""
    return {
        "Retry-After": str(max(1, round(seconds))),
        "x-ms-throttle-limit-percentage": "1.2",
        "x-ms-throttle-scope": "Tenant_Application/ReadWrite/sandbox",
        "x-ms-throttle-information": "ResourceUnitLimitExceeded",
    }


class MicrosoftManner(Manner):
    """The manner of the host that serves the identity platform, Graph and Exchange Online."""

    def marks(self, headers: Mapping[str, str]) -> dict[str, str]:
        request = str(uuid.uuid4())
        named = headers.get("client-request-id") or request
        return {"request-id": request, "x-ms-request-id": request, "client-request-id": named}

    def misrouted(self, *, allowed: str | None, marks: Marks) -> Answer:
        # [gap] ours: codes and texts.
        if allowed is None:
            return failure(404, "UnknownError", message="Nothing is served on this path.", marks=marks)
        return failure(
            405, "Request_BadRequest", message=f"Specified HTTP method is not allowed: {allowed}.", marks=marks
        )

    def throttled(self, endpoint: Endpoint, *, seconds: float, strike: int, marks: Marks) -> Answer:
        headers = throttling(seconds)
        if endpoint is Endpoint.IDENTITY:
            return _of_identity(90055, marks, headers)
        return failure(429, "TooManyRequests", message="Too many requests.", marks=marks, headers=headers)

    def failing(self, endpoint: Endpoint, *, strike: int, marks: Marks) -> Answer:
        """Fail with 503 and a reason, and with a bare 503, in turn."""
        if strike % 2 == 0:
            return BARE_OUTAGE
        if endpoint is Endpoint.IDENTITY:
            return _of_identity(90033, marks, {})
        return failure(503, "ServiceUnavailable", message="The service is temporarily unavailable.", marks=marks)


def _of_identity(number: int, marks: Marks, headers: Mapping[str, str]) -> Answer:
    at = parsedate_to_datetime(marks["Date"])
    answer = aadsts.answer(aadsts.row_of(number), marks=marks, at=at, url="")
    return Answer(status=answer.status, body=answer.body, headers={**answer.headers, **headers})
