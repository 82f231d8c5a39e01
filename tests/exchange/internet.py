"""A small internet on loopback: names with certificates of their own behind one proxy, and a name server.

The adapters reach every name through the proxy, which opens each to a real HTTP server; a name that nobody gave a
site to is not reached. Addresses like `localhost:1234` are passed on as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
from aiohttp import web

from tests.providers.conftest import Authority, signed

BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@dataclass(frozen=True)
class Seen:
    """One request as a site saw it."""

    method: str
    url: str
    authorization: str
    headers: dict[str, str]
    body: bytes


Site = Callable[[Seen, object], web.Response]
"""Answers a request; the second argument tells connections apart."""


@dataclass
class Internet:
    """`sites` by origin, like `https://mail.example.test`; `seen` is every request that any of them had."""

    authority: Authority
    sites: dict[str, Site] = field(default_factory=dict)
    srv: dict[str, list[tuple[int, int, int, str]]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    port: int = 0
    dns_port: int = 0

    def __post_init__(self) -> None:
        self._backends: dict[str, int] = {}
        self._server: asyncio.Server | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Internet]:
        async with AsyncExitStack() as stack:
            for scheme in ("http", "https"):
                self._backends[scheme] = await self._backend(stack, scheme)
            server = await asyncio.start_server(self._met, "127.0.0.1", 0)
            self._server = server
            stack.callback(server.close)
            self.port = server.sockets[0].getsockname()[1]
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: _Names(self), local_addr=("127.0.0.1", 0)
            )
            stack.callback(transport.close)
            self.dns_port = transport.get_extra_info("sockname")[1]
            yield self

    def end(self) -> None:
        """The proxy takes no more connections; those that are open stay."""
        assert self._server is not None
        self._server.close()

    def asked(self, origin: str) -> list[Seen]:
        """The requests that one origin had."""
        return [each for each in self.seen if "/".join(each.url.split("/", 3)[:3]) == origin]

    async def _backend(self, stack: AsyncExitStack, scheme: str) -> int:
        async def handle(request: web.BaseRequest) -> web.Response:
            origin = f"{scheme}://{request.host}"
            seen = Seen(
                request.method,
                f"{origin}{request.rel_url}" if request.rel_url.host is None else str(request.rel_url),
                request.headers.get("Authorization", ""),
                dict(request.headers),
                await request.read(),
            )
            self.seen.append(seen)
            site = self.sites.get(origin)
            return web.Response(status=404) if site is None else site(seen, request.transport)

        runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.5)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port: int = runner.addresses[0][1]
        return port

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, OSError):
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = head.decode().split(" ", 2)
            if method == "CONNECT":
                await self._tunnel(target, reader, writer)
            else:
                await self._plain(target, head, reader, writer)
        writer.close()

    async def _plain(
        self, target: str, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if f"http://{urlsplit(target).netloc}" not in self.sites:
            self.refused.append(target)
            writer.write(BAD_GATEWAY)
            return
        await _joined(reader, writer, port=self._backends["http"], first=head)

    async def _tunnel(self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = target.rpartition(":")
        if host == "localhost":
            writer.write(OPENED)
            await _joined(reader, writer, port=int(port))
            return
        if f"https://{host}" not in self.sites or port != "443":
            self.refused.append(target)
            writer.write(BAD_GATEWAY)
            return
        writer.write(OPENED)
        certificate = signed(host, by=self.authority.root, host=host)
        await writer.start_tls(self.authority.context(certificate))
        await _joined(reader, writer, port=self._backends["https"])


async def _joined(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, port: int, first: bytes = b"") -> None:
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
    far_writer.write(first)
    async with asyncio.TaskGroup() as group:
        group.create_task(_carry(reader, far_writer), name="out")
        group.create_task(_carry(far_reader, writer), name="back")


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, OSError):
        while chunk := await reader.read(2**16):
            writer.write(chunk)
            await writer.drain()
    writer.close()


class _Names(asyncio.DatagramProtocol):
    """Answers SRV questions out of `internet.srv`; every other name does not exist."""

    def __init__(self, internet: Internet) -> None:
        self._internet = internet
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        question = dns.message.from_wire(data)
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.RA
        name = question.question[0].name
        records = self._internet.srv.get(name.to_text(omit_final_dot=True))
        if records is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        else:
            texts = [f"{priority} {weight} {port} {target}." for priority, weight, port, target in records]
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "SRV", *texts))
        assert self._transport is not None
        self._transport.sendto(answer.to_wire(), addr)
