"""`GET /api/v1/events?site=&after=&only=`: what happens, as it happens, as server-sent events.

`audit` carries the record's number as its id, so that a client which was cut off resumes without loss or repeat. The
others carry none: `site` and `counters` say what is now and are told anew to whoever comes back; of `bind` and `step`
the bind itself tells, and of `layer` the doctor's answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from aiohttp import web

from daemon.engine.happenings import (
    KINDS,
    BindChanged,
    Counted,
    Following,
    Happening,
    Kind,
    LayerEnded,
    Recorded,
    RecordsGone,
    SiteChanged,
    StepEnded,
)
from daemon.engine.operations import Operations
from daemon.engine.waiting import pause
from daemon.ports import Clock, JournalUnavailable, Observer
from daemon.web.answers import audit_json, encode, site_json, step_json
from daemon.web.auth import PRINCIPAL, REQUEST_ID, Door, Scope
from daemon.web.errors import HttpProblem
from daemon.web.gate import dress
from daemon.web.requests import number, whole

_log = logging.getLogger("sitebind.web")

HEARTBEAT: Final = 15.0
"""Seconds between two comments that say the stream lives; each time the caller's right to it is looked at again."""
MOST_CLIENTS: Final = 64
MOST_OF_A_CALLER: Final = 16
_RETRY_AFTER: Final = "15"
_BEGINNING: Final = b"retry: 3000\n\n"
_BEAT: Final = b": heartbeat\n\n"
_KEPT_FRAMES: Final = 1024
_HEADERS: Final = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}


class _Client:
    """One open stream. `cut` ends it at once, also while it waits for a socket that takes nothing."""

    def __init__(self, request: web.Request) -> None:
        self.request = request
        self.key = request[PRINCIPAL].key
        self.limit = asyncio.timeout(None)
        self._cut = False

    def cut(self) -> None:
        """End it."""
        if not self._cut:
            self._cut = True
            self.limit.reschedule(0)

    @property
    def gone(self) -> bool:
        """Whether nobody is at the other end any more; a stream notices it only when it next writes."""
        transport = self.request.transport
        return transport is None or transport.is_closing()

    @property
    def name(self) -> str:
        """Who it is, for the log."""
        return self.request[PRINCIPAL].actor


class EventHandlers:
    """Streams what happens; `stop` ends every stream at once when the server stops."""

    def __init__(self, operations: Operations, door: Door, *, observer: Observer, clock: Clock) -> None:
        self._operations = operations
        self._door = door
        self._observer = observer
        self._clock = clock
        self._clients: dict[_Client, None] = {}
        self._frame = lru_cache(_KEPT_FRAMES)(frame)
        self._stopped = False

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """200 and the stream, until the client leaves, is too slow, may no longer read, or the daemon stops."""
        after, site, only = _resumed_at(request), request.query.get("site"), _kinds(request)
        if request.method == "HEAD":
            if site is not None:
                self._operations.site(site)
            return web.Response(headers=_HEADERS)
        self._make_room(request)
        client = _Client(request)
        following = self._operations.follow(site=site, after=after, only=only, cut=client.cut)
        self._clients[client] = None
        self._observer.event_streams(clients=len(self._clients))
        try:
            return await self._answer(client, following)
        finally:
            following.close()
            del self._clients[client]
            if not self._clients:
                self._frame.cache_clear()
            self._observer.event_streams(clients=len(self._clients), dropped=int(following.dropped))

    def stop(self) -> None:
        """End every stream now."""
        self._stopped = True
        for client in self._clients:
            client.cut()

    def _make_room(self, request: web.Request) -> None:
        """Raises `HttpProblem` when there are too many streams already, of this caller or of all."""
        if self._stopped:
            raise _too_many(503, "stopping", "The daemon is stopping.")
        for client in self._clients:
            if client.gone:
                client.cut()
        keys = [client.key for client in self._clients if not client.gone]
        if keys.count(request[PRINCIPAL].key) >= MOST_OF_A_CALLER:
            raise _too_many(
                429, "too-many-streams", f"This caller has {MOST_OF_A_CALLER} event streams open; end one of them."
            )
        if len(keys) >= MOST_CLIENTS:
            raise _too_many(503, "too-many-streams", f"{MOST_CLIENTS} event streams are open, as many as there may be.")

    async def _answer(self, client: _Client, following: Following) -> web.StreamResponse:
        """Nothing is raised from here on: the head is sent, and no other answer can be given."""
        request, response = client.request, web.StreamResponse(headers=_HEADERS)
        dress(response, request[REQUEST_ID])
        try:
            async with client.limit:
                await response.prepare(request)
                await response.write(_BEGINNING)
                await self._send(client, following, response)
        except TimeoutError:
            _ended_early(client, following)
        except ConnectionError:
            _log.debug("an event stream's client left: %s", client.name)
        except JournalUnavailable as error:
            _log.warning("an event stream ended, because older records could not be read: %s", error)
        except Exception:  # noqa: BLE001 - logged; see above
            _log.exception("an event stream failed", extra={"request_id": request[REQUEST_ID]})
        return response

    async def _send(self, client: _Client, following: Following, response: web.StreamResponse) -> None:
        due = self._clock.monotonic() + HEARTBEAT
        while True:
            left = due - self._clock.monotonic()
            if left <= 0:
                due = self._clock.monotonic() + HEARTBEAT
                if not self._still_may(client):
                    return
                await response.write(_BEAT)
            happenings = await following.take()
            if happenings:
                await response.write(b"".join(map(self._framed, happenings)))
                await asyncio.sleep(0)  # a write that fits the socket's buffer does not give way by itself
            elif not following.woken.is_set():
                await pause(self._clock, max(left, 0.0), woken=following.woken, name="event stream")

    def _framed(self, happening: Happening) -> bytes:
        # A site is looked at for each client; everything else is one and the same for all of them.
        return frame(happening) if isinstance(happening, SiteChanged) else self._frame(happening)

    def _still_may(self, client: _Client) -> bool:
        """A token may be revoked or expire while the stream is open."""
        try:
            self._door.admit(client.request, Scope.READ)
        except HttpProblem as problem:
            _log.info("an event stream of %s ended: %s", client.name, problem.detail)
            return False
        return True


