"""An LDAP server on loopback that answers what a test says: for what no real server can be brought to say.

Its protocol is sansldap's own server side, over a real socket, with TLS where a certificate is given.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import sansldap

from tests.directory.certificates import Pair

AD = "1.2.840.113556.1.4.800"
BASE_DN = "DC=corp,DC=test"
Attributes = dict[str, list[bytes]]


@dataclass(frozen=True, slots=True)
class Reply:
    """Entries, and how the search ended."""

    entries: Sequence[tuple[str, Attributes]] = ()
    code: int = 0
    text: str = ""
    cookie: bytes = b""
    references: Sequence[str] = ()


ROOT = Reply(
    entries=[
        (
            "",
            {
                "defaultNamingContext": [BASE_DN.encode()],
                "dnsHostName": [b"dc9.corp.test"],
                "supportedCapabilities": [AD.encode()],
                "namingContexts": [BASE_DN.encode()],
            },
        )
    ]
)

Search = Callable[[sansldap.SearchRequest], Reply | bytes | None]


@dataclass(slots=True)
class Scripted:
    """What it was asked, and what it answers. `bind` and `start_tls` are code and text.

    `search` gives bytes to have them sent as they are, and None to have the connection cut. The root DSE is answered
    with `root`. `before_tls` is sent in the clear right after the answer to StartTLS. It would speak HTTP within TLS
    too: `agreed` are the protocols that were chosen of those which were offered (ALPN), None where none was.
    """

    port: int = 0
    bind: tuple[int, str] = (0, "")
    start_tls: tuple[int, str] = (0, "")
    root: Reply = ROOT
    search: Search = lambda request: Reply()
    before_tls: bytes = b""
    certificate: Pair | None = None
    binds: list[str] = field(default_factory=list)
    searches: list[sansldap.SearchRequest] = field(default_factory=list)
    connections: int = 0
    agreed: list[str | None] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        self._note_protocol(writer)
        session = sansldap.LDAPServer()
        with contextlib.suppress(OSError, sansldap.ProtocolError):
            while data := await reader.read(65536):
                for message in session.receive(data):
                    if not await self._answered(session, message, writer):
                        writer.transport.abort()
                        return
        writer.close()

    async def _answered(
        self, session: sansldap.LDAPServer, message: sansldap.LDAPMessage, writer: asyncio.StreamWriter
    ) -> bool:
        """Whether the connection goes on."""
        match message:
            case sansldap.BindRequest(name=name):
                self.binds.append(name)
                code, text = self.bind
                session.bind_response(message.message_id, result_code=_code(code), diagnostics_message=text)
            case sansldap.ExtendedRequest():
                await self._started_tls(session, message, writer)
            case sansldap.SearchRequest():
                reply = self.root if message.base_object == "" else self._searched(message)
                if not isinstance(reply, Reply):
                    writer.write(reply or b"")
                    await writer.drain()
                    return reply is not None
                _say(session, message.message_id, reply)
        writer.write(session.data_to_send())
        await writer.drain()
        return True

    async def _started_tls(
        self, session: sansldap.LDAPServer, message: sansldap.ExtendedRequest, writer: asyncio.StreamWriter
    ) -> None:
        code, text = self.start_tls
        session.extended_response(message.message_id, result_code=_code(code), diagnostics_message=text)
        writer.write(session.data_to_send() + (b"" if code else self.before_tls))
        await writer.drain()
        if not code and self.certificate is not None:
            await writer.start_tls(_context(self.certificate))
            self._note_protocol(writer)

    def _note_protocol(self, writer: asyncio.StreamWriter) -> None:
        tls = writer.get_extra_info("ssl_object")
        if tls is not None:
            self.agreed.append(tls.selected_alpn_protocol())

    def _searched(self, message: sansldap.SearchRequest) -> Reply | bytes | None:
        self.searches.append(message)
        return self.search(message)


def _say(session: sansldap.LDAPServer, number: int, reply: Reply) -> None:
    for dn, attributes in reply.entries:
        partial = [sansldap.PartialAttribute(name=name, values=values) for name, values in attributes.items()]
        session.search_result_entry(number, dn, attributes=partial)
    if reply.references:
        session.search_result_reference(number, list(reply.references))
    paging = sansldap.PagedResultControl(critical=False, size=0, cookie=reply.cookie)
    session.search_result_done(
        number,
        result_code=_code(reply.code),
        diagnostics_message=reply.text,
        controls=[paging],
    )


def _code(number: int) -> sansldap.LDAPResultCode:
    """Also one that sansldap does not know, which it would send as 0."""
    if number in {each.value for each in sansldap.LDAPResultCode}:
        return sansldap.LDAPResultCode(number)
    made = int.__new__(sansldap.LDAPResultCode, number)
    made._name_, made._value_ = f"UNKNOWN {number}", number
    return made


def _context(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    context.set_alpn_protocols(["http/1.1"])
    return context


@contextlib.asynccontextmanager
async def serving(script: Scripted, *, tls: bool = False) -> AsyncIterator[Scripted]:
    """Run it; `tls`: LDAPS with its certificate."""
    context = _context(script.certificate) if tls and script.certificate is not None else None
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0, ssl=context)
    script.port = server.sockets[0].getsockname()[1]
    try:
        yield script
    finally:
        server.close()


def user(name: str, *, number: int = 1, **more: list[bytes]) -> tuple[str, Attributes]:
    """A user's entry."""
    attributes: Attributes = {
        "objectClass": [b"top", b"person", b"user"],
        "objectGUID": [number.to_bytes(16, "little")],
        "cn": [name.encode()],
        "mail": [f"{name}@corp.test".encode()],
        "userAccountControl": [b"512"],
    }
    return f"CN={name},{BASE_DN}", {**attributes, **more}


def group(name: str, *, number: int = 900, **more: list[bytes]) -> tuple[str, Attributes]:
    """A group's entry."""
    attributes: Attributes = {
        "objectClass": [b"top", b"group"],
        "objectGUID": [number.to_bytes(16, "little")],
        "cn": [name.encode()],
    }
    return f"CN={name},{BASE_DN}", {**attributes, **more}
