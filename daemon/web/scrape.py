"""`GET /metrics`. The text comes in pieces, so that a scrape of thousands of sites never holds up the loop."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from aiohttp import web

from daemon.web.auth import REQUEST_ID
from daemon.web.gate import dress

PIECE: Final = 128 * 1024
"""Bytes that are made in one go, in a millisecond or so; the loop turns between two of them."""


class Exposition(Protocol):
    """Who knows the metrics. Implemented by `metrics.Exposition`."""

    def answer(self, accept: str, names: Sequence[str] = ()) -> tuple[str, Iterator[bytes]]:
        """The Content-Type for an Accept header, and the text in pieces; `names` asks for some series only."""


class ScrapeHandler:
    """Serves the metrics."""

    def __init__(self, exposition: Exposition, *, loopback: bool) -> None:
        self._exposition = exposition
        # On loopback bytes are free and the processor is not.
        self._may_compress = not loopback

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """The metrics in the format that Accept asks for."""
        accept = ",".join(request.headers.getall("Accept", ()))
        content_type, pieces = self._exposition.answer(accept, request.query.getall("name[]", ()))
        headers = {"Content-Type": content_type, "Cache-Control": "no-store"}
        chunks = turns(pieces)
        if self._may_compress and "gzip" in request.headers.get("Accept-Encoding", ""):
            headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
            chunks = _compressed(chunks)
        first = next(chunks, b"")
        if len(first) >= PIECE:
            await asyncio.sleep(0)
        second = next(chunks, None)
        if second is None:
            return web.Response(body=first, headers=headers)
        left = iter(()) if request.method == "HEAD" else _again(first, second, chunks)
        return await _streamed(request, headers, left)


def turns(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces in chunks of about `PIECE` bytes: one is made in one turn of the loop."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= PIECE:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def _compressed(chunks: Iterator[bytes]) -> Iterator[bytes]:
    # Level 1: level 9 takes three times as long for 3 % fewer bytes. 31: with gzip's header.
    packer = zlib.compressobj(level=1, wbits=31)
    for chunk in chunks:
        yield packer.compress(chunk)
    yield packer.flush()


def _again(first: bytes, second: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield second
    yield from rest


async def _streamed(request: web.Request, headers: dict[str, str], chunks: Iterator[bytes]) -> web.StreamResponse:
    response = web.StreamResponse(headers=headers)
    dress(response, request[REQUEST_ID])
    await response.prepare(request)
    for chunk in chunks:
        if chunk:
            await response.write(chunk)
        # A write that fits the socket's buffer does not give way by itself.
        await asyncio.sleep(0)
    await response.write_eof()
    return response
