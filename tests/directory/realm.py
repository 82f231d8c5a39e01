"""Kerberos around a test: its own krb5.conf, no ticket of anybody's, and a key distribution centre of the test's."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.directory.samba import DOMAIN

REALM = DOMAIN.upper()
_CONFIGURATION = """[libdefaults]
dns_lookup_kdc = false
dns_lookup_realm = false
[realms]
{realm} = {{
kdc = {kdc}
}}
"""


class Realm:
    """What Kerberos of this process finds. There is no default realm, and no default ticket unless a test puts one."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.configuration = folder / "krb5.conf"
        self.cache = folder / "cache"
        monkeypatch.setenv("KRB5_CONFIG", str(self.configuration))
        monkeypatch.setenv("KRB5CCNAME", f"FILE:{self.cache}")
        monkeypatch.setenv("KRB5_KTNAME", str(folder / "nobody.keytab"))
        monkeypatch.setenv("KRB5_CLIENT_KTNAME", str(folder / "nobody.keytab"))

    def served_by(self, kdc: str, *, realm: str = REALM) -> None:
        """Name the key distribution centre, `host` or `host:port`."""
        self.configuration.write_text(_CONFIGURATION.format(realm=realm, kdc=kdc))

    def take_ticket(self, user: str, password: str, *, cache: str = "") -> None:
        """Put a ticket into the default cache or another one, as kinit would."""
        import gssapi

        asked = {"usage": "initiate", "mechs": [gssapi.MechType.kerberos]}
        name = gssapi.Name(user, gssapi.NameType.kerberos_principal)
        found = gssapi.raw.acquire_cred_with_password(name, password.encode(), **asked)
        gssapi.Credentials(found.creds).store(
            {"ccache": cache or f"FILE:{self.cache}"}, usage="initiate", overwrite=True
        )


def is_kept(cache: str) -> bool:
    """Whether a cache of this name holds anything; MIT's library lists none that are in memory."""
    library, context = ctypes.CDLL("libkrb5.so.3"), ctypes.c_void_p()
    found, principal = ctypes.c_void_p(), ctypes.c_void_p()
    assert library.krb5_init_context(ctypes.byref(context)) == 0
    assert library.krb5_cc_resolve(context, cache.encode(), ctypes.byref(found)) == 0
    answer = library.krb5_cc_get_principal(context, found, ctypes.byref(principal))
    library.krb5_free_principal(context, principal)
    library.krb5_cc_close(context, found)
    library.krb5_free_context(context)
    return bool(answer == 0)


@asynccontextmanager
async def scripted_kdc(error: int | None) -> AsyncIterator[str]:
    """A key distribution centre that answers everything with this error of Kerberos, and with None nothing at all."""
    writers, closed = list[asyncio.StreamWriter](), asyncio.Event()

    class Answering(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            if error is not None:
                transport.sendto(krb_error(error), addr)

        def connection_lost(self, exc: Exception | None) -> None:
            closed.set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        if await reader.read(65536) and error is not None:
            said = krb_error(error)
            writer.write(len(said).to_bytes(4, "big") + said)

    datagrams, stream = _one_port_of_both()
    port = stream.getsockname()[1]
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Answering, sock=datagrams)
    server = await asyncio.start_server(answer, sock=stream)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        transport.abort()
        server.close()
        await closed.wait()
        for writer in writers:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()


def _one_port_of_both() -> tuple[socket.socket, socket.socket]:
    """A UDP socket and a TCP socket of the same number, which the system gives out apart from each other."""
    while True:
        stream = socket.create_server(("127.0.0.1", 0))
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            datagrams.bind(stream.getsockname())
        except OSError as error:
            stream.close()
            datagrams.close()
            assert error.errno == errno.EADDRINUSE, error  # noqa: PT017 - the next number, then
        else:
            return datagrams, stream


def krb_error(code: int) -> bytes:
    """KRB-ERROR of RFC 4120, section 5.9.1, in DER."""
    name = _tlv(0x30, _tlv(0xA0, _integer(2)), _tlv(0xA1, _tlv(0x30, _text("krbtgt"), _text(REALM))))
    return _tlv(
        0x7E,
        _tlv(
            0x30,
            _tlv(0xA0, _integer(5)),
            _tlv(0xA1, _integer(30)),
            _tlv(0xA4, _tlv(0x18, b"20260101000000Z")),
            _tlv(0xA5, _integer(0)),
            _tlv(0xA6, _integer(code)),
            _tlv(0xA9, _text(REALM)),
            _tlv(0xAA, name),
        ),
    )


def _text(text: str) -> bytes:
    return _tlv(0x1B, text.encode())


def _integer(number: int) -> bytes:
    return _tlv(0x02, bytes([number]))


def _tlv(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    assert len(body) < 128
    return bytes([tag, len(body)]) + body
