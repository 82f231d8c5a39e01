"""Tells each bind attempt to a collector as one trace: an observer beside metrics and log.

The only home of the extra `opentelemetry`; imported by `daemon.telemetry` when `[daemon] traces` is set, never else.
Spans hold ids, counts and words of closed sets; no detail and no reason, which somebody may have written.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Tracer, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import Span, Status, StatusCode, set_span_in_context

from daemon.ports import ChainReport, Clock, Upkeep
from daemon.threads import Threads
from states import BindStep, Fault, Moved, Step
from states.effects import StartBind

_log = logging.getLogger("sitebind.traces")

FLUSH_SECONDS: Final = 2.0
"""A stop waits so long for the collector to take what is left."""
_CALL_SECONDS: Final = 5.0
_QUEUE: Final = 2048
"""Spans that wait for the collector; what comes when there are so many pushes the oldest out."""
_BATCH: Final = 512
_EVERY_MILLISECONDS: Final = 1000

_WELL: Final = Status(StatusCode.OK)
_ACTORS: Final = frozenset({"daemon", "http", "token", "unix"})


@dataclass(frozen=True, slots=True)
class _Open:
    """The root span of a site's open attempt."""

    bind_id: str
    span: Span


class BindTraces:
    """Implements `daemon.ports.Observer`. Belongs to the loop's thread; sending is another thread's."""

    def __init__(self, address: str, *, clock: Clock, version: str) -> None:
        self._clock = clock
        self._provider = _provider(address, version=version)
        self._tracer: Tracer = self._provider.get_tracer("sitebind", version)
        self._open: dict[str, _Open] = {}

    def saw(self, step: Step, *, at: datetime) -> None:
        """An attempt begins where it is ordered."""
        opened = step.after.open
        if not isinstance(step, Moved) or opened is None or not any(isinstance(e, StartBind) for e in step.effects):
            return
        span = self._tracer.start_span("bind", start_time=_nanoseconds(at), attributes={
            "sitebind.site": step.after.site,
            "sitebind.bind.id": opened.bind_id,
            "sitebind.bind.attempt": opened.attempt,
            "sitebind.bind.trigger": step.event.trigger,
            "sitebind.bind.one_time": opened.one_time,
            "sitebind.actor": _kind(opened.actor),
        })  # fmt: skip
        self._open[step.after.site] = _Open(opened.bind_id, span)

    def bind_step(self, site: str, step: BindStep) -> None:
        """A step that ended is a child whose time ends now."""
        opened = self._open.get(site)
        if opened is None:  # of an attempt that was cancelled
            return
        ended = _nanoseconds(self._clock.now())
        began = ended - round(step.seconds * 1e9)
        child = self._tracer.start_span(
            step.step,
            context=set_span_in_context(opened.span),
            start_time=began,
            attributes={"sitebind.step.status": step.status},
        )
        if step.status == "failed":
            child.set_status(StatusCode.ERROR)
        child.end(ended)

    def bind_ended(self, site: str, *, bind_id: str, result: str, fault: Fault | None, seconds: float | None) -> None:
        """The trace is whole."""
        opened = self._open.get(site)
        if opened is None or opened.bind_id != bind_id:
            return
        del self._open[site]
        opened.span.set_attribute("sitebind.bind.result", result)
        if fault is not None:
            opened.span.set_attribute("sitebind.fault", fault.code)
            opened.span.set_status(Status(StatusCode.ERROR, fault.code))
        elif result == "succeeded":
            opened.span.set_status(_WELL)
        opened.span.end(_nanoseconds(self._clock.now()))

    async def close(self) -> None:
        """Send what waits, for `FLUSH_SECONDS` at most; what is left then is lost."""
        try:
            await Threads(1).run(self._provider.shutdown, seconds=FLUSH_SECONDS)
        except TimeoutError:
            _log.warning(
                "the collector of traces did not take the last ones within %.0f s; they are lost", FLUSH_SECONDS
            )

    def upstream(self, endpoint: str, *, code: str, seconds: float) -> None:
        """Told by metrics: which attempt a call belongs to is not known here."""

    def reloaded(self, *, successful: bool, at: datetime) -> None:
        """No part of a bind."""

    def recorded(self, count: int) -> None:
        """No part of a bind."""

    def journal_failed(self) -> None:
        """No part of a bind."""

    def chain_verified(self, report: ChainReport) -> None:
        """No part of a bind."""

    def checkpointed(self, at: datetime | None) -> None:
        """No part of a bind."""

    def upkeep_failed(self, task: Upkeep) -> None:
        """No part of a bind."""

    def http_request(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """No part of a bind."""

    def event_streams(self, *, clients: int, dropped: int = 0) -> None:
        """No part of a bind."""

    def forwarded(self, *, position: int | None, waiting: int, failures: int = 0) -> None:
        """No part of a bind."""


class _Collector:
    """A span exporter, with one line when the collector stops taking traces and one when it takes them again."""

    def __init__(self, address: str) -> None:
        # The library tells every attempt at every batch, in its own words; an outage is told once, in ours.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
        self._address = address
        self._inner = OTLPSpanExporter(endpoint=address, timeout=_CALL_SECONDS, session=_session())
        self._takes = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._inner.export(spans)
        takes = result is SpanExportResult.SUCCESS
        if takes and not self._takes:
            _log.info("the collector of traces at %s takes them again", self._address)
        if self._takes and not takes:
            _log.warning(
                "the collector of traces at %s takes none; until it does they are lost, and binding goes on. "
                "Look at [daemon] traces and at the collector",
                self._address,
            )
        self._takes = takes
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 0) -> bool:
        return bool(self._inner.force_flush(timeout_millis))


def _provider(address: str, *, version: str) -> TracerProvider:
    resource = Resource.create({"service.name": "sitebind", "service.version": version})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(
        BatchSpanProcessor(
            _Collector(address),
            max_queue_size=_QUEUE,
            max_export_batch_size=_BATCH,
            schedule_delay_millis=_EVERY_MILLISECONDS,
        )
    )
    return provider


def _session() -> requests.Session:
    """Calls go straight to the address: proxies and passwords that the environment names are not meant for it."""
    session = requests.Session()
    session.trust_env = False
    return session


def _kind(actor: str) -> str:
    """Who asked, by kind: names and addresses are the audit trail's."""
    kind = actor.partition(":")[0]
    return kind if kind in _ACTORS else "other"


def _nanoseconds(at: datetime) -> int:
    return round(at.timestamp() * 1e9)
