"""How the tests of the web layer build a server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from daemon.engine.clock import SystemClock
from daemon.engine.log import Observers
from daemon.web.server import WebServer
from metrics import Exposition, Instruments, MetricsObserver
from tests.web.described import DescribedClient
from tests.web.memory_engine import MemoryEngine

Serve = Callable[[MemoryEngine], Awaitable[DescribedClient]]


def made(engine: MemoryEngine, instruments: Instruments) -> WebServer:
    """A server that is not started."""
    observers = Observers(MetricsObserver(instruments))
    return WebServer(engine, observers, exposition=Exposition(instruments), clock=SystemClock())
