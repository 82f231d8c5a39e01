"""How a host speaks where not its API answers but what stands before it: no such path, too many calls, an outage.

Given to each `Listener` by `server.py`; asked by `cloud.py` and `disturbance.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING

from daemon.sandbox.call import Answer, failure, gateway_failure

if TYPE_CHECKING:
    from daemon.sandbox.script import Endpoint

Marks = Mapping[str, str]
"""Headers that every answer of the host carries, such as the request's id."""

BARE_OUTAGE = Answer(status=503, body=b"Service Unavailable", headers={"Content-Type": "text/plain"})


class Manner:
    """The manner of API 1.0; hosts that speak otherwise override it. `strike` counts a trouble's hits from 1 on."""

    def marks(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Headers of every answer to a request with these headers."""
        return {}

    def misrouted(self, *, allowed: str | None, marks: Marks) -> Answer:
        """Answer a path that nothing answers, or one that answers to the method `allowed` only."""
        if allowed is None:
            return self._failure(404, "err_not_found", message="No such path")  # [gap] ours: codes and texts
        return self._failure(405, "err_method_not_allowed", message=f"Use {allowed}")

    def throttled(self, endpoint: Endpoint, *, seconds: float, strike: int, marks: Marks) -> Answer:
        """Ask the caller to come back after so many seconds."""
        # [gap] ours: the body of a 429. The headers are as recorded, Reset in milliseconds.
        limits = {
            "X-RateLimit-Limit": "800",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": str(int(seconds * 1000)),
        }
        refused = self._failure(429, "too_many_requests", message="Quota exceeded", retryable=True)
        return Answer(status=refused.status, body=refused.body, headers=limits)

    def failing(self, endpoint: Endpoint, *, strike: int, marks: Marks) -> Answer:
        """Fail on the service's side, in more ways than one."""
        if strike % 2:
            return self._failure(500, "err_platform", message="An unexpected error occurred", retryable=True)
        return BARE_OUTAGE

    def _failure(self, status: int, code: str, *, message: str, retryable: bool = False) -> Answer:
        return failure(status, code, message=message, retryable=retryable)


class GatewayManner(Manner):
    """The manner of API 2.0's gateway."""

    def marks(self, headers: Mapping[str, str]) -> dict[str, str]:
        return {"x-request-id": headers.get("x-request-id") or str(uuid.uuid4())}

    def _failure(self, status: int, code: str, *, message: str, retryable: bool = False) -> Answer:
        return gateway_failure(status, code, message=message)
