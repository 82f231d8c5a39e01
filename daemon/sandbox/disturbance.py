"""Troubles in the delivery of an answer: late, cut, empty, senseless, far too large. Used by `cloud.py`."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from multidict import CIMultiDict

from daemon.sandbox.call import Answer
from daemon.sandbox.manner import Manner
from daemon.sandbox.script import Active, Endpoint, Script, Trouble

HUGE: Final = 48 * 2**20
_CHUNK: Final = b" " * 2**16
_BEGINNING: Final = b'{"meta": {"status": 200}, "data": [{"acc'
_LINGER_NOT: Final = struct.pack("ii", 1, 0)
_JSON: Final = "application/json"

Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hit:
    """A call that a trouble strikes."""

    active: Active
    endpoint: Endpoint
    headers: Headers


_Way = Callable[[web.BaseRequest, _Hit], Awaitable[web.StreamResponse]]


def to_response(answer: Answer, headers: Headers) -> web.Response:
    """Turn an answer into HTTP; bytes travel as they are, everything else as JSON.

    Headers of one name may stand in the answer's several times, in a multidict.
    """
    body, merged = answer.body, CIMultiDict(headers)
    merged.update(answer.headers)
    if not isinstance(body, bytes):
        body, merged["Content-Type"] = json.dumps(body, separators=(",", ":")).encode(), _JSON
    return web.Response(status=answer.status, body=body, headers=merged)


class Disturbance:
    """Answers in place of the service while such a trouble is in force, in the host's `manner`."""

    def __init__(self, script: Script, *, stopping: asyncio.Event, manner: Manner) -> None:
        self._script = script
        self._stopping = stopping
        self._manner = manner
        self._ways: tuple[tuple[Trouble, _Way], ...] = (
            (Trouble.RESET, self._reset),
            (Trouble.THROTTLED, self._throttled),
            (Trouble.SERVICE_ERROR, self._service_error),
            (Trouble.EMPTY_BODY, self._empty),
            (Trouble.MALFORMED_BODY, self._malformed),
            (Trouble.WRONG_SHAPE, self._wrong_shape),
            (Trouble.HUGE_BODY, self._huge),
            (Trouble.HALF_BODY, self._half),
        )

    async def answer(
        self, request: web.BaseRequest, endpoint: Endpoint, *, headers: Headers, apart: Collection[Trouble] = ()
    ) -> web.StreamResponse | None:
        """Give the disturbed answer, or None when the service itself should answer.

        Troubles that stand `apart` are left to the service. `headers` go onto whatever is answered.
        """
        slow = self._script.strikes(Trouble.SLOW, endpoint)
        if slow is not None and not await self._wait(slow.seconds):
            return _cut(request)
        for trouble, way in self._ways:
            active = None if trouble in apart else self._script.strikes(trouble, endpoint)
            if active is not None:
                return await way(request, _Hit(active=active, endpoint=endpoint, headers=headers))
        return None

    async def _wait(self, seconds: float) -> bool:
        """Wait; answers False when the sandbox stops meanwhile."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return True
        return False

    async def _reset(self, request: web.BaseRequest, _hit: _Hit) -> web.StreamResponse:
        return _cut(request)

    async def _throttled(self, _request: web.BaseRequest, hit: _Hit) -> web.StreamResponse:
        active = hit.active
        answer = self._manner.throttled(hit.endpoint, seconds=active.seconds, strike=active.strikes, marks=hit.headers)
        return to_response(answer, hit.headers)

    async def _service_error(self, _request: web.BaseRequest, hit: _Hit) -> web.StreamResponse:
        answer = self._manner.failing(hit.endpoint, strike=hit.active.strikes, marks=hit.headers)
        return to_response(answer, hit.headers)

    async def _empty(self, _request: web.BaseRequest, hit: _Hit) -> web.StreamResponse:
        return to_response(Answer(body=b"", headers={"Content-Type": _JSON}), hit.headers)

    async def _malformed(self, _request: web.BaseRequest, hit: _Hit) -> web.StreamResponse:
        page = b"<html><body>An intermediate system would like a word</body></html>"
        return to_response(Answer(body=page, headers={"Content-Type": _JSON}), hit.headers)

    async def _wrong_shape(self, _request: web.BaseRequest, hit: _Hit) -> web.StreamResponse:
        shape = {"meta": "fine", "data": {"0": ["unexpected"]}, "fail": None, "access_token": {}, "roles": 7}
        return to_response(Answer(body=shape), hit.headers)

    async def _huge(self, request: web.BaseRequest, hit: _Hit) -> web.StreamResponse:
        # Without a Content-Length: the caller has to count for itself.
        response = web.StreamResponse(headers={**hit.headers, "Content-Type": _JSON})
        await response.prepare(request)
        await response.write(b'{"meta": {"status": 200}, "data": [')
        for _ in range(HUGE // len(_CHUNK)):
            if self._stopping.is_set():
                return _cut(request)
            await response.write(_CHUNK)
        await response.write(b"]}")
        return response

    async def _half(self, request: web.BaseRequest, hit: _Hit) -> web.StreamResponse:
        length = str(10 * len(_BEGINNING))
        response = web.StreamResponse(headers={**hit.headers, "Content-Type": _JSON, "Content-Length": length})
        await response.prepare(request)
        await response.write(_BEGINNING)
        if request.transport is not None:
            request.transport.close()
        return response


def _cut(request: web.BaseRequest) -> web.Response:
    """Reset the connection. The response that is returned finds it closed and goes nowhere."""
    transport = request.transport
    if transport is not None:
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        transport.abort()
    return web.Response(status=503)
