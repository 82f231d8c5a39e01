"""Turns what the engine tells into metrics. Satisfies `daemon.ports.Observer` by its shape alone."""

from __future__ import annotations

from datetime import datetime
from math import nan
from typing import Protocol

from metrics.instruments import Instruments
from states import BindStep, Fault, Ignored, Moved, Step


class WalkedChain(Protocol):
    """What is needed of a verification's report."""

    @property
    def intact(self) -> bool:
        """Whether nothing was found."""


class MetricsObserver:
    """Belongs to the event loop's thread. Never blocks; a label that it does not know becomes `other`."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments

    def saw(self, step: Step, *, at: datetime) -> None:
        match step:
            case Moved():
                site = self._instruments.sites.add(step.before.site)
                site.moved((step.event.trigger, step.before.state.value, step.after.state.value))
                site.show(step.after)
            case Ignored():
                self._instruments.ignored.count(step.event.trigger)
            case _:
                # Refused: nothing happened, and the HTTP answer is counted where it is given.
                return

    def bind_step(self, site: str, step: BindStep) -> None:
        if step.status != "skipped":
            self._instruments.bind_step(step.step, seconds=step.seconds)

    def bind_ended(self, site: str, *, bind_id: str, result: str, fault: Fault | None, seconds: float | None) -> None:
        self._instruments.sites.add(site).bind_ended((result, fault.code if fault else ""))
        if seconds is None:
            return
        # An exemplar is no label: it makes no series, and only OpenMetrics shows it.
        self._instruments.bind_seconds.touch().observe(seconds, exemplar={"bind_id": bind_id})

    def upstream(self, endpoint: str, *, code: str, seconds: float) -> None:
        self._instruments.upstream_call(endpoint, code=code, seconds=seconds)

    def reloaded(self, *, successful: bool, at: datetime) -> None:
        self._instruments.reload_successful.touch().set(successful)
        if successful:
            self._instruments.reload_success_at.touch().set(at.timestamp())

    def recorded(self, count: int) -> None:
        self._instruments.audit_records.count(by=count)

    def journal_failed(self) -> None:
        self._instruments.audit_failures.count()

    def chain_verified(self, report: WalkedChain) -> None:
        self._instruments.chain_intact.touch().set(report.intact)

    def checkpointed(self, at: datetime | None) -> None:
        self._instruments.checkpoint_at.touch().set(nan if at is None else at.timestamp())

    def upkeep_failed(self, task: str) -> None:
        self._instruments.upkeep_failed(task)

    def http_request(self, *, method: str, route: str, status: int, seconds: float) -> None:
        self._instruments.http_request(method=method, route=route, status=status)

    def event_streams(self, *, clients: int, dropped: int = 0) -> None:
        self._instruments.stream_clients.touch().set(clients)
        if dropped:
            self._instruments.streams_dropped.count(by=dropped)

    def forwarded(self, *, position: int | None, waiting: int, failures: int = 0) -> None:
        self._instruments.forwarded(position=position, waiting=waiting)
        if failures:
            self._instruments.forward_failures.count(by=failures)
