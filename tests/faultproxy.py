"""A bad network between a daemon and the sandbox: it carries calls faithfully until a test gives it a trouble.

It ends TLS itself, with the sandbox's own certificate, so that troubles strike at exact places: before the handshake,
in it, or in the middle of an answer. With a `target` it stands in the service's place; without one it speaks CONNECT,
and everything goes through it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_LINGER_NOT: Final = struct.pack("ii", 1, 0)
_GARBAGE: Final = bytes(range(128, 256)) * 8
_STREAM_END: Final = (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError)


class Trouble(Enum):
    """What goes wrong."""

    RESET_IN_HANDSHAKE = "reset-in-handshake"
    SILENT_IN_HANDSHAKE = "silent-in-handshake"
    GARBAGE_FOR_TLS = "garbage-for-tls"
    WRONG_AUTHORITY = "wrong-authority"
    LATE = "late"  # every piece of an answer comes `seconds` later
    RESET = "reset"  # instead of an answer
    CUT_SHORT = "cut-short"  # in the middle of an answer
    HALF_OPEN = "half-open"  # the other side is gone and nobody says so
    SLOW_BODY = "slow-body"  # an answer that trickles
    GARBAGE = "garbage"  # something else than HTTP


_BEFORE_TLS: Final = {Trouble.RESET_IN_HANDSHAKE, Trouble.SILENT_IN_HANDSHAKE, Trouble.GARBAGE_FOR_TLS}


class FaultProxy:
    """`certificates` is the sandbox's folder. `trouble` may change at any time; open connections feel it too."""

    def __init__(self, certificates: Path, *, target: str = "") -> None:
        self.trouble: Trouble | None = None
        self.seconds = 0.0
        self.connections = 0
        self._certificates = certificates
        self._target = target
        self._open: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where it stands in for its target."""
        return f"https://localhost:{self.port}"

    async def start(self) -> None:
        """Listen; once more on the same port after `stop`."""
        self._server = await asyncio.start_server(self._met, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections, and cut those that are open."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self.cut()

    async def cut(self) -> None:
        """Reset every open connection, as a firewall does that lost its table."""
        tasks = list(self._open)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections += 1
        self._open[task] = [writer]
        try:
            # Whoever is cut, or does not trust the certificate, ends its connection: that is what the test is about.
            with contextlib.suppress(*_STREAM_END, asyncio.CancelledError):
                await self._serve(reader, writer, self._open[task])
        finally:
            for each in self._open.pop(task):
                _reset(each)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, mine: list[asyncio.StreamWriter]
    ) -> None:
        target = self._target or await _asked_for(reader, writer)
        if self.trouble in _BEFORE_TLS:
            await self._spoil_handshake(reader, writer)
            return
        await writer.start_tls(self._presented())
        host, _, port = target.rpartition(":")
        trusted = ssl.create_default_context(cafile=str(self._certificates / "ca.pem"))
        far_reader, far_writer = await asyncio.open_connection(host, int(port), ssl=trusted)
        mine.append(far_writer)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._carry(reader, far_writer), name="to the service")
            group.create_task(self._bring_back(far_reader, writer), name="to the daemon")

    async def _spoil_handshake(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if self.trouble is Trouble.SILENT_IN_HANDSHAKE:
            await reader.read()
        if self.trouble is Trouble.GARBAGE_FOR_TLS:
            writer.write(_GARBAGE)
            await writer.drain()
            await reader.read()

    def _presented(self) -> ssl.SSLContext:
        stem = "forged" if self.trouble is Trouble.WRONG_AUTHORITY else "server"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificates / f"{stem}.pem", self._certificates / f"{stem}.key")
        return context

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(2**16):
            writer.write(chunk)
            await writer.drain()
        # Nothing more will be asked: end both directions.
        raise ConnectionResetError

    async def _bring_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(2**16):
            match self.trouble:
                case Trouble.LATE:
                    await asyncio.sleep(self.seconds)
                    writer.write(chunk)
                case Trouble.RESET:
                    raise ConnectionResetError
                case Trouble.CUT_SHORT:
                    writer.write(chunk[: len(chunk) // 2])
                    await writer.drain()
                    writer.close()
                    await writer.wait_closed()
                    return
                case Trouble.HALF_OPEN:
                    continue
                case Trouble.SLOW_BODY:
                    await self._trickle(chunk, writer)
                case Trouble.GARBAGE:
                    writer.write(_GARBAGE)
                case _:
                    writer.write(chunk)
            await writer.drain()
        writer.close()

    async def _trickle(self, chunk: bytes, writer: asyncio.StreamWriter) -> None:
        for byte in chunk:
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(self.seconds)


async def _asked_for(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    """Take CONNECT and answer that the way is open."""
    head = await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await writer.drain()
    return head.split()[1].decode()


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    writer.transport.abort()
