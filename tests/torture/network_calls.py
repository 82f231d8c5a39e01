"""Every exchange with the service: connecting, sending, receiving; counted, and failed at the n-th."""

from __future__ import annotations

import asyncio
from enum import Enum
from pathlib import Path

from tests.faultproxy import FaultProxy, _reset
from tests.torture.nth import Nth


class Way(Enum):
    """Where a call fails."""

    REFUSED = "the connection is cut before TLS"
    UNSENT = "the connection is reset before the request has gone"
    LOST = "the request is processed, and the connection reset before its answer"
    HALF = "half an answer comes"
    SILENT = "no answer comes, and nobody says so"


class Network(FaultProxy):
    """The daemon's proxy; everything goes well but for the n-th call."""

    def __init__(self, certificates: Path, nth: Nth) -> None:
        super().__init__(certificates)
        self.way = Way.REFUSED
        self._nth = nth

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.way is Way.REFUSED and self._nth.strikes("connect"):
            _reset(writer)
            return
        try:
            await super()._met(reader, writer)
        except* ConnectionError:
            pass  # it is made of connections that break

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(2**16):
            if self.way is Way.UNSENT and self._nth.strikes("send"):
                raise ConnectionResetError
            writer.write(chunk)
            await writer.drain()
        raise ConnectionResetError

    async def _bring_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(2**16):
            if self.way in {Way.LOST, Way.HALF, Way.SILENT} and self._nth.strikes("receive"):
                await self._spoiled(chunk, reader, writer)
                raise ConnectionResetError
            writer.write(chunk)
            await writer.drain()
        writer.close()

    async def _spoiled(self, chunk: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.way is Way.HALF:
            writer.write(chunk[: len(chunk) // 2])
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        while self.way is Way.SILENT and await reader.read(2**16):
            pass
