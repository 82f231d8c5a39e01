"""What the daemon listens on: TCP with or without TLS, the Unix socket, and the metrics' own address.

Opened and closed as one by `daemon.web.server`: when one of them cannot be had, none stays open.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from daemon.config.model import DaemonSettings
from daemon.web import unix_socket
from daemon.web.crowd import Crowd, listeners
from daemon.web.malformed import protocol_log
from daemon.web.peer import Admins
from daemon.web.tls import ReloadingContext, TlsFiles, TlsUnusable
from daemon.web.unix_socket import SocketUnusable, UnixSocket
from daemon.web.web_config import WebConfigFile, WebConfigRefused

BACKLOG: Final = 1024
LONGEST_LINE: Final = 16 * 1024
"""Bytes of a request line: every query that the description allows fits, in whatever letters."""
STOP_WITHIN: Final = 2.0
"""Seconds that open requests have to finish; cancelled ones have as long again."""


class CannotListen(Exception):
    """A listener cannot be opened as it is configured. `str()` says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What takes time or may fail before anything is open. The socket is bound, and answers nobody yet."""

    tls: ssl.SSLContext | None
    admins: Admins
    metrics_file: WebConfigFile | None
    metrics_tls: ssl.SSLContext | None
    socket: UnixSocket | None


async def prepared(settings: DaemonSettings) -> Prepared:
    """Read the files and make the socket. Raises `CannotListen`."""
    tls, admins = await tls_of(settings), await admins_of(settings)
    file = await metrics_file(settings)
    return Prepared(
        tls=tls,
        admins=admins,
        metrics_file=file,
        metrics_tls=await metrics_tls(file),
        socket=await socket_of(settings),
    )


class Listening:
    """Everything that is open."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._runners: list[web.AppRunner] = []
        self._socket: UnixSocket | None = None

    async def open(
        self, application: web.Application, address: tuple[str, int], *, tls: ssl.SSLContext | None, idle: float
    ) -> web.AppRunner:
        """Listen on a TCP address. Raises OSError."""
        runner = web.AppRunner(
            application,
            access_log=None,
            logger=protocol_log(),
            shutdown_timeout=STOP_WITHIN,
            keepalive_timeout=idle,
            lingering_time=2.0,
            max_line_size=LONGEST_LINE,
            max_headers=64,
            auto_decompress=False,
        )
        await runner.setup()
        self._runners.append(runner)
        host, port = address
        bound = await listeners(host.strip("[]"), port, self._crowd)
        try:
            while bound:
                await web.SockSite(runner, bound[0], ssl_context=tls, backlog=BACKLOG).start()
                del bound[0]
        finally:
            for listener in bound:
                listener.close()
        return runner

    def keep(self, socket: UnixSocket | None) -> None:
        """Take over the socket: `close` removes it, whether it was listened on or not."""
        self._socket = socket

    async def open_socket(self, runner: web.AppRunner) -> None:
        """Listen on the Unix socket too, where there is one."""
        if self._socket is not None:
            await web.SockSite(runner, self._socket.server, backlog=BACKLOG).start()

    async def close(self) -> None:
        """Close everything: waiting requests answer at once, others within `STOP_WITHIN` or are cut."""
        runners, self._runners = self._runners, []
        own, self._socket = self._socket, None
        try:
            for runner in runners:
                await runner.cleanup()
        finally:
            if own is not None:
                await asyncio.to_thread(own.remove)


async def socket_of(settings: DaemonSettings) -> UnixSocket | None:
    """The Unix socket, bound, where one is configured. Raises `CannotListen`."""
    if settings.socket is None:
        return None
    try:
        return await asyncio.to_thread(unix_socket.make, settings.socket, settings)
    except SocketUnusable as error:
        raise CannotListen(str(error)) from None


async def tls_of(settings: DaemonSettings) -> ssl.SSLContext | None:
    """The first listener's TLS, where it is configured. Raises `CannotListen`."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    files = TlsFiles(certificate=settings.tls_certificate, key=settings.tls_key, client_ca=settings.tls_client_ca)
    try:
        return await asyncio.to_thread(ReloadingContext, lambda: files)
    except TlsUnusable as error:
        raise CannotListen(f"[daemon] tls_certificate: {error}.") from None


async def metrics_file(settings: DaemonSettings) -> WebConfigFile | None:
    """The metrics listener's own file, where one is configured. Raises `CannotListen`."""
    if settings.metrics_web_config is None:
        return None
    try:
        return await asyncio.to_thread(WebConfigFile, settings.metrics_web_config)
    except WebConfigRefused as error:
        raise CannotListen(f"[daemon] metrics_web_config: {error}.") from None


async def metrics_tls(file: WebConfigFile | None) -> ssl.SSLContext | None:
    """The metrics listener's TLS, where its file has it. Raises `CannotListen`."""
    first = None if file is None else file.current().tls
    if file is None or first is None:
        return None
    try:
        return await asyncio.to_thread(ReloadingContext, lambda: file.current().tls or first)
    except TlsUnusable as error:
        raise CannotListen(f"[daemon] metrics_web_config: {error}.") from None


async def admins_of(settings: DaemonSettings) -> Admins:
    """Who administers over the socket. Raises `CannotListen` for a group that does not exist."""
    if not settings.socket_admin_group:
        return Admins()
    try:
        group = await asyncio.to_thread(unix_socket.group_named, settings.socket_admin_group, "socket_admin_group")
    except SocketUnusable as error:
        raise CannotListen(str(error)) from None
    return Admins(group=group)


def tcp_address(runner: web.AppRunner) -> tuple[str, int]:
    """Where a runner's first site listens, with the real port."""
    host, port = runner.addresses[0][:2]
    return str(host), int(port)
