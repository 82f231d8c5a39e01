"""Every error as a problem document (RFC 9457). Raised anywhere in `daemon.web`, written by `daemon.web.gate`.

`code` is stable and is what a program looks at; `detail` is for the administrator. `remedy`, `findings` and the
like are further members where they help.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from daemon.engine.config_views import ConfigManaged, ConfigNotWritten
from daemon.engine.operations import RequestRefused, UnknownBind, UnknownSite
from daemon.ports import JournalUnavailable, ProviderFault
from daemon.web.answers import encode

_log = logging.getLogger("sitebind.web")

CONTENT_TYPE: Final = "application/problem+json"
_CODES: Final = {404: "not-found", 405: "method-not-allowed", 413: "too-large"}
_RETRY_JOURNAL_AFTER: Final = "5"
_RETRY_UPSTREAM_AFTER: Final = 5.0


class HttpProblem(Exception):
    """An answer that is not the one hoped for. `members` are added to the document."""

    def __init__(
        self, status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers or {}
        self.members = members


def understood(error: Exception, request_id: str) -> HttpProblem:
    """The problem behind anything that a handler raised; what nobody foresaw is logged and becomes a 500."""
    problem = _understood(error)
    if problem is None:
        _log.error("a request failed in a way that nobody foresaw", exc_info=error, extra={"request_id": request_id})
        return _unforeseen()
    return problem


def problem_response(problem: HttpProblem, request_id: str) -> web.Response:
    """A problem as a document for programs."""
    return web.Response(
        status=problem.status,
        body=encode(document(problem, request_id)),
        headers={
            "Content-Type": CONTENT_TYPE,
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            **problem.headers,
        },
    )


def document(problem: HttpProblem, request_id: str) -> dict[str, Any]:
    """A problem as a document."""
    return {
        "type": f"urn:sitebind:problem:{problem.code}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": request_id,
        **problem.members,
    }


def _understood(error: Exception) -> HttpProblem | None:
    match error:
        case HttpProblem():
            return error
        case RequestRefused():
            return _refused(error)
        case UnknownSite():
            return HttpProblem(
                404, "unknown-site", f"There is no site {error.args[0]!r}. GET /api/v1/sites lists all of them."
            )
        case UnknownBind():
            return HttpProblem(404, "unknown-bind", f"The site has no bind {error.args[0]!r}.")
        case JournalUnavailable():
            headers = {"Retry-After": _RETRY_JOURNAL_AFTER}
            return HttpProblem(503, "journal-unavailable", f"Nothing was done: {error}", headers=headers)
        case ProviderFault():
            return _upstream(error)
        case ConfigManaged():
            return HttpProblem(409, "config-managed-externally", error.reason)
        case ConfigNotWritten():
            return HttpProblem(503, "config-not-written", error.reason)
        case web.HTTPException():
            return _of_aiohttp(error)
        case _:
            return None


def _refused(error: RequestRefused) -> HttpProblem:
    members: dict[str, Any] = {}
    if error.findings:
        members["findings"] = list(error.findings)
    if error.bind_id is not None:
        members["bind_id"] = error.bind_id
    return HttpProblem(409, error.code, error.reason, **members)


def _upstream(error: ProviderFault) -> HttpProblem:
    """What was asked behind the daemon failed: 503 for what heals by itself, 502 for what a person must mend."""
    wait = error.retry_after if error.retry_after is not None else _RETRY_UPSTREAM_AFTER
    heals = error.fault.heals_by_itself
    headers = {"Retry-After": str(math.ceil(wait))} if heals else {}
    members = {"fault": error.fault.code, "remedy": error.fault.remedy}
    return HttpProblem(503 if heals else 502, "directory-failed", error.detail, headers=headers, **members)


def _of_aiohttp(error: web.HTTPException) -> HttpProblem:
    allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    details = {
        404: "Nothing is served under this path. GET /openapi.json describes everything that is.",
        405: f"This path does not know the method; it knows {allow.get('Allow', 'others')}.",
        413: "The body is larger than 64 KiB.",
    }
    code = _CODES.get(error.status, error.reason.lower().replace(" ", "-"))
    return HttpProblem(error.status, code, details.get(error.status, error.reason), headers=allow)


def _unforeseen() -> HttpProblem:
    return HttpProblem(
        500,
        "internal",
        "This is a defect in sitebind. The log holds the traceback under this request id.",
        remedy="Report it with the log lines of this request id, then try again.",
    )
