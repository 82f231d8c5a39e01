"""Receivers of audit records over TCP and TLS: implements `daemon.audit_ports.Receivers`. No proxy is used.

A receiver of syslog answers nothing, so the best proof there is comes from TCP: Linux tells how many bytes of a socket
the other machine has not acknowledged yet. What its kernel holds can be lost with the program that should read it;
`daemon.engine.delivery` therefore waits a while before it counts anything as delivered.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import ssl
import struct
import termios
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from daemon.audit_values import Receiver
from daemon.ports import ProviderFault, Route
from daemon.providers import failure, trust
from daemon.providers.failure import Target
from daemon.providers.quoting import quoted
from daemon.providers.reach import shaken, untrusted
from daemon.providers.trail import untold
from daemon.providers.tunnel import Stream, way_to
from states import Fault

_ESTABLISHED: Final = 1
_CLOSE_WAIT: Final = 8
_FIRST_LOOK: Final = 0.001
_LAST_LOOK: Final = 0.1
"""Seconds between two looks at what is not acknowledged; nothing tells of it by itself."""
_KEEPALIVE: Final = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 20), (socket.TCP_KEEPCNT, 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverLimits:
    """Seconds for each layer of the way, and until a receiver that acknowledges nothing more is given up."""

    connect: float = 10.0
    stalled: float = 30.0


USUAL: Final = ReceiverLimits()


class AuditReceivers:
    """Makes connections; holds none itself."""

    def __init__(self, limits: ReceiverLimits = USUAL) -> None:
        self._limits = limits

    @asynccontextmanager
    async def connected(self, receiver: Receiver, *, lost: Callable[[], None]) -> AsyncIterator[ReceiverConnection]:
        target = Target(host=receiver.host, port=receiver.port)
        async with way_to(target, Route(), seconds=self._limits.connect, trail=untold()) as stream:
            connection = ReceiverConnection(target, stream, stalled=self._limits.stalled)
            if receiver.tls:
                await self._secure(target, stream, receiver)
            connection.listen(lost)
            try:
                yield connection
            finally:
                await connection.cut()

    async def _secure(self, target: Target, stream: Stream, receiver: Receiver) -> None:
        context = await asyncio.to_thread(_context, receiver)
        seconds, refusal = self._limits.connect, ""
        try:
            await shaken(target, stream, context=context, seconds=seconds)
        except ssl.SSLCertVerificationError as error:
            refusal = error.verify_message
        if refusal:
            raise await untrusted(target, Route(), reason=refusal, seconds=seconds)


class ReceiverConnection:
    """One connection; `listen` before it is used, and `cut` at its end."""

    def __init__(self, target: Target, stream: Stream, *, stalled: float) -> None:
        self._target = target
        self._stream = stream
        self._stalled = stalled
        self._below = stream.writer.transport
        self._socket: Any = stream.writer.get_extra_info("socket")
        self._fault: ProviderFault | None = None
        self._listening: asyncio.Task[None] | None = None
        _keep_alive(self._socket)

    @property
    def ended(self) -> bool:
        return self._fault is not None

    @property
    def stands(self) -> bool:
        """Whether the receiver has not begun to end it, as the system knows now: also what the loop has yet to hear."""
        return self._fault is None and self._socket.fileno() >= 0 and self._tcp_state() == _ESTABLISHED

    def listen(self, lost: Callable[[], None]) -> None:
        """Notice when the receiver ends the connection; what it says is not asked for."""
        self._listening = asyncio.create_task(self._listen(lost), name=f"listens to the receiver {self._target}")

    async def send(self, data: bytes) -> None:
        self.check()
        self._stream.writer.write(data)
        left, moved_at, pause = self._unacknowledged(), time.monotonic(), _FIRST_LOOK
        while left:
            await self._look_again(pause)
            before, left = left, self._unacknowledged()
            if left != before:
                moved_at = time.monotonic()
            elif time.monotonic() - moved_at > self._stalled:
                raise self._takes_nothing(left)
            pause = min(_LAST_LOOK, pause * 2)
        self.check()

    def check(self) -> None:
        if self._fault is None and self._socket.fileno() >= 0 and self._tcp_state() in {_ESTABLISHED, _CLOSE_WAIT}:
            return
        raise self._fault or failure.connection_lost(self._target, doing="by the receiver")

    async def finish(self, *, seconds: float) -> bool:
        with suppress(OSError):  # a TimeoutError is one, too
            async with asyncio.timeout(seconds):
                return await self._in_order()
        return False

    async def cut(self) -> None:
        """Let go of it, whatever is under way."""
        self._stream.writer.transport.abort()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait([self._listening])

    async def _in_order(self) -> bool:
        """Over TLS the receiver's own good-bye is waited for, else its end: both come behind what it has read."""
        if self._stream.writer.can_write_eof():
            self._stream.writer.write_eof()
        else:
            self._stream.writer.close()
            await self._stream.writer.wait_closed()
        if self._listening is not None:
            await asyncio.wait([self._listening])
        return isinstance(self._fault, _Ended)

    async def _listen(self, lost: Callable[[], None]) -> None:
        try:
            while await self._stream.reader.read(4096):
                pass
            fault: ProviderFault = _Ended(Fault.CONNECTION_LOST, f"{self._target}: the receiver ended the connection")
        except ssl.SSLError as error:
            fault = failure.tls_failed(self._target, error)
        except OSError:
            fault = failure.connection_lost(self._target, doing="by the receiver")
        self._fault = fault
        lost()

    async def _look_again(self, seconds: float) -> None:
        if self._listening is not None:
            await asyncio.wait([self._listening], timeout=seconds)
        self.check()

    def _unacknowledged(self) -> int:
        """Bytes that were written and not acknowledged: in TLS and in the transport, then in the system's queue."""
        above = self._stream.writer.transport
        waiting = self._below.get_write_buffer_size() + (0 if above is self._below else above.get_write_buffer_size())
        answer = fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
        return int(waiting + struct.unpack("i", answer)[0])

    def _tcp_state(self) -> int:
        return int(self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0])

    def _takes_nothing(self, left: int) -> ProviderFault:
        text = f"{self._target}: the receiver has taken nothing for {self._stalled:g} s; {left} bytes wait for it"
        return ProviderFault(Fault.TIMED_OUT, text)


