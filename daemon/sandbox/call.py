"""One call to the simulated service and the answer to it, free of sockets; and the shapes of the bodies.

The APIs and the control are plain functions from `Call` to `Answer`; `cloud.py` carries them over HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from daemon.sandbox.keys import Allowance, Standing
    from daemon.sandbox.script import Endpoint


@dataclass(slots=True, kw_only=True)
class Call:
    """A request. `service_time` is what the service believes (see clock-skew), `now` what is true.

    `connection` tells apart the connections that calls come over, for sign-ins that belong to one (NTLM).
    `raw_query` is the query as it was sent; `marks` are headers that the answer will carry, such as its id.
    """

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    endpoint: Endpoint
    now: datetime
    service_time: datetime
    method: str = "POST"
    connection: object = None
    raw_query: str = ""
    marks: Mapping[str, str] = field(default_factory=dict)
    standing: Standing | None = None

    def spend(self, allowance: Allowance) -> bool:
        """Charge the call to an allowance; answers whether it is still within it."""
        self.standing = allowance.spend(self.now)
        return not self.standing.exceeded


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response. A body that is not bytes travels as JSON."""

    status: int = 200
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """A check failed; `answer` is what the caller gets."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def success(*data: object) -> Answer:
    """Wrap data as every `/api/...` path does."""
    return Answer(body={"meta": {"status": 200}, "data": list(data), "fail": []})


def failure(
    status: int,
    code: str,
    *,
    message: str,
    key: object = None,
    field_name: str | None = None,
    retryable: bool = False,
) -> Answer:
    """Build a failure of the service: `fail[].errors[]`, `key` is the failing item."""
    error: dict[str, object] = {"code": code, "message": message, "retryable": retryable}
    if field_name is not None:
        error["field"] = field_name
    item: dict[str, object] = {"errors": [error]}
    if key is not None:
        item["key"] = key
    return Answer(status=status, body={"meta": {"status": status}, "data": [], "fail": [item]})


def gateway_failure(status: int, code: str, *, message: str) -> Answer:
    """Build a failure of API 2.0's gateway: `fail[]` without a level of `errors`."""
    return Answer(status=status, body={"fail": [{"code": code, "message": message}]})


def refuse(status: int, code: str, *, message: str, key: object = None, field_name: str | None = None) -> NoReturn:
    """Stop handling the call with a failure of the service."""
    raise Refusal(failure(status, code, message=message, key=key, field_name=field_name))


def first_item(call: Call) -> dict[str, Any]:
    """Read `{"data": [item]}` and give the item, {} when the list is empty; anything else is a 400."""
    try:
        document = json.loads(call.body)
    except ValueError:
        refuse(400, "err_malformed_request", message="The body is not JSON")  # [gap] ours: code and text
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        refuse(400, "err_malformed_request", message="The body has no data array")  # [gap] ours: code and text
    return data[0] if data else {}
