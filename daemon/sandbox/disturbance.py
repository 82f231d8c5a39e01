"""Troubles in the delivery of an answer: late, cut, empty, senseless, far too large. Used by `cloud.py`."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web

from daemon.sandbox.call import Answer, failure, gateway_failure
from daemon.sandbox.script import Active, Endpoint, Script, Trouble

HUGE: Final = 48 * 2**20
_CHUNK: Final = b" " * 2**16
_BEGINNING: Final = b'{"meta": {"status": 200}, "data": [{"acc'
_LINGER_NOT: Final = struct.pack("ii", 1, 0)
_JSON: Final = "application/json"

Headers = Mapping[str, str]
_Way = Callable[[web.BaseRequest, Active, Headers], Awaitable[web.StreamResponse]]


def to_response(answer: Answer, headers: Headers) -> web.Response:
    """Turn an answer into HTTP; bytes travel as they are, everything else as JSON."""
    body = answer.body
    if isinstance(body, bytes):
        return web.Response(status=answer.status, body=body, headers={**headers, **answer.headers})
    content = json.dumps(body, separators=(",", ":")).encode()
    merged = {**headers, **answer.headers, "Content-Type": _JSON}
    return web.Response(status=answer.status, body=content, headers=merged)


class Disturbance:
    """Answers in place of the service while such a trouble is in force. `gateway`: errors as API 2.0's."""

    def __init__(self, script: Script, *, stopping: asyncio.Event, gateway: bool) -> None:
        self._script = script
        self._stopping = stopping
        self._gateway = gateway
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

    async def answer(self, request: web.BaseRequest, endpoint: Endpoint, headers: Headers) -> web.StreamResponse | None:
        """Give the disturbed answer, or None when the service itself should answer."""
        slow = self._script.strikes(Trouble.SLOW, endpoint)
        if slow is not None and not await self._wait(slow.seconds):
            return _cut(request)
        for trouble, way in self._ways:
            active = self._script.strikes(trouble, endpoint)
            if active is not None:
                return await way(request, active, headers)
        return None

    async def _wait(self, seconds: float) -> bool:
        """Wait; answers False when the sandbox stops meanwhile."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return True
        return False

    async def _reset(self, request: web.BaseRequest, _active: Active, _headers: Headers) -> web.StreamResponse:
        return _cut(request)

    async def _throttled(self, _request: web.BaseRequest, active: Active, headers: Headers) -> web.StreamResponse:
        # [gap] ours: the body of a 429. The headers are as recorded, Reset in milliseconds.
        limits = {
            "X-RateLimit-Limit": "800",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": str(int(active.seconds * 1000)),
        }
        return to_response(self._failure(429, "too_many_requests", "Quota exceeded"), {**headers, **limits})

    async def _service_error(self, _request: web.BaseRequest, active: Active, headers: Headers) -> web.StreamResponse:
        if active.strikes % 2:
            return to_response(self._failure(500, "err_platform", "An unexpected error occurred"), headers)
        plain = Answer(status=503, body=b"Service Unavailable", headers={"Content-Type": "text/plain"})
        return to_response(plain, headers)

    async def _empty(self, _request: web.BaseRequest, _active: Active, headers: Headers) -> web.StreamResponse:
        return to_response(Answer(body=b"", headers={"Content-Type": _JSON}), headers)

    async def _malformed(self, _request: web.BaseRequest, _active: Active, headers: Headers) -> web.StreamResponse:
        page = b"<html><body>An intermediate system would like a word</body></html>"
        return to_response(Answer(body=page, headers={"Content-Type": _JSON}), headers)

    async def _wrong_shape(self, _request: web.BaseRequest, _active: Active, headers: Headers) -> web.StreamResponse:
        shape = {"meta": "fine", "data": {"0": ["unexpected"]}, "fail": None, "access_token": {}, "roles": 7}
        return to_response(Answer(body=shape), headers)

    async def _huge(self, request: web.BaseRequest, _active: Active, headers: Headers) -> web.StreamResponse:
        # Without a Content-Length: the caller has to count for itself.
        response = web.StreamResponse(headers={**headers, "Content-Type": _JSON})
        await response.prepare(request)
        await response.write(b'{"meta": {"status": 200}, "data": [')
        for _ in range(HUGE // len(_CHUNK)):
            if self._stopping.is_set():
                return _cut(request)
            await response.write(_CHUNK)
        await response.write(b"]}")
        return response

    async def _half(self, request: web.BaseRequest, _active: Active, headers: Headers) -> web.StreamResponse:
        length = str(10 * len(_BEGINNING))
        response = web.StreamResponse(headers={**headers, "Content-Type": _JSON, "Content-Length": length})
        await response.prepare(request)
        await response.write(_BEGINNING)
        if request.transport is not None:
            request.transport.close()
        return response

    def _failure(self, status: int, code: str, message: str) -> Answer:
        if self._gateway:
            return gateway_failure(status, code, message=message)
        return failure(status, code, message=message, retryable=True)


def _cut(request: web.BaseRequest) -> web.Response:
    """Reset the connection. The response that is returned finds it closed and goes nowhere."""
    transport = request.transport
    if transport is not None:
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        transport.abort()
    return web.Response(status=503)
