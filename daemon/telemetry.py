"""What is told to whom: metrics, log lines and traces behind one observer. Made first by `daemon.app`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import daemon
from daemon.config.beginning import CannotStart
from daemon.config.model import DaemonSettings
from daemon.engine.clock import SystemClock
from daemon.engine.log import LogObserver, Observers
from daemon.ports import Clock, Observer
from daemon.providers.clouds import ENDPOINTS
from daemon.providers.late_microsoft import ENDPOINTS as MICROSOFT_ENDPOINTS
from metrics import Exposition, Instruments, MetricsObserver, new_registry

if TYPE_CHECKING:
    from daemon.tracing import BindTraces


class Telemetry:
    """Made first, since all others report to it; closed last, so that the last bind is told too."""

    def __init__(self, traces: BindTraces | None = None) -> None:
        registry = new_registry()
        instruments = Instruments(registry, version=daemon.__version__, endpoints=(*ENDPOINTS, *MICROSOFT_ENDPOINTS))
        self._traces = traces
        more: tuple[Observer, ...] = () if traces is None else (traces,)
        self.observer = Observers(MetricsObserver(instruments), LogObserver(), *more)
        self.exposition = Exposition(registry, instruments)
        self.tasks = instruments.tasks

    async def close(self) -> None:
        """Let the collector of traces take what is left, for a moment."""
        if self._traces is not None:
            await self._traces.close()


def telemetry_for(settings: DaemonSettings, *, clock: Clock | None = None) -> Telemetry:
    """As `[daemon]` wants it. Raises `CannotStart` where traces are wanted and the extra is not installed."""
    if not settings.traces:
        return Telemetry()
    try:
        from daemon.tracing import BindTraces  # noqa: PLC0415 - costs nothing where no traces are wanted
    except ModuleNotFoundError as error:
        raise CannotStart(_MISSING.format(error.name)) from error
    return Telemetry(BindTraces(settings.traces, clock=clock or SystemClock(), version=daemon.__version__))


_MISSING = (
    "[daemon] traces is set, and the extra that sends them is not installed ({} is missing): "
    'pip install "sitebind[opentelemetry]", or remove the option.'
)
