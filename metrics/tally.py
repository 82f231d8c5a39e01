"""A labelled counter whose text costs a fraction of the client library's own: no lock, no object a series.

Used by `metrics.instruments` for what is counted on every request. Belongs to the event loop's thread.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import Metric

from metrics.text import Format, headers, number, series


class Tally:
    """Counts by label values. `name` stands without `_total`; values come from closed sets only."""

    def __init__(self, name: str, documentation: str, labels: tuple[str, ...] = ()) -> None:
        self._name = name
        self._documentation = documentation
        self._labels = labels
        self._counts: dict[tuple[str, ...], int] = {}
        self._series: dict[tuple[str, ...], str] = {}
        self._headers = headers(self._family())
        if not labels:
            self.know()

    def know(self, *values: str) -> None:
        """Show this label set, at 0 until it is counted."""
        if values not in self._counts:
            self._counts[values] = 0
            self._series[values] = series(f"{self._name}_total", self._named(values))

    def count(self, *values: str, by: int = 1) -> None:
        """Add to the series with these label values."""
        if values not in self._counts:
            self.know(*values)
        self._counts[values] += by

    def describe(self) -> Iterable[Metric]:
        """The family without samples, so that the registry knows its names."""
        return [self._family()]

    def collect(self) -> Iterable[Metric]:
        """The family for the client library."""
        family = self._family()
        for values, count in self._counts.items():
            family.add_sample(f"{self._name}_total", self._named(values), count)
        return [family]

    def text(self, format_: Format) -> bytes:
        """The same as the client library writes of `collect`."""
        known = self._series
        lines = [f"{known[values]}{number(count)}\n" for values, count in self._counts.items()]
        return (self._headers[format_] + "".join(lines)).encode()

    def _family(self) -> Metric:
        return Metric(self._name, self._documentation, "counter")

    def _named(self, values: tuple[str, ...]) -> dict[str, str]:
        return dict(zip(self._labels, values, strict=True))
