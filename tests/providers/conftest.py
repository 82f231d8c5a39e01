"""Servers on loopback that misbehave exactly as told, with certificates of a CA of their own."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from daemon.providers.http import HttpClients
from tests.clock import ManualClock

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LINGER_NOT = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Signer:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def signed(subject: str, *, by: Signer | None, host: str = "localhost", days: tuple[int, int] = (-1, 30)) -> Signer:
    """A certificate signed by `by`, or by itself as an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    today = datetime.now(UTC)
    issuer = by.certificate.subject if by else name(subject)
    alternative: list[x509.GeneralName] = [x509.DNSName(host), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today + timedelta(days=days[0]))
        .not_valid_after(today + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
    )
    if by is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternative), critical=False)
    return Signer(builder.sign(by.key if by else key, hashes.SHA256()), key)


class Authority:
    """A CA, and TLS contexts for servers that it vouches for, or does not."""

    def __init__(self, folder: Path, subject: str = "the tests' own CA") -> None:
        self.folder = folder
        self.root = signed(subject, by=None)
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(self.root.certificate.public_bytes(serialization.Encoding.PEM))

    def context(self, signer: Signer) -> ssl.SSLContext:
        path = self.folder / f"{signer.certificate.serial_number}.pem"
        private = signer.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(private + signer.certificate.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def good(self) -> ssl.SSLContext:
        return self.context(signed("localhost", by=self.root))


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


class Servers:
    """Opens servers and closes them at the end of a test."""

    def __init__(self) -> None:
        self.stack = AsyncExitStack()
        self.writers: list[asyncio.StreamWriter] = []

    async def open(self, handler: Handler, tls: ssl.SSLContext | None = None) -> int:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.writers.append(writer)
            try:
                await handler(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                writer.transport.abort()

        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
        self.stack.callback(server.close)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        for writer in self.writers:
            writer.transport.abort()
        await self.stack.aclose()
        await asyncio.sleep(0)


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    opened = Servers()
    yield opened
    await opened.close()


async def head_of(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


def answering(response: bytes, seen: list[bytes] | None = None) -> Handler:
    """A server that gives `response` to each request, keeps the heads in `seen`, and closes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await head_of(reader)
        if seen is not None:
            seen.append(head)
        writer.write(response)
        await writer.drain()
        writer.close()

    return handle


def http(body: bytes = b"{}", *, status: str = "200 OK", headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nContent-Type: application/json\r\n{headers}"
    return f"{head}Connection: close\r\n\r\n".encode() + body


@dataclass
class Proxy:
    """A CONNECT proxy. `refusal` is answered instead of opening the way; the heads it saw are in `seen`."""

    refusal: bytes = b""
    seen: list[bytes] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await head_of(reader)
        self.seen.append(head)
        if self.refusal:
            writer.write(self.refusal)
            await writer.drain()
            writer.close()
            return
        host, _, port = head.split()[1].decode().rpartition(":")
        there_reader, there_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        async with asyncio.TaskGroup() as group:
            group.create_task(carry(reader, there_writer), name="to the server")
            group.create_task(carry(there_reader, writer), name="to the client")


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(2**16):
            writer.write(chunk)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@pytest.fixture(autouse=True)
def names_that_do_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names under `.invalid` are unknown without asking a name server: no test leaves the machine."""
    ask = socket.getaddrinfo

    def answer(host: Any, *arguments: Any, **options: Any) -> Any:
        if str(host).endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return ask(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", answer)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def observed() -> list[tuple[str, str, float]]:
    return []


@pytest.fixture
async def clients(clock: ManualClock, observed: list[tuple[str, str, float]]) -> AsyncIterator[HttpClients]:
    made = HttpClients(lambda *call: observed.append(call), clock=clock)
    yield made
    await made.close()