class _Ended(ProviderFault):
    """The receiver ended the connection in order."""


def _keep_alive(connected: Any) -> None:
    """A receiver that vanished without a word is noticed while there is nothing to send."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        connected.setsockopt(socket.IPPROTO_TCP, option, value)


def _context(receiver: Receiver) -> ssl.SSLContext:
    """Made anew for each connection, so that files which were replaced count. Raises `ProviderFault`; blocks."""
    try:
        context = trust.alike(ssl.create_default_context(cafile=receiver.ca or None))
    except OSError as error:
        failed = _unusable(Fault.CA_FILE_UNREADABLE, f"audit_forward_ca {quoted(receiver.ca)}", error)
    else:
        if not receiver.certificate:
            return context
        try:
            context.load_cert_chain(receiver.certificate, receiver.key, password=_no_passphrase)
        except (OSError, _Locked) as error:
            files = f"audit_forward_certificate {quoted(receiver.certificate)} with audit_forward_key"
            failed = _unusable(Fault.SECRET_UNREADABLE, files, error)
        else:
            return context
    raise failed


class _Locked(Exception):
    """The key asks for a passphrase."""


def _no_passphrase() -> NoReturn:
    raise _Locked


def _unusable(fault: Fault, what: str, error: OSError | _Locked) -> ProviderFault:
    match error:
        case _Locked():
            reason = "the key is locked by a passphrase"
        case ssl.SSLError(reason="KEY_VALUES_MISMATCH"):
            reason = "the key does not belong to the certificate"
        case ssl.SSLError():
            reason = "not what is wanted stands there in PEM form"
        case _:
            reason = error.strerror or "the system refused"
    return ProviderFault(fault, f"[daemon] {what} cannot be used: {reason}")
