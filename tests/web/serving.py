"""How the tests of the web layer build a server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from daemon.engine.clock import SystemClock
from daemon.engine.log import Observers
from daemon.ports import Clock
from daemon.web.server import WebServer
from metrics import Exposition, Instruments, MetricsObserver, new_registry
from tests.web.described import DescribedClient
from tests.web.memory_engine import MemoryEngine


class Measured:
    """A registry with its instruments."""

    def __init__(self) -> None:
        self.registry = new_registry()
        self.instruments = Instruments(self.registry, version="0")


Serve = Callable[[MemoryEngine], Awaitable[DescribedClient]]


def made(engine: MemoryEngine, measured: Measured, *, clock: Clock | None = None) -> WebServer:
    """A server that is not started."""
    observers = Observers(MetricsObserver(measured.instruments))
    return WebServer(
        engine,
        observers,
        access=engine.access,
        exposition=Exposition(measured.registry, measured.instruments),
        clock=clock or SystemClock(),
    )
