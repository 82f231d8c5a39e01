"""LDAP over an asyncio stream: messages cut out, decoded in slices, and given to whoever waits for them.

The one module that speaks with sansldap's session. It judges nothing: answers are handed out as they came.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import sansldap

from daemon.providers.ldap_entry import Entry, entry_in
from daemon.providers.ldap_errors import Refusal
from daemon.providers.ldap_seal import Broken, Seal

SLICE: Final = 0.005
"""Seconds of decoding after which the loop has its turn."""

_CHUNK: Final = 64 * 1024
_PARTING: Final = 1.0
_NOT_LDAP: Final = "the server sent something that is not LDAP"
_NOT_SEALED: Final = "the server sent something that is not sealed as the sign-in agreed"
NO_LDAP: Final = (
    sansldap.LDAPError,
    sansldap.asn1.NotEnougData,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    struct.error,
)
"""What sansldap raises for bytes that are no LDAP."""


class Lost(Exception):
    """The connection is gone. `refusal`: the server said why; `malformed`: it spoke something else than LDAP."""

    def __init__(self, *, refusal: Refusal | None = None, malformed: str = "") -> None:
        super().__init__(malformed or "the connection was cut")
        self.refusal = refusal
        self.malformed = malformed


@dataclass(slots=True)
class Answer:
    """All that one request was answered with; `refusal` is None when it succeeded. `proof`: the server's, of SASL."""

    entries: list[Entry] = field(default_factory=list)
    refusal: Refusal | None = None
    cookie: bytes = field(default=b"", repr=False)
    proof: bytes = field(default=b"", repr=False)


