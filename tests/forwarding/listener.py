"""A receiver that does exactly as told: reads or not, answers or not, ends its connections or not."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from tests.store.collectors import octets, syslog

_AT_ONCE = struct.pack("ii", 1, 0)
_LITTLE = 4096
_LENGTH = re.compile(rb"(\d+) ")


@dataclass
class Listener:
    """`taken` has each connection's bytes. Without `reads` it accepts and lets everything lie in its buffer.

    `says` is its answer to the first bytes.
    """

    reads: bool = True
    says: bytes = b""
    port: int = 0
    taken: list[bytearray] = field(default_factory=list)
    open: list[asyncio.Transport] = field(default_factory=list)

    def numbers(self, connection: int) -> list[int]:
        """The sequence numbers of the syslog messages that came whole over a connection, the first one being 0."""
        whole = _whole(bytes(self.taken[connection]))
        return [int(syslog(message)[1]["sitebind@32473"]["seq"]) for message in octets(whole)]

    def read_on(self) -> None:
        self.reads = True
        for one in self.open:
            one.resume_reading()

    def cut(self) -> None:
        """End every connection at once: what was not read is lost, and the other side is told so."""
        for one in tuple(self.open):
            one.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            one.abort()


class _Connection(asyncio.Protocol):
    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._taken = bytearray()
        listener.taken.append(self._taken)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._listener.open.append(self._transport)
        if not self._listener.reads:
            self._transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        if self._listener.says and not self._taken:
            self._transport.write(self._listener.says)
        self._taken += data

    def connection_lost(self, error: Exception | None) -> None:
        self._listener.open.remove(self._transport)


def _whole(stream: bytes) -> bytes:
    """Without a last message that has not arrived to its end."""
    at = 0
    while (found := _LENGTH.match(stream, at)) and found.end() + int(found[1]) <= len(stream):
        at = found.end() + int(found[1])
    return stream[:at]


@asynccontextmanager
async def listening(*, reads: bool = True, says: bytes = b"", port: int = 0) -> AsyncIterator[Listener]:
    """On loopback, with little room for what is not read."""
    listener = Listener(reads=reads, says=says)
    bound = socket.create_server(("127.0.0.1", port))
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _LITTLE)
    listener.port = bound.getsockname()[1]
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(listener), sock=bound)
    try:
        yield listener
    finally:
        server.close()
        listener.cut()
        await asyncio.sleep(0)
