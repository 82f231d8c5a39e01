"""Many calls in one: `POST /v1.0/$batch`. Routed to by `graph.py`.

Each call inside is authorised, throttled and answered by itself; the batch as a whole is well (200) even where
none of them is. The answers come in another order than the calls, as they may.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from multidict import CIMultiDict

from daemon.sandbox.call import Answer, Call
from daemon.sandbox.cloud import Route
from daemon.sandbox.graph_failures import MicrosoftManner, bad_request, failure
from daemon.sandbox.script import Script, Trouble

MOST: Final = 20
PLAYED: Final = frozenset({Trouble.THROTTLED, Trouble.SERVICE_ERROR})
"""Troubles that strike the calls inside, not the batch."""

Find = Callable[[str, str], Route | None]


class Batch:
    """The handler. `find` gives what answers a call inside."""

    def __init__(self, *, script: Script, find: Find) -> None:
        self._script = script
        self._find = find
        self._manner = MicrosoftManner()

    def answer(self, call: Call) -> Answer:
        """Answer every call inside."""
        asked = _requests(call)
        responses = [self._one(request, call) for request in asked]
        return Answer(body={"responses": responses[::-1]})

    def _one(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        inner = _inner(request, call, marks={**call.marks, **self._manner.marks(call.headers)})
        answer = self._disturbed(inner) or self._answered(inner)
        headers = {"Content-Type": "application/json", "request-id": inner.marks["request-id"], **answer.headers}
        body = None if isinstance(answer.body, bytes) else answer.body
        return {"id": request["id"], "status": answer.status, "headers": headers, "body": body}

    def _disturbed(self, call: Call) -> Answer | None:
        struck = self._script.strikes(Trouble.THROTTLED, call.endpoint)
        if struck is not None:
            return self._manner.throttled(
                call.endpoint, seconds=struck.seconds, strike=struck.strikes, marks=call.marks
            )
        struck = self._script.strikes(Trouble.SERVICE_ERROR, call.endpoint)
        if struck is not None:
            return self._manner.failing(call.endpoint, strike=struck.strikes, marks=call.marks)
        return None

    def _answered(self, call: Call) -> Answer:
        route = self._find(call.method, call.path)
        if route is None or route.endpoint is not call.endpoint or route.plays:
            return failure(400, "BadRequest", message="This path cannot stand in a batch.", marks=call.marks)
        if route.method != call.method:
            return self._manner.misrouted(allowed=route.method, marks=call.marks)
        return route.handle(call)


def _requests(call: Call) -> list[dict[str, Any]]:
    """Read the calls inside, or refuse the batch as a whole."""
    try:
        document = json.loads(call.body)
    except ValueError:
        bad_request("Unable to read JSON request payload.")
    asked = document.get("requests") if isinstance(document, dict) else None
    if not isinstance(asked, list) or not asked:
        bad_request("Invalid batch payload format.")
    if len(asked) > MOST:
        bad_request(f"Number of batch request steps exceeds the maximum value of {MOST}.")
    if not all(_well_formed(request) for request in asked):
        bad_request("Invalid batch request: each needs a text id, a method, and a url that begins with a slash.")
    if len({request["id"] for request in asked}) < len(asked):
        bad_request("Request Id has to be unique in a batch.")
    return asked


def _well_formed(request: Any) -> bool:
    """Tell whether a call inside can be read. [gap] ours: bodies and `dependsOn` are not served."""
    return (
        isinstance(request, dict)
        and not request.keys() - {"id", "method", "url", "headers"}
        and all(isinstance(request.get(name), str) and request[name] for name in ("id", "method", "url"))
        and request["url"].startswith("/")
        and isinstance(request.get("headers", {}), dict)
        and all(isinstance(value, str) for value in request.get("headers", {}).values())
    )


def _inner(request: dict[str, Any], call: Call, *, marks: dict[str, str]) -> Call:
    """Make the call inside; who calls is said by the batch alone."""
    path, _, query = request["url"].partition("?")
    headers = CIMultiDict(request.get("headers", {}))
    headers["Authorization"] = call.headers.get("Authorization", "")
    return replace(
        call,
        path=f"/v1.0{unquote(path)}",
        query=dict(parse_qsl(query, keep_blank_values=True)),
        raw_query=query,
        headers=headers,
        body=b"",
        method=request["method"].upper(),
        marks=marks,
    )
