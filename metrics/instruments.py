"""Every metric of sitebind, on a registry that is handed in. Fed by `metrics.observer`.

Labels come from closed sets: states, events, faults, steps, routes, status codes and the configured sites.
Whatever is known beforehand is shown at 0 from the first scrape on, so that `increase()` sees the first time.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from math import nan
from typing import Generic, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

from metrics.running import RunningTasks
from metrics.sites import Sites
from metrics.tally import Tally
from metrics.text import Format, encoded
from states import BIND_STEPS, EVENTS, Fault

BIND_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
OTHER = "other"
"""The label of what is in none of the closed sets, so that no caller can make series at will."""

UPKEEP = ("checkpoint", "pruning")
"""What is done for the audit trail beside writing it: `daemon.ports.Upkeep`."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_FAULTS = frozenset(fault.code for fault in Fault)

M = TypeVar("M", bound=MetricWrapperBase)


def new_registry() -> CollectorRegistry:
    """An empty registry, and no `_created` series anywhere.

    They double the counters' lines, say what `process_start_time_seconds` says, and the client library can
    only switch them off for the whole process; so it is done here, where the process composes its registry.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call]
    return CollectorRegistry()


class Watched(Generic[M]):
    """A metric of the client library whose text is kept until it is touched."""

    def __init__(self, metric: M) -> None:
        self._metric = metric
        self._texts: dict[Format, bytes] = {}

    def touch(self) -> M:
        """The metric, to be changed."""
        self._texts.clear()
        return self._metric

    def text(self, format_: Format) -> bytes:
        """The family as the client library writes it."""
        known = self._texts.get(format_)
        if known is None:
            known = self._texts[format_] = encoded(self._metric.collect(), format_)
        return known


class Fresh:
    """A collector that reads the system anew for every scrape."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def text(self, format_: Format) -> bytes:
        """The families as the client library writes them."""
        return encoded(self._collector.collect(), format_)


Written = Watched[Gauge] | Watched[Histogram] | Watched[Info] | Tally | Fresh


