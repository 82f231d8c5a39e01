"""Reads what a caller sent, or says in a problem document what is wrong with it. Called by the handlers."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from aiohttp import web

from daemon.engine.operations import OneTimeSignIn, UserSignIn
from daemon.ports import Secret
from daemon.web.errors import HttpProblem

LONGEST_EMAIL: Final = 320
LONGEST_PASSWORD: Final = 1024
BODY_WITHIN: Final = 10.0
"""Seconds that a caller has to send its body."""

_WHOLE: Final = re.compile(r"\d{1,18}")
_DECIMAL: Final = re.compile(r"\d{1,9}(\.\d{1,9})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class RebindOrder:
    """The body of a rebind."""

    reason: str
    one_time: OneTimeSignIn | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnbindOrder:
    """The body of an unbind."""

    reason: str
    local_only: bool = False


DEFAULT_ORDER: Final = RebindOrder(reason="asked for through the API")


async def json_object(request: web.Request, *, fields: Collection[str]) -> dict[str, Any]:
    """The body, which must be a JSON object with no other than these fields; an empty body is an empty one."""
    raw = await _raw(request)
    if not raw:
        return {}
    if request.content_type != "application/json":
        raise HttpProblem(
            415,
            "not-json",
            f"The body is {request.content_type}. Send JSON, and say so: Content-Type: application/json",
        )
    document = _parsed(raw)
    if not isinstance(document, dict):
        raise HttpProblem(400, "bad-json", "The body must be a JSON object.")
    for name in document:
        if name not in fields:
            _refuse(name, f"unknown field; {_known(fields)}")
    return document


async def _raw(request: web.Request) -> bytes:
    if not request.body_exists:
        return b""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise HttpProblem(415, "encoded-body", "Bodies with a Content-Encoding are not taken.")
    try:
        async with asyncio.timeout(BODY_WITHIN):
            return await request.read()
    except TimeoutError:
        raise HttpProblem(
            408, "body-late", f"The body did not arrive within {BODY_WITHIN:.0f} s.", headers={"Connection": "close"}
        ) from None
    except (web.RequestPayloadError, ConnectionError):
        raise HttpProblem(400, "bad-body", "The body broke off, or is not framed as HTTP wants it.") from None


def _parsed(raw: bytes) -> Any:
    try:
        text = raw.decode("utf-8")
        found = json.loads(text, parse_constant=_no_constant)
        if "\\ud" in text.lower():
            # Half a character is no text: it could neither be written to a file nor recorded.
            json.dumps(found, ensure_ascii=False).encode()
    except RecursionError:
        raise HttpProblem(400, "bad-json", "The body is nested too deeply.") from None
    except ValueError as error:
        # Of a decoding error only the place is told: its text quotes the body, which may hold a password.
        where = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise HttpProblem(400, "bad-json", f"The body is not JSON in UTF-8{where}.") from None
    return found


def _no_constant(_name: str) -> NoReturn:
    raise ValueError


def _known(fields: Collection[str]) -> str:
    return f"known are {', '.join(fields)}" if fields else "none is known here"


async def rebind_order(request: web.Request) -> RebindOrder:
    """The body of a rebind. Raises `HttpProblem` that names the field."""
    body = await json_object(request, fields=("email", "password", "authentication_type", "reason"))
    if not body:
        return DEFAULT_ORDER
    reason = _text(body, "reason", most=500) or DEFAULT_ORDER.reason
    email, password = _text(body, "email", most=LONGEST_EMAIL), _text(body, "password", most=LONGEST_PASSWORD)
    how = _user_sign_in(body)
    if email is None and password is None and how is None:
        return RebindOrder(reason=reason)
    if email is None or password is None:
        missing = "email" if email is None else "password"
        _refuse(missing, "one-time credentials need both email and password")
    if "@" not in email:
        _refuse("email", "not an e-mail address")
    one_time = OneTimeSignIn(email=email, password=Secret(password), authentication_type=how)
    return RebindOrder(reason=reason, one_time=one_time)


def _user_sign_in(body: dict[str, Any]) -> UserSignIn | None:
    how = body.get("authentication_type")
    if how not in (None, "cloud", "domain"):
        _refuse("authentication_type", "must be cloud or domain: what the user's password belongs to")
    found: UserSignIn | None = how
    return found


async def unbind_order(request: web.Request) -> UnbindOrder:
    """The body of an unbind. Raises `HttpProblem` that names the field."""
    body = await json_object(request, fields=("local_only", "reason"))
    local_only = body.get("local_only", False)
    if not isinstance(local_only, bool):
        _refuse("local_only", "must be true or false")
    return UnbindOrder(reason=_text(body, "reason", most=500) or DEFAULT_ORDER.reason, local_only=local_only)


async def doctor_order(request: web.Request) -> bool:
    """The body of a doctor's call: whether a real login is wanted. Raises `HttpProblem` that names the field."""
    sign_in = (await json_object(request, fields=("sign_in",))).get("sign_in", False)
    if not isinstance(sign_in, bool):
        _refuse("sign_in", "must be true or false")
    return sign_in


def _text(body: dict[str, Any], field: str, *, most: int) -> str | None:
    value = body.get(field)
    if value is None:
        return None
    if not isinstance(value, str):
        _refuse(field, "must be a string")
    if not value.strip():
        _refuse(field, "must not be empty")
    if len(value) > most:
        _refuse(field, f"must not be longer than {most} characters")
    if field != "password" and not value.isprintable():
        _refuse(field, "must be one line of printable text")
    return value


def _refuse(field: str, why: str) -> NoReturn:
    raise HttpProblem(400, "bad-field", f"{field}: {why}.", field=field)


def whole(request: web.Request, name: str, *, default: int) -> int:
    """A whole number from the query. Raises `HttpProblem`."""
    given = request.query.get(name)
    return default if given is None else number(given, name)


def number(given: str, name: str) -> int:
    """A whole number as it was sent. Raises `HttpProblem`."""
    if not (given.isascii() and _WHOLE.fullmatch(given)):
        raise HttpProblem(400, "bad-query", f"{name} must be a whole number, not {given!r}.", field=name)
    return int(given)


def page_size(request: web.Request, *, default: int, most: int) -> int:
    """`limit` from the query, at most `most`: asking for more gives that. Raises `HttpProblem`."""
    limit = whole(request, "limit", default=default)
    if limit == 0:
        raise HttpProblem(400, "bad-query", "limit must be at least 1.", field="limit")
    return min(limit, most)


def seconds(request: web.Request, name: str, *, most: int) -> float:
    """Seconds from the query, 0 when not given. Raises `HttpProblem`."""
    given = request.query.get(name)
    if given is None:
        return 0.0
    if given.isascii() and _DECIMAL.fullmatch(given) and float(given) <= most:
        return float(given)
    raise HttpProblem(400, "bad-query", f"{name} must be seconds from 0 to {most}, not {given!r}.", field=name)