class Slices:
    """Gives the loop its turn while something long is worked on."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    async def rest(self) -> None:
        """Let others run, if it was long ago that they could."""
        if time.perf_counter() - self._began > SLICE:
            await asyncio.sleep(0)
            self._began = time.perf_counter()


@dataclass(slots=True)
class _Waiting:
    answer: Answer
    done: asyncio.Future[Answer]
    seal: Seal | None


class Wire:
    """One connection. `send` writes a request and waits for its answer; any number may wait at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, largest: int) -> None:
        self._reader = reader
        self._writer = writer
        self._largest = largest
        self._client = sansldap.LDAPClient()
        self._waiting: dict[int, _Waiting] = {}
        self._read: asyncio.Task[None] | None = None
        self._lost: Lost | None = None
        self._seal: Seal | None = None

    @property
    def is_open(self) -> bool:
        """Whether a request may be sent."""
        return self._lost is None and not self._writer.is_closing()

    async def send(self, write: Callable[[sansldap.LDAPClient], int], *, seal: Seal | None = None) -> Answer:
        """Send what `write` makes, and give the answer. Raises `Lost`.

        Once it has succeeded, everything behind the answer wears the `seal`, in both directions.
        """
        if not self.is_open:
            raise self._lost or Lost()
        number = write(self._client)
        self._write()
        waiting = self._waiting[number] = _Waiting(Answer(), asyncio.get_running_loop().create_future(), seal)
        if self._read is None:
            self._read = asyncio.create_task(self._reading(), name="ldap reader")
        try:
            return await waiting.done
        finally:
            # Whatever still comes for a request that was given up is dropped.
            self._waiting.pop(number, None)

    async def start_tls(self, *, context: ssl.SSLContext, host: str) -> Refusal | None:
        """Ask for StartTLS and shake hands; gives the refusal, if there is one. Raises `Lost`, `OSError`.

        Runs before anything else is sent. Whatever came in the clear beside the answer is taken for an attack.
        """
        self._client.extended_request(sansldap.ExtendedOperations.LDAP_START_TLS.value)
        self._writer.write(self._client.data_to_send())
        frame = bytearray()
        while not (length := _length_of(frame)):
            if not (chunk := await self._reader.read(_CHUNK)):
                raise Lost
            frame += chunk
            self._check_size(frame)
        if length != len(frame):
            raise Lost(malformed="the server sent more before TLS than its answer")
        for message in self._decoded(bytes(frame)):
            if isinstance(message, sansldap.ExtendedResponse):
                refusal = _refusal_of(message.result)
                if refusal.code:
                    return refusal
        await self._writer.start_tls(context, server_hostname=host)
        return None

    async def upgrade(self, *, context: ssl.SSLContext, host: str) -> None:
        """Shake hands at once, for LDAPS. Raises `OSError`."""
        await self._writer.start_tls(context, server_hostname=host)

    def tls(self) -> ssl.SSLObject | None:
        """The TLS of the connection."""
        found: ssl.SSLObject | None = self._writer.get_extra_info("ssl_object")
        return found

    async def close(self) -> None:
        """Say good-bye and close; whoever waits gets `Lost`. Safe to repeat."""
        if self.is_open and self._client.state is not sansldap.SessionState.CLOSED:
            self._client.unbind()
            with suppress(Lost):  # that no good-bye can be sealed any more keeps nobody from going
                self._write()
        self._writer.close()
        try:
            # A server that is gone would keep TLS waiting for its good-bye.
            async with asyncio.timeout(_PARTING):
                await self._writer.wait_closed()
        except OSError:
            # TimeoutError is one, too: that it is closed is all that is wanted.
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Cut the connection without a wait or a word; whoever waits gets `Lost`. Safe to repeat."""
        self._end(Lost())
        if self._read is not None and self._read is not asyncio.current_task():
            self._read.cancel()

    def _write(self) -> None:
        data = self._client.data_to_send()
        try:
            self._writer.write(data if self._seal is None else self._seal.sealed(data))
        except Broken:
            self._end(Lost())
            raise Lost from None

    def _opened(self, data: bytes) -> bytes:
        try:
            return data if self._seal is None else self._seal.opened(data)
        except Broken:
            raise Lost(malformed=_NOT_SEALED) from None

    async def _reading(self) -> None:
        lost = Lost()
        try:
            await self._read_on()
        except Lost as found:
            lost = found
        except OSError:
            lost = Lost()
        finally:
            self._end(lost)

    async def _read_on(self) -> None:
        buffer, slices = bytearray(), Slices()
        while chunk := await self._reader.read(_CHUNK):
            buffer += self._opened(chunk)
            start = 0
            while length := _length_of(buffer, start):
                worn = self._seal
                self._take_in(bytes(buffer[start : start + length]))
                start += length
                if worn is not self._seal:
                    buffer[start:] = self._opened(bytes(buffer[start:]))
                await slices.rest()
            del buffer[:start]
            self._check_size(buffer)
        await slices.rest()

    def _take_in(self, frame: bytes) -> None:
        try:
            found = entry_in(frame)
        except ValueError:
            raise Lost(malformed=_NOT_LDAP) from None
        if found is None:
            for message in self._decoded(frame):
                self._take(message)
        elif (waiting := self._waiting.get(found[0])) is not None:
            waiting.answer.entries.append(found[1])

    def _decoded(self, frame: bytes) -> Sequence[sansldap.LDAPMessage]:
        notice: Refusal | None = None
        try:
            messages = self._client.receive(frame)
            if messages:
                return messages
        except NO_LDAP as error:
            request = getattr(error, "request", None)
            notice = _refusal_of(request.result) if isinstance(request, sansldap.ExtendedResponse) else None
        raise Lost(refusal=notice, malformed="" if notice else _NOT_LDAP)

    def _check_size(self, buffer: bytearray) -> None:
        if len(buffer) > self._largest:
            raise Lost(malformed=f"the server sent a message of more than {self._largest} bytes")

    def _take(self, message: sansldap.LDAPMessage) -> None:
        waiting = self._waiting.get(message.message_id)
        if waiting is None:
            return
        match message:
            case sansldap.SearchResultDone() | sansldap.BindResponse() | sansldap.ExtendedResponse():
                refusal = _refusal_of(message.result)
                waiting.answer.refusal = refusal if refusal.code else None
                waiting.answer.cookie = _cookie_in(message.controls)
                if isinstance(message, sansldap.BindResponse):
                    waiting.answer.proof = message.server_sasl_creds or b""
                    self._seal = self._seal if refusal.code else waiting.seal
                if not waiting.done.done():
                    waiting.done.set_result(waiting.answer)
            case _:
                # A referral, for the rest: it leads to another domain and is not followed.
                pass

    def _end(self, lost: Lost) -> None:
        if self._lost is None:
            self._lost = lost
        self._writer.transport.abort()
        for waiting in self._waiting.values():
            if not waiting.done.done():
                waiting.done.set_exception(Lost(refusal=self._lost.refusal, malformed=self._lost.malformed))


def _length_of(buffer: bytearray, start: int = 0) -> int:
    """The length of the message that begins at `start`; 0 while it is not whole. Raises `Lost` for no message."""
    if len(buffer) - start < 2:
        return 0
    if buffer[start] != 0x30:
        raise Lost(malformed=_NOT_LDAP)
    first = buffer[start + 1]
    octets = first & 0x7F if first & 0x80 else 0
    if first == 0x80 or octets > 4:
        raise Lost(malformed=_NOT_LDAP)
    if len(buffer) - start < 2 + octets:
        return 0
    body = int.from_bytes(buffer[start + 2 : start + 2 + octets], "big") if octets else first
    whole = 2 + octets + body
    return whole if len(buffer) - start >= whole else 0


def _refusal_of(result: sansldap.LDAPResult) -> Refusal:
    return Refusal(
        # Not the number itself: for a code that sansldap does not know it is 0, which would mean success.
        code=result.result_code.value,
        text=result.diagnostics_message or "",
        referrals=tuple(result.referrals or ()),
    )


def _cookie_in(controls: Sequence[sansldap.LDAPControl]) -> bytes:
    found = (control.cookie for control in controls if isinstance(control, sansldap.PagedResultControl))
    return next(found, b"")
