"""`GET /api/v1/sites/{site}/resolve`: where an address or a group resolves."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote_to_bytes

from aiohttp import web

from daemon.engine.operations import Lookup, Operations
from daemon.ports import DirectoryObject, Resolution
from daemon.web.answers import Json, answer, moment
from daemon.web.errors import HttpProblem

LONGEST: Final = 1_024
_FLAGS: Final = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_KNOWN: Final = frozenset({"address", "group", "members", "fresh"})


class ResolveHandler:
    """Looks up."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def resolve(self, request: web.Request) -> web.Response:
        """200 with what was found, also when it is nothing: then with near misses and reasons."""
        lookup = lookup_of(request)
        resolution = await self._operations.lookup(request.match_info["site"], lookup)
        return answer(resolution_json(request.match_info["site"], resolution))


def lookup_of(request: web.Request) -> Lookup:
    """What the query asks for. Raises `HttpProblem`."""
    query = request.query
    _demand_text(request)
    unknown = next((name for name in query if name not in _KNOWN), None)
    if unknown is not None:
        raise _bad(unknown, f"unknown parameter {unknown[:40]!r}; known are {', '.join(sorted(_KNOWN))}.")
    twice = next((name for name in query if len(query.getall(name)) > 1), None)
    if twice is not None:
        raise _bad(twice, f"{twice} is given more than once; one question is answered at a time.")
    given = [name for name in ("address", "group") if name in query]
    if len(given) != 1:
        raise _bad("address", "Name either address= (an e-mail address) or group= (an address, a name or an id).")
    wanted = query[given[0]].strip()
    if not wanted or len(wanted) > LONGEST or not wanted.isprintable():
        raise _bad(given[0], f"{given[0]} must be a text of 1 to {LONGEST} printable characters.")
    return Lookup(
        wanted=wanted,
        kind="group" if given[0] == "group" else None,
        members=_flag(request, "members"),
        fresh=_flag(request, "fresh"),
    )


def resolution_json(site: str, resolution: Resolution) -> Json:
    """The answer; `object` is the one that was found, and null where there is none or more than one."""
    objects = resolution.objects
    members = resolution.members
    return {
        "site": site,
        "wanted": resolution.wanted,
        "object": object_json(objects[0]) if len(objects) == 1 else None,
        "objects": [object_json(item) for item in objects],
        "members": None if members is None else [object_json(item) for item in members],
        "truncated": resolution.truncated,
        "near": [object_json(item) for item in resolution.near],
        "reasons": list(resolution.reasons),
        "source": resolution.source,
        "asked_at": moment(resolution.asked_at),
        "seconds": resolution.seconds,
        "age_seconds": resolution.age_seconds,
    }


def object_json(item: DirectoryObject) -> Json:
    """One object of a directory."""
    return {
        "kind": item.kind,
        "id": item.id,
        "display_name": item.display_name,
        "primary_address": item.primary_address,
        "addresses": list(item.addresses),
        "enabled": item.enabled,
        "licensed": item.licensed,
        "mail_enabled": item.mail_enabled,
        "source": item.source,
    }


def _demand_text(request: web.Request) -> None:
    """What is no UTF-8 would be looked up as another text than the one that was sent."""
    for part in request.rel_url.raw_query_string.split("&"):
        name, _, value = part.partition("=")
        try:
            unquote_to_bytes(value).decode("utf-8")
        except UnicodeError:
            known = name if name in _KNOWN else "query"
            raise _bad(known, f"{known} is not UTF-8 in percent-encoding, as in M%C3%BCller for Müller.") from None


def _flag(request: web.Request, name: str) -> bool:
    given = request.query.get(name)
    if given is None:
        return False
    if given.lower() not in _FLAGS:
        raise _bad(name, f"{name} must be yes or no.")
    return _FLAGS[given.lower()]


def _bad(name: str, detail: str) -> HttpProblem:
    return HttpProblem(400, "bad-query", detail, field=name)
