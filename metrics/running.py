"""How many tasks the event loop runs, by who keeps them: counted anew for each scrape. See `metrics.instruments`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

Count = Callable[[], int]

OWNERS = ("effects", "records", "other")
"""`effects` bind, check, refresh and revoke; `records` write down; `other` is every further task of the loop."""


class RunningTasks(Collector):
    """Shows 0 until it is told where to look."""

    def __init__(self) -> None:
        self._kept: tuple[Count, Count] | None = None
        self._all: Count | None = None

    def watch(self, *, effects: Count, records: Count, everything: Count) -> None:
        """Look there from now on; `everything` counts the tasks of the loop, those two included."""
        self._kept, self._all = (effects, records), everything

    def collect(self) -> Iterator[Metric]:
        """The one family."""
        family = GaugeMetricFamily("sitebind_tasks", "Tasks that run now, by who keeps them.", labels=["owner"])
        kept = [count() for count in self._kept or ()] or [0, 0]
        whole = self._all() if self._all is not None else 0
        for owner, number in zip(OWNERS, (*kept, max(0, whole - sum(kept))), strict=True):
            family.add_metric([owner], number)
        yield family

    def describe(self) -> Iterator[Metric]:
        """The same; it costs nothing here."""
        return self.collect()
