"""A connection made by hand, step by step, so that each step that can fail is told apart.

Direct: name, TCP. Through a proxy: its name, its TCP, CONNECT, its sign-in. Called by `reach.py`.
"""

from __future__ import annotations

import asyncio
import base64
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from daemon.ports import ProviderFault, Route
from daemon.providers import failure
from daemon.providers.failure import Target
from states import Fault

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})\b")
_EAGER = 0.25  # seconds before the next address is tried beside the first (RFC 8305)


@dataclass(frozen=True, slots=True)
class Stream:
    """An open way to the target; `said` describes it for the report."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    said: str


@asynccontextmanager
async def way_to(target: Target, route: Route, *, seconds: float) -> AsyncIterator[Stream]:
    """Open the way to `target`, ready for TLS, and close it at the end. Each step has `seconds`.

    Raises `ProviderFault`.
    """
    host, port = (route.proxy_host, route.proxy_port) if target.proxy else (target.host, target.port)
    addresses = await _addresses(target, host, port, seconds=seconds)
    reader, writer = await _connected(target, host, port, seconds=seconds)
    peer = writer.get_extra_info("peername") or ("?", port)
    said = f"{host} is {', '.join(addresses)}; connected to {failure.authority(peer[0], peer[1])}"
    try:
        if target.proxy:
            await _through(target, route, reader, writer=writer, seconds=seconds)
            said = f"proxy {said}; it opened the way to {failure.authority(target.host, target.port)}"
        yield Stream(reader, writer, said)
    finally:
        writer.transport.abort()


def proxy_authorization(route: Route) -> str:
    """The value of Proxy-Authorization, or nothing. `ProviderFault` for a name that Basic cannot carry."""
    if not route.proxy_username:
        return ""
    if ":" in route.proxy_username:
        raise ProviderFault(Fault.PROXY_AUTHENTICATION, "[connection] proxy_username must not hold a colon")
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


async def _connected(
    target: Target, host: str, port: int, *, seconds: float
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        async with asyncio.timeout(seconds):
            return await asyncio.open_connection(host, port, happy_eyeballs_delay=_EAGER)
    except TimeoutError:
        fault = _no_answer_to_tcp(target, seconds)
    except socket.gaierror as error:
        fault = failure.name_not_resolved(target, error)
    except OSError as error:
        fault = failure.not_connected(target, error)
    raise fault


def _no_answer_to_tcp(target: Target, seconds: float) -> ProviderFault:
    """Nobody answered: a firewall that drops silently is the usual reason."""
    if not target.proxy:
        return failure.timed_out(target, doing="the TCP connection", seconds=seconds)
    detail = f"the proxy {target.proxy} did not answer within {seconds:g} s"
    return ProviderFault(Fault.PROXY_UNREACHABLE, detail)


async def _through(
    target: Target,
    route: Route,
    reader: asyncio.StreamReader,
    *,
    writer: asyncio.StreamWriter,
    seconds: float,
) -> None:
    """Ask the proxy to open the way."""
    place = failure.authority(target.host, target.port)
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    authorization = proxy_authorization(route)
    if authorization:
        lines.append(f"Proxy-Authorization: {authorization}")
    try:
        async with asyncio.timeout(seconds):
            writer.write("\r\n".join([*lines, "", ""]).encode())
            head = await reader.readuntil(b"\r\n\r\n")
    except TimeoutError:
        fault = failure.timed_out(target, doing="the proxy's answer to CONNECT", seconds=seconds)
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        fault = _no_proxy(target)
    else:
        _judge(target, head)
        return
    raise fault


def _judge(target: Target, head: bytes) -> None:
    status = _STATUS.match(head)
    if status is None:
        raise _no_proxy(target)
    if status[1] == b"200":
        return
    headers: dict[str, list[str]] = {}
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        headers.setdefault(name.strip().lower(), []).append(value.strip())
    schemes = headers.get("proxy-authenticate", []) + headers.get("www-authenticate", [])
    squid = headers.get("x-squid-error", [""])[0]
    raise failure.proxy_refused(target, status=int(status[1]), schemes=schemes, squid_error=squid)


def _no_proxy(target: Target) -> ProviderFault:
    detail = f"what listens at {target.proxy} does not answer CONNECT as an HTTP proxy does"
    return ProviderFault(Fault.PROXY_UNREACHABLE, detail)
