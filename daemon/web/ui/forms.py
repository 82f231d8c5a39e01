"""Reads the forms of the page, each of which proves that we made it for this very browser."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from daemon.web.errors import HttpProblem
from daemon.web.requests import BODY_WITHIN
from daemon.web.sessions import Sessions, cookie_of

FORM_TOKEN: Final = "form_token"  # noqa: S105 - the name of a field
_TYPE: Final = "application/x-www-form-urlencoded"
_MOST_FIELDS: Final = 200

Fields = Mapping[str, str]
FIELDS: Final = web.RequestKey("fields", dict[str, str])


async def check_form(request: web.Request, sessions: Sessions) -> None:
    """Read the form, once, and refuse one that is not ours. Raises `HttpProblem`."""
    fields = request[FIELDS] = await _read(request)
    given = fields.pop(FORM_TOKEN, "")
    cookie = cookie_of(request)
    if cookie is None or not sessions.is_form_token(cookie, given):
        raise HttpProblem(
            403,
            "form-too-old",
            "This form was made for another session: before somebody signed in or out in this browser, before sitebind "
            "was restarted, or in another browser; nothing was done.",
            remedy="Open the page again and send the form from there. The browser must accept cookies.",
        )


def fields_of(request: web.Request) -> dict[str, str]:
    """What was sent, field by field; a field that was sent twice counts by its last value."""
    return request[FIELDS]


async def _read(request: web.Request) -> dict[str, str]:
    if request.content_type != _TYPE:
        raise HttpProblem(415, "not-a-form", f"The body is {request.content_type}; a form is sent as {_TYPE}.")
    try:
        async with asyncio.timeout(BODY_WITHIN):
            sent = await request.post()
    except TimeoutError:
        raise HttpProblem(
            408, "body-late", f"The form did not arrive within {BODY_WITHIN:.0f} s.", headers={"Connection": "close"}
        ) from None
    except (web.RequestPayloadError, ConnectionError):
        raise HttpProblem(400, "bad-body", "The form broke off on its way. Send it again.") from None
    except (ValueError, LookupError):
        raise HttpProblem(400, "bad-form", "The form is not text in UTF-8.") from None
    if len(sent) > _MOST_FIELDS:
        raise HttpProblem(400, "bad-form", f"The form has more than {_MOST_FIELDS} fields.")
    return {name: value for name, value in sent.items() if isinstance(value, str)}
