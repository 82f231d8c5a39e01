"""`GET /api/v1/sites/{site}/resolve`: where an address or a group resolves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final
from urllib.parse import unquote_to_bytes

from aiohttp import web

from daemon.engine.operations import Lookup, Operations, Unfolding
from daemon.ports import DirectoryObject, Resolution
from daemon.web.answers import Json, answer, encode, moment
from daemon.web.auth import REQUEST_ID
from daemon.web.errors import HttpProblem, document, understood
from daemon.web.gate import dress
from daemon.web.waits import Waits

_log = logging.getLogger("sitebind.web")

LONGEST: Final = 1_024
LINES: Final = "application/x-ndjson"
TAKEN_WITHIN: Final = 30.0
"""Seconds that a caller has to take what was sent to it: a directory's connection waits meanwhile."""
_TOGETHER: Final = 100
_SOON: Final = 0.2
_HEADERS: Final = {
    "Content-Type": LINES,
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}
_FLAGS: Final = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_KNOWN: Final = frozenset({"address", "group", "members", "fresh"})


class ResolveHandler:
    """Looks up."""

    def __init__(self, operations: Operations, waits: Waits) -> None:
        self._operations = operations
        self._waits = waits

    async def resolve(self, request: web.Request) -> web.StreamResponse:
        """200 with what was found, also when it is nothing: then with near misses and reasons.

        In one piece, or line by line with the members as they come where the caller accepts that.
        """
        lookup, site = lookup_of(request), request.match_info["site"]
        if request.method == "HEAD" or LINES not in request.headers.get("Accept", ""):
            found = await self._waits.for_result(self._operations.lookup(site, lookup))
            return answer(resolution_json(site, found))
        unfolding = await self._waits.for_result(self._operations.unfold(site, lookup))
        response = web.StreamResponse(headers=_HEADERS)
        dress(response, request[REQUEST_ID])
        await self._tell(lines_of(site, unfolding), request, response)
        return response

    async def _tell(
        self, lines: AsyncGenerator[Json, None], request: web.Request, response: web.StreamResponse
    ) -> None:
        """Nothing is raised from here on: the head is sent, and no other answer can be given."""
        try:
            async with aclosing(batches(_with_problem(lines, request[REQUEST_ID]))) as pieces:
                await response.prepare(request)
                async for piece in pieces:
                    async with asyncio.timeout(TAKEN_WITHIN):
                        await response.write(piece)
                    await asyncio.sleep(0)  # a write that fits the socket's buffer does not give way by itself
        except (TimeoutError, ConnectionError):
            _log.debug("who asked for members left, or does not take them")
            if request.transport is not None:
                request.transport.abort()  # in order it would wait for what the client does not take


async def lines_of(site: str, unfolding: Unfolding) -> AsyncGenerator[Json, None]:
    """`resolution`, then one `member` each, then `end`. Raises `ProviderFault` in between."""
    yield {"resolution": resolution_json(site, unfolding.head)}
    count = 0
    async with aclosing(unfolding.members()) as members:
        async for member in members:
            count += 1
            yield {"member": object_json(member)}
    end = unfolding.ended()
    yield {
        "end": {
            "members": None if unfolding.head.members is None else count,
            "truncated": end.truncated,
            "reasons": list(end.reasons),
            "seconds": end.seconds,
        }
    }


async def _with_problem(lines: AsyncGenerator[Json, None], request_id: str) -> AsyncGenerator[Json, None]:
    """What goes wrong after the beginning is the last line, in the end's place."""
    async with aclosing(lines):
        try:
            async for line in lines:
                yield line
        except Exception as error:  # noqa: BLE001 - nothing is swallowed, it is answered as the gate would
            problem = understood(error, request_id)
        else:
            return
    yield {"problem": document(problem, request_id)}


async def batches(lines: AsyncGenerator[Json, None]) -> AsyncGenerator[bytes, None]:
    """Lines on the wire: the first at once, then some together, but none is held back for long behind a slow one."""
    waiting: list[bytes] = []
    loop, told = asyncio.get_running_loop(), 0.0
    async with aclosing(lines):
        async for line in lines:
            waiting.append(encode(line) + b"\n")
            if len(waiting) == _TOGETHER or loop.time() - told > _SOON:
                yield b"".join(waiting)
                waiting.clear()
                told = loop.time()
    if waiting:
        yield b"".join(waiting)


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