def frame(happening: Happening) -> bytes:
    """An event on the wire. JSON escapes line ends, so that no text can end an event or begin another one."""
    match happening:
        case Recorded(record=record):
            return b"id: %d\n" % record.seq + _event("audit", audit_json(record))
        case RecordsGone():
            return _event("gap", {"first": happening.first, "last": happening.last})
        case SiteChanged(view=view):
            return _event("site", site_json(view))
        case BindChanged():
            return _event("bind", {"site": happening.site, "bind": happening.bind_id, "state": happening.state})
        case StepEnded():
            step = step_json(happening.step)
            return _event("step", {"site": happening.site, "bind": happening.bind_id, "step": step})
        case LayerEnded():
            layer = step_json(happening.layer)
            return _event("layer", {"site": happening.site, "run": happening.run, "layer": layer})
        case Counted():
            sites = {state.value: count for state, count in happening.sites.items()}
            return _event("counters", {"sites": sites, "records": happening.records})


def _event(name: str, data: Mapping[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), encode(dict(data)))


def _resumed_at(request: web.Request) -> int | None:
    """The last record that the client has. A browser that comes back says so in the header, which counts then."""
    given = request.headers.get("Last-Event-ID")
    if given:
        return number(given, "Last-Event-ID")
    return whole(request, "after", default=0) if "after" in request.query else None


def _kinds(request: web.Request) -> frozenset[Kind]:
    """What the client wants to hear of: everything, unless it names some."""
    named = request.query.getall("only", [])
    wrong = next((one for one in named if one not in KINDS), None)
    if wrong is not None:
        known = ", ".join(sorted(KINDS))
        raise HttpProblem(400, "bad-query", f"only must be one of {known}, not {wrong!r}.", field="only")
    return frozenset(kind for kind in KINDS if kind in named) or KINDS


def _ended_early(client: _Client, following: Following) -> None:
    if not following.dropped or client.gone:
        return
    _log.warning("an event stream was cut off: %s does not read as fast as things happen", client.name)
    if client.request.transport is not None:
        client.request.transport.abort()  # in order it would wait for what the client does not take


def _too_many(status: int, code: str, detail: str) -> HttpProblem:
    return HttpProblem(status, code, detail, headers={"Retry-After": _RETRY_AFTER})
