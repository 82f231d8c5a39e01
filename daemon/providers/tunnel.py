"""A connection made by hand, step by step, so that each step that can fail is told apart.

Direct: name, TCP. Through a proxy: its name, its TCP, CONNECT, its sign-in. Called by `reach.py`.
"""

from __future__ import annotations

import asyncio
import base64
import re
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from daemon.ports import ProviderFault, Route
from daemon.providers import failure
from daemon.providers.failure import Target
from daemon.providers.race import first_connection
from daemon.providers.trail import CONNECT, DNS, PROXY_AUTHENTICATION, PROXY_DNS, PROXY_TCP, TCP, Trail
from states import Fault

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})\b")


@dataclass(frozen=True, slots=True)
class Stream:
    """An open way to the target."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@asynccontextmanager
async def way_to(target: Target, route: Route, *, seconds: float, trail: Trail) -> AsyncIterator[Stream]:
    """Open the way to `target`, ready for TLS, and close it at the end. Each layer has `seconds`.

    What was passed is left on `trail`. Raises `ProviderFault`.
    """
    host, port = (route.proxy_host, route.proxy_port) if target.proxy else (target.host, target.port)
    with trail.layer(PROXY_DNS if target.proxy else DNS) as note:
        addresses = await _addresses(target, host, port, seconds=seconds)
        source = f" from {route.proxy_source}:" if route.proxy_source else ""
        note.text = f"{f'proxy{source} ' if target.proxy else ''}{host} is {', '.join(addresses)}"
    with trail.layer(PROXY_TCP if target.proxy else TCP) as note:
        stream = await _connected(target, addresses, port, seconds=seconds)
        peer = stream.writer.get_extra_info("peername") or ("?", port)
        note.text = f"connected to {failure.authority(peer[0], peer[1])}"
    try:
        if target.proxy:
            await _through(target, route, stream, seconds=seconds, trail=trail)
        yield stream
    finally:
        stream.writer.transport.abort()


def proxy_authorization(route: Route) -> str:
    """The value of Proxy-Authorization, or nothing. `ProviderFault` for a name that Basic cannot carry."""
    if not route.proxy_username:
        return ""
    if ":" in route.proxy_username:
        raise ProviderFault(Fault.PROXY_AUTHENTICATION, "the name for the sign-in at the proxy must not hold a colon")
    password = route.proxy_password.reveal() if route.proxy_password is not None else ""
    return "Basic " + base64.b64encode(f"{route.proxy_username}:{password}".encode()).decode()


async def _addresses(target: Target, host: str, port: int, *, seconds: float) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        fault = failure.timed_out(target, doing=f"resolving {host}", seconds=seconds)
    except (OSError, UnicodeError) as error:
        fault = failure.name_not_resolved(target, error)
    else:
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))
    raise fault


async def _connected(target: Target, addresses: Sequence[str], port: int, *, seconds: float) -> Stream:
    try:
        async with asyncio.timeout(seconds):
            return Stream(*await first_connection(addresses, port))
    except TimeoutError:
        fault = _no_answer_to_tcp(target, seconds)
    except OSError as error:
        fault = failure.not_connected(target, error)
    raise fault


def _no_answer_to_tcp(target: Target, seconds: float) -> ProviderFault:
    """Nobody answered: a firewall that drops silently is the usual reason."""
    if not target.proxy:
        return failure.timed_out(target, doing="the TCP connection", seconds=seconds)
    detail = f"the proxy {target.proxy} did not answer within {seconds:g} s"
    return ProviderFault(Fault.PROXY_UNREACHABLE, detail)


async def _through(target: Target, route: Route, stream: Stream, *, seconds: float, trail: Trail) -> None:
    """Ask the proxy to open the way. That it wants a sign-in is an answer to CONNECT like any other."""
    authorization = _authorization(route, trail)
    with trail.layer(CONNECT) as note:
        head = await _asked(target, stream, authorization=authorization, seconds=seconds)
        refusal = _refusal(target, head)
        if refusal is not None and refusal.fault is not Fault.PROXY_AUTHENTICATION:
            raise refusal
        place = failure.authority(target.host, target.port)
        note.text = f"it opened the way to {place}" if refusal is None else f"it answers CONNECT {place}"
    with trail.layer(PROXY_AUTHENTICATION) as note:
        if refusal is not None:
            raise refusal
        note.text = f"signed in as {route.proxy_username} (Basic)" if authorization else "it wants no sign-in"


def _authorization(route: Route, trail: Trail) -> str:
    try:
        return proxy_authorization(route)
    except ProviderFault:
        with trail.layer(PROXY_AUTHENTICATION):
            raise


async def _asked(target: Target, stream: Stream, *, authorization: str, seconds: float) -> bytes:
    """Send CONNECT and read the head of what the proxy answers."""
    place = failure.authority(target.host, target.port)
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    if authorization:
        lines.append(f"Proxy-Authorization: {authorization}")
    try:
        async with asyncio.timeout(seconds):
            stream.writer.write("\r\n".join([*lines, "", ""]).encode())
            return await stream.reader.readuntil(b"\r\n\r\n")
    except TimeoutError:
        fault = failure.timed_out(target, doing="the proxy's answer to CONNECT", seconds=seconds)
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        fault = _no_proxy(target)
    raise fault


def _refusal(target: Target, head: bytes) -> ProviderFault | None:
    """What the proxy has against it; None when the way is open."""
    status = _STATUS.match(head)
    if status is None:
        return _no_proxy(target)
    if status[1] == b"200":
        return None
    headers: dict[str, list[str]] = {}
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        headers.setdefault(name.strip().lower(), []).append(value.strip())
    schemes = headers.get("proxy-authenticate", []) + headers.get("www-authenticate", [])
    squid = headers.get("x-squid-error", [""])[0]
    return failure.proxy_refused(target, status=int(status[1]), schemes=schemes, squid_error=squid)


def _no_proxy(target: Target) -> ProviderFault:
    detail = f"what listens at {target.proxy} does not answer CONNECT as an HTTP proxy does"
    return ProviderFault(Fault.PROXY_UNREACHABLE, detail)
