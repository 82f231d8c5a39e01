"""The server's side of a Kerberos sign-in over LDAP, by MIT's own acceptor: for what Samba cannot be brought to do."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sansldap

from tests.directory.certificates import Pair
from tests.directory.scripted import ROOT, _code, _say

NONE, SIGNED, SEALED = 1, 2, 4
Speak = Callable[[Any, bytes], bytes]


def sealed(context: Any, data: bytes) -> bytes:
    """A message as it was agreed upon."""
    return framed(context.wrap(data, True).message)


def framed(data: bytes) -> bytes:
    """With its length before it."""
    return len(data).to_bytes(4, "big") + data


def bound_to(certificate: Pair) -> bytes:
    """tls-server-end-point of a certificate that is signed with SHA-256."""
    der = ssl.PEM_cert_to_DER_cert(certificate.certificate.read_text())
    return b"tls-server-end-point:" + hashlib.sha256(der).digest()


@dataclass(slots=True)
class Acceptor:
    """Signs in whoever brings a ticket for the keys in `keytab`.

    `binding` has to be the client's; `offer` is what it says of layers, and `end` how it ends the sign-in. `hasty`: it
    is content with the ticket alone. Searches are answered by `speak`, out of an answer in the clear. `chosen` is the
    layer that the client took.
    """

    keytab: str
    binding: bytes = b""
    offer: bytes = bytes([NONE | SIGNED | SEALED, 0, 0x10, 0])
    end: tuple[int, str] = (0, "")
    hasty: bool = False
    speak: Speak = sealed
    chosen: int = 0
    asked: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        session, buffer, context = sansldap.LDAPServer(), bytearray(), self._context()
        with contextlib.suppress(OSError, sansldap.ProtocolError):
            while data := await reader.read(65536):
                buffer += data
                for message in session.receive(self._opened(context, buffer)):
                    if isinstance(message, sansldap.BindRequest):
                        self._step(session, context, message)
                        writer.write(session.data_to_send())
                    elif isinstance(message, sansldap.SearchRequest):
                        self.asked.append(message.base_object)
                        _say(session, message.message_id, ROOT)
                        answer = session.data_to_send()
                        writer.write(answer if self.chosen == NONE else self.speak(context, answer))
        writer.close()

    def _context(self) -> Any:
        import gssapi

        store = {"keytab": f"FILE:{self.keytab}"}
        bindings = gssapi.raw.ChannelBindings(application_data=self.binding) if self.binding else None
        keys = gssapi.Credentials(usage="accept", store=store)
        context = gssapi.SecurityContext(creds=keys, usage="accept", channel_bindings=bindings)
        # A wrong binding is told in LDAP's words and not in a token of Kerberos.
        context.__DEFER_STEP_ERRORS__ = False
        return context

    def _opened(self, context: Any, buffer: bytearray) -> bytes:
        if self.chosen in {0, NONE}:
            found = bytes(buffer)
            buffer.clear()
            return found
        found = b""
        while len(buffer) >= 4 and len(buffer) >= 4 + (length := int.from_bytes(buffer[:4], "big")):
            opened = context.unwrap(bytes(buffer[4 : 4 + length]))
            assert opened.encrypted
            assert length <= int.from_bytes(self.offer[1:], "big")
            found += opened.message
            del buffer[: 4 + length]
        return found

    def _step(self, session: sansldap.LDAPServer, context: Any, message: sansldap.BindRequest) -> None:
        assert isinstance(message.authentication, sansldap.SaslCredential)
        token, code, text, proof = message.authentication.credentials or b"", 14, "", b""
        if not context.complete:
            code, text, proof = self._accepted(context, token)
        elif token:
            self.chosen = context.unwrap(token).message[0]
            code, text = self.end
        else:
            proof = context.wrap(self.offer, False).message
        session.bind_response(
            message.message_id, result_code=_code(code), diagnostics_message=text, sasl_creds=proof or None
        )

    def _accepted(self, context: Any, token: bytes) -> tuple[int, str, bytes]:
        from gssapi.exceptions import BadChannelBindingsError

        try:
            proof = context.step(token) or b""
        except BadChannelBindingsError:
            return (
                49,
                "80090346: LdapErr: DSID-0C090597, comment: AcceptSecurityContext error, data 80090346, v4563",
                b"",
            )
        return (0 if self.hasty else 14), "", proof


@contextlib.asynccontextmanager
async def accepting(acceptor: Acceptor, certificate: Pair | None = None) -> Any:
    """Its port on loopback; with a certificate over TLS."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
    server = await asyncio.start_server(acceptor.serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
