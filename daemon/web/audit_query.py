"""What part of the audit trail a query asks for. Shared by the API and the page, which know the same parameters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NoReturn

from aiohttp import web

from daemon.ports import AuditFilter
from daemon.web.errors import HttpProblem
from daemon.web.requests import whole

MOST_EVENTS: Final = 20
_LONGEST_ACTOR: Final = 200

_ACTOR: Final = re.compile(r"[ -)+-~]*[ -~]")
_EVENT: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


def audit_filter(request: web.Request, *, limit: int | None) -> AuditFilter:
    """The filter in a query. Raises `HttpProblem` that names the parameter."""
    query = request.query
    return AuditFilter(
        site=query.get("site"),
        after=whole(request, "after", default=0),
        before=whole(request, "before", default=0) if "before" in query else None,
        since=_moment(request, "since"),
        until=_moment(request, "until"),
        actor=_actor(query.get("actor")),
        events=_events(query.getall("event", ())),
        newest_first=one_of(request, "order", ("asc", "desc")) == "desc",
        limit=limit,
    )


def one_of(request: web.Request, name: str, words: Sequence[str]) -> str:
    """A word from the query, the first of `words` when none is given. Raises `HttpProblem`."""
    given = request.query.get(name, words[0])
    if given not in words:
        _refuse(name, f"must be {' or '.join(words)}, not {given!r}")
    return given


def _moment(request: web.Request, name: str) -> datetime | None:
    given = request.query.get(name)
    at = None if given is None else _parsed(given)
    if given is not None and at is None:
        _refuse(name, f"must be a time with its zone like 2026-03-04T12:00:00Z (send a + in it as %2B), not {given!r}")
    return at


def _parsed(given: str) -> datetime | None:
    if not (given.isascii() and _MOMENT.fullmatch(given)):
        return None
    try:
        return datetime.fromisoformat(given.upper()).astimezone(UTC)
    except (ValueError, OverflowError):  # a day or an hour that no calendar has
        return None


def _actor(given: str | None) -> str | None:
    if given is None:
        return None
    if len(given) > _LONGEST_ACTOR or not _ACTOR.fullmatch(given):
        _refuse(
            "actor",
            f"must be an actor like http:127.0.0.1, or how it begins followed by *, of at most {_LONGEST_ACTOR} "
            f"characters, not {given[:_LONGEST_ACTOR]!r}",
        )
    return given


def _events(given: Sequence[str]) -> tuple[str, ...]:
    for event in given:
        if not _EVENT.fullmatch(event):
            _refuse("event", f"must be an event's name like bind_failed, not {event[:64]!r}")
    if len(given) > MOST_EVENTS:
        _refuse("event", f"may be given {MOST_EVENTS} times, not {len(given)}")
    return tuple(dict.fromkeys(given))


def _refuse(name: str, why: str) -> NoReturn:
    raise HttpProblem(400, "bad-query", f"{name} {why}.", field=name)
