"""The site of this host in an Active Directory, asked of a domain controller with one datagram (an "LDAP ping").

Called by `domain_controllers.py`. It only sorts servers, so it is asked briefly and believed little.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final

import sansldap

from daemon.providers.ldap_wire import NO_LDAP

WITHIN: Final = 0.5
"""Seconds. Who does not answer in that time is no server to prefer."""

_PORT: Final = 389
_VERSION_5EX_WITH_SITE: Final = b"\x16\x00\x00\x00"
_NAMES_BEGIN: Final = 24
_CLIENT_SITE: Final = 7
_JUMPS: Final = 16
_SITE: Final = re.compile(r"[A-Za-z0-9_-]{1,63}")


class _Ping(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        if not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_result(b"")


async def site_of_this_host(address: str, domain: str, *, port: int = _PORT) -> str:
    """The site that the domain controller at `address` sees this host in; empty if it does not say."""
    client = sansldap.LDAPClient()
    wanted = sansldap.FilterAnd(
        [
            sansldap.FilterEquality("DnsDomain", domain.encode()),
            sansldap.FilterEquality("NtVer", _VERSION_5EX_WITH_SITE),
        ]
    )
    client.search_request("", scope=sansldap.SearchScope.BASE, filter=wanted, attributes=["netlogon"])
    data = await _asked(address, port, client.data_to_send())
    try:
        found = next((one for one in client.receive(data) if isinstance(one, sansldap.SearchResultEntry)), None)
        values = [each.values[0] for each in found.attributes] if found is not None else []
        site = _site_in(values[0]) if values else ""
    except NO_LDAP:
        # A datagram may come from anybody, and hold anything.
        return ""
    return site if _SITE.fullmatch(site) else ""


async def _asked(address: str, port: int, question: bytes) -> bytes:
    transport: asyncio.DatagramTransport | None = None
    try:
        async with asyncio.timeout(WITHIN):
            transport, ping = await asyncio.get_running_loop().create_datagram_endpoint(
                _Ping, remote_addr=(address, port)
            )
            transport.sendto(question)
            return await ping.answer
    except OSError:
        # TimeoutError is one, too.
        return b""
    finally:
        if transport is not None:
            transport.close()


def _site_in(response: bytes) -> str:
    """ClientSiteName of a NETLOGON_SAM_LOGON_RESPONSE_EX; its names are compressed as in DNS."""
    position, name = _NAMES_BEGIN, ""
    for _ in range(_CLIENT_SITE + 1):
        name, position = _name_at(response, position)
    return name


def _name_at(data: bytes, position: int) -> tuple[str, int]:
    labels: list[str] = []
    after, jumps = 0, 0
    while length := data[position]:
        if length & 0xC0:
            after = after or position + 2
            position = int.from_bytes(data[position : position + 2], "big") & 0x3FFF
            jumps += 1
            if jumps > _JUMPS:
                raise ValueError
            continue
        labels.append(data[position + 1 : position + 1 + length].decode("utf-8", "replace"))
        position += 1 + length
    return ".".join(labels), after or position + 1
