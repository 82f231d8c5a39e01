"""A name server on a free port of loopback with the records that a test puts into it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Self

import dns.message
import dns.rcode
import dns.rrset


@dataclass(slots=True)
class DnsZone:
    """`srv`: priority, weight, port and target by name; `a`: addresses by name; everything else does not exist."""

    srv: dict[str, list[tuple[int, int, int, str]]] = field(default_factory=dict)
    a: dict[str, str] = field(default_factory=dict)
    port: int = 0
    _transport: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> Self:
        zone = self

        class Answering(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                assert zone._transport is not None
                zone._transport.sendto(zone.answer(data), addr)

        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(Answering, local_addr=("127.0.0.1", 0))
        self.port = self._transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._transport is not None
        self._transport.close()

    def answer(self, data: bytes) -> bytes:
        """One question, one answer."""
        query = dns.message.from_wire(data)
        response = dns.message.make_response(query)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True)
        kind = "SRV" if question.rdtype == 33 else "A" if question.rdtype == 1 else ""
        texts = {"SRV": [f"{p} {w} {port} {_dotted(to)}" for p, w, port, to in self.srv.get(name, ())], "A": []}
        if kind == "A" and name in self.a:
            texts["A"] = [self.a[name]]
        if texts.get(kind):
            response.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *texts[kind]))
        elif name not in self.a:
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response.to_wire()


def _dotted(name: str) -> str:
    return name if name.endswith(".") else f"{name}."
