"""Who is at the other end of a connection: an address, or over the Unix socket a user whom the kernel vouches for.

Called by `daemon.web.auth`. What the kernel tells is that of the moment when the caller connected.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import struct
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

_CREDENTIALS: Final = struct.Struct("iII")
_SO_PEERGROUPS: Final = 59
"""Linux' number; Python does not name it. The caller's further groups, as the kernel has them: no name service."""
_MOST_GROUPS: Final = 1024
ROOT: Final = 0


@dataclass(frozen=True, slots=True)
class Peer:
    """A caller over the Unix socket."""

    uid: int
    groups: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Admins:
    """Who administers over the socket: root, the daemon's own user, and the members of one group."""

    group: int | None = None

    def include(self, peer: Peer) -> bool:
        """Whether this caller is one of them."""
        return peer.uid in (ROOT, os.geteuid()) or self.group in peer.groups


def peer_of(transport: asyncio.BaseTransport | None) -> Peer | None:
    """The user behind a connection over the Unix socket; None for any other connection. Raises OSError."""
    # Every request asks. An address in the network is a tuple, and then the socket need not be asked for its family.
    if transport is None or isinstance(transport.get_extra_info("peername"), tuple):
        return None
    end: Any = transport.get_extra_info("socket")
    if end is None or end.family != socket.AF_UNIX:
        return None
    _, uid, gid = _CREDENTIALS.unpack(end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return Peer(uid, frozenset((gid, *_further_groups(end))))


def _further_groups(end: Any) -> tuple[int, ...]:
    try:
        raw: bytes = end.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_GROUPS)
    except OSError:  # more than 256 of them, or a kernel before 4.13: then the first group alone counts
        return ()
    return struct.unpack(f"{len(raw) // 4}I", raw)


def is_loopback(host: str) -> bool:
    """Whether an address, or the name `localhost`, is reachable from this host only."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return host.lower().removesuffix(".") == "localhost"


def within_this_host(request: web.Request) -> bool:
    """Whether the connection never leaves this host: the Unix socket, or loopback at both ends."""
    transport = request.transport
    if transport is None:
        return False
    ends: tuple[Any, Any] = (transport.get_extra_info("peername"), transport.get_extra_info("sockname"))
    return peer_of(transport) is not None or all(isinstance(end, tuple) and is_loopback(end[0]) for end in ends)


def origin_key(ip: str) -> str:
    """Who an address counts as: of IPv6 its /64, since one host commands all of that."""
    try:
        address = ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:
        return "address:unknown"
    if address.version == 6 and not address.is_loopback:
        return f"address:{ipaddress.ip_network((address, 64), strict=False)}"
    return f"address:{address}"