class Instruments:
    """All of them. The registry must be empty; afterwards it holds `written` and `sites`, in order.

    `version` is sitebind's own. `endpoints` are the calls to the service that can happen.
    """

    def __init__(self, registry: CollectorRegistry, *, version: str = "", endpoints: Iterable[str] = ()) -> None:
        self._registry = registry
        self.written: list[Written] = []
        self._process(version)
        self._binds()
        self._configuration_and_records()
        self._forwarding()
        self._calls(endpoints)
        self.sites = Sites()
        registry.register(self.sites)

    def add_site(self, site: str) -> None:
        """Show the site, every known label set at 0."""
        self.sites.add(site)

    def remove_site(self, site: str) -> None:
        """End the site's series."""
        self.sites.remove(site)

    def upstream_call(self, endpoint: str, *, code: str, seconds: float) -> None:
        """A call to the service ended."""
        known = code in _FAULTS or (len(code) == 3 and code.isdigit())
        self._upstream.count(endpoint, code if known else OTHER)
        self._upstream_seconds.touch().labels(endpoint).observe(seconds)

    def http_request(self, *, method: str, route: str, status: int) -> None:
        """The daemon answered a request."""
        self._http.count(method if method in _METHODS else OTHER, route, str(status))

    def bind_step(self, step: str, *, seconds: float) -> None:
        """A step of a bind ended."""
        self._step_seconds.touch().labels(step if step in BIND_STEPS else OTHER).observe(seconds)

    def upkeep_failed(self, task: str) -> None:
        """A try to write a checkpoint, or to prune, failed."""
        self._upkeep_failures.count(task if task in UPKEEP else OTHER)

    def forwarded(self, *, position: int | None, waiting: int) -> None:
        """How far the receiver of audit records is; None where there is none."""
        self._forward_position.touch().set(nan if position is None else position)
        self._forward_waiting.touch().set(nan if position is None else waiting)

    def _process(self, version: str) -> None:
        build = self._info("sitebind_build", "The running version of sitebind and of Python.")
        build.touch().info({"version": version, "python_version": platform.python_version()})
        self.written.append(Fresh(ProcessCollector(registry=self._registry)))
        self.tasks = RunningTasks()
        self._registry.register(self.tasks)
        self.written.append(Fresh(self.tasks))

    def _binds(self) -> None:
        self.ignored = self._tally(
            "sitebind_ignored_events", "Events that came too late or spoke of nothing that is there.", "event"
        )
        for event in EVENTS:
            self.ignored.know(event.trigger)
        self.bind_seconds = self._histogram(
            "sitebind_bind_duration_seconds", "How long a bind attempt took, from its start to its end."
        )
        self._step_seconds = self._histogram(
            "sitebind_bind_step_duration_seconds", "How long a step of a bind attempt took.", "step"
        )
        for step in BIND_STEPS:
            self._step_seconds.touch().labels(step)

    def _configuration_and_records(self) -> None:
        self.reload_successful = self._gauge(
            "sitebind_config_last_reload_successful",
            "1 when the last reading of the configuration had no error.",
        )
        self.reload_success_at = self._gauge(
            "sitebind_config_last_reload_success_timestamp_seconds",
            "When the configuration was last read without an error, in Unix time; 0 when never.",
            unit="seconds",
        )
        self.audit_records = self._tally("sitebind_audit_records", "Audit records that were committed.")
        self.audit_failures = self._tally(
            "sitebind_audit_write_failures", "Times that a record could not be committed."
        )
        self.chain_intact = self._gauge(
            "sitebind_audit_chain_intact",
            "1 when the audit chain was whole when last walked; NaN before that.",
        )
        # Neither answer would be true yet, and NaN trips no alert.
        self.chain_intact.touch().set(nan)
        self.checkpoint_at = self._gauge(
            "sitebind_audit_checkpoint_timestamp_seconds",
            "When a signed checkpoint was last written to its second place, in Unix time; NaN when not yet or nowhere.",
            unit="seconds",
        )
        self.checkpoint_at.touch().set(nan)
        self._upkeep_failures = self._tally(
            "sitebind_audit_upkeep_failures",
            "Times that a checkpoint of the audit trail could not be written, or old records not be pruned.",
            "task",
        )
        for task in UPKEEP:
            self._upkeep_failures.know(task)

    def _forwarding(self) -> None:
        self._forward_position = self._gauge(
            "sitebind_audit_forward_position",
            "Number of the last audit record that was delivered to the receiver; NaN where none is configured.",
        )
        self._forward_waiting = self._gauge(
            "sitebind_audit_forward_waiting",
            "Audit records that the receiver has not taken yet; NaN where none is configured.",
        )
        self.forward_failures = self._tally(
            "sitebind_audit_forward_failures",
            "Times that the receiver of audit records was not reached, was lost or took nothing.",
        )
        self.forwarded(position=None, waiting=0)

    def _calls(self, endpoints: Iterable[str]) -> None:
        self._upstream = self._tally(
            "sitebind_upstream_requests",
            "Calls to the service, by endpoint and by HTTP status or fault.",
            "endpoint",
            "code",
        )
        self._upstream_seconds = self._histogram(
            "sitebind_upstream_request_duration_seconds", "How long a call to the service took.", "endpoint"
        )
        for endpoint in endpoints:
            self._upstream.know(endpoint, "200")
            self._upstream_seconds.touch().labels(endpoint)
        self._http = self._tally(
            "sitebind_http_requests",
            "Requests that the daemon answered, by method, route and status.",
            "method",
            "route",
            "code",
        )
        self.stream_clients = self._gauge("sitebind_event_stream_clients", "Clients that follow the event stream now.")
        self.streams_dropped = self._tally(
            "sitebind_event_stream_dropped", "Clients of the event stream that were too slow and were cut off."
        )

    def _tally(self, name: str, documentation: str, *labels: str) -> Tally:
        made = Tally(name, documentation, labels)
        self._registry.register(made)
        self.written.append(made)
        return made

    def _gauge(self, name: str, documentation: str, *, unit: str = "") -> Watched[Gauge]:
        made = Watched(Gauge(name, documentation, unit=unit, registry=self._registry))
        self.written.append(made)
        return made

    def _histogram(self, name: str, documentation: str, *labels: str) -> Watched[Histogram]:
        histogram = Histogram(
            name, documentation, labels, unit="seconds", buckets=BIND_BUCKETS, registry=self._registry
        )
        made = Watched(histogram)
        self.written.append(made)
        return made

    def _info(self, name: str, documentation: str) -> Watched[Info]:
        made = Watched(Info(name, documentation, registry=self._registry))
        self.written.append(made)
        return made
