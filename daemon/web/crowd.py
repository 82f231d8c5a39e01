"""How many may be connected over TCP at once, and who makes room for the next. Used by `daemon.web.listening`.

aiohttp takes every connection there is, until the process has no descriptor left for its database. Here the oldest
connection without a request under way makes room: a client that kept it connects again, and one that sends its
headers a byte at a time has no more of us than its own place. The Unix socket is not counted: its mode says who may
connect, and whoever looks for what is wrong comes in there.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import socket
from typing import Any, Final

from daemon.ports import Clock

MOST: Final = 512
"""Connections at once. Half of the descriptors where that is less: the rest is for the database and the way out."""
SPARE: Final = 64
"""How many that were asked to leave may still be leaving."""
UNREAD_FOR: Final = 60_000
"""Milliseconds that a caller may leave an answer unread; the kernel cuts the connection then."""

_TELL_EVERY: Final = 60.0
_log = logging.getLogger("sitebind.web")


class Place:
    """One connection's place in the crowd. Entered while a request of it is under way."""

    __slots__ = ("connection", "leaving", "under_way")

    def __init__(self, connection: Connection | None = None) -> None:
        self.connection = connection
        self.under_way = 0
        self.leaving = False

    def __enter__(self) -> None:
        self.under_way += 1

    def __exit__(self, *_: object) -> None:
        self.under_way -= 1


class Crowd:
    """Everybody who is connected over TCP. The constructor only stores."""

    def __init__(self, clock: Clock, *, most: int | None = None) -> None:
        self._clock = clock
        self._most = most_of(MOST) if most is None else most
        # By descriptor, and in the order in which they came.
        self._places: dict[int, Place] = {}
        self._leaving = 0
        self._quiet_until = 0.0
        self._nowhere = Place()

    def __len__(self) -> int:
        return len(self._places)

    def place_of(self, transport: asyncio.BaseTransport | None) -> Place:
        """Where a request comes from; to be entered while it is under way."""
        end = None if transport is None else transport.get_extra_info("socket")
        return self._nowhere if end is None else self._places.get(end.fileno(), self._nowhere)

    def makes_room(self) -> bool:
        """Whether one more may come; the oldest that has no request under way leaves for it."""
        if len(self._places) >= self._most + SPARE:
            return False
        return len(self._places) - self._leaving < self._most or self._part_with_one()

    def came(self, connection: Connection) -> None:
        """One more is there."""
        self._places[connection.fileno()] = Place(connection)

    def left(self, connection: Connection) -> None:
        """It is about to be closed. Safe to repeat."""
        number = connection.fileno()
        place = self._places.get(number)
        if place is not None and place.connection is connection:
            del self._places[number]
            self._leaving -= place.leaving

    def turned_away(self, address: Any) -> None:
        """Nobody could make room. Told once a minute: a flood of connections is no flood of lines."""
        now = self._clock.monotonic()
        if now < self._quiet_until:
            return
        self._quiet_until = now + _TELL_EVERY
        _log.warning(
            "%d connections are open and each has a request under way: one from %s was closed, and more may be. "
            "See who holds them with: ss -tnp | grep sitebind",
            len(self._places),
            address[0],
        )

    def _part_with_one(self) -> bool:
        for place in self._places.values():
            if place.connection is not None and not (place.under_way or place.leaving):
                place.leaving = True
                self._leaving += 1
                place.connection.end()
                return True
        return False


class Connection(socket.socket):
    """A caller's connection. It leaves the crowd as it is closed, by whomever."""

    crowd: Crowd | None = None

    def end(self) -> None:
        """Let the loop see its end, as if the caller had left."""
        try:
            self.shutdown(socket.SHUT_RDWR)
        except OSError as error:
            # The caller was quicker: the loop sees that too.
            if error.errno != errno.ENOTCONN:
                raise

    def close(self) -> None:
        """Close it."""
        if self.crowd is not None:
            self.crowd.left(self)
        super().close()


class Listener(socket.socket):
    """A listening socket that asks the crowd about everybody who comes."""

    crowd: Crowd

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection. Raises ConnectionAbortedError for one that was turned away: the loop asks again."""
        made, address = super().accept()
        if not self.crowd.makes_room():
            made.close()
            self.crowd.turned_away(address)
            raise ConnectionAbortedError
        connection = Connection(made.family, made.type, made.proto, fileno=made.detach())
        connection.crowd = self.crowd
        self.crowd.came(connection)
        return connection, address


async def listeners(host: str, port: int, crowd: Crowd) -> list[Listener]:
    """Bound sockets for every address of `host`. Raises OSError, and none is open then."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    made: list[Listener] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            one = Listener(family, kind, protocol)
            made.append(one)
            one.crowd = crowd
            _bind(one, address)
    except BaseException:
        for one in made:
            one.close()
        raise
    return made


def _bind(one: Listener, address: Any) -> None:
    one.settimeout(0)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if one.family is socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    # What is accepted inherits it. It ends a caller that acknowledges everything and takes nothing, too.
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_FOR)
    one.bind(address)


def most_of(most: int) -> int:
    """`most`, or half of the descriptors that this process may have."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if limit == resource.RLIM_INFINITY else max(1, min(most, limit // 2))
