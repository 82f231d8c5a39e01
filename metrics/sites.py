"""The families that stand once for every site: compact values, and their text written by hand.

A process may hold thousands of sites. The client library keeps an object, a lock and a label tuple for every
series and takes about 7 µs to print one; here a site is one small record, and a line costs a tenth of that.
Nothing printed is kept, so an idle site costs memory for its record only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from prometheus_client import Metric

from metrics.site_families import FAMILIES
from metrics.site_values import SiteValues
from metrics.text import Format

SLICE = 96
"""So many sites are printed in one go: about a millisecond of the largest family."""


class Sites:
    """Every known site's values. A collector for the registry, and a faster printer of the same."""

    def __init__(self) -> None:
        self._sites: dict[str, SiteValues] = {}

    def __len__(self) -> int:
        return len(self._sites)

    def add(self, site: str) -> SiteValues:
        """The site's record, made with every known label set at 0 if it is new."""
        known = self._sites.get(site)
        if known is None:
            known = self._sites[site] = SiteValues(site)
        return known

    def remove(self, site: str) -> None:
        """Forget the site; its series end."""
        self._sites.pop(site, None)

    def describe(self) -> Iterable[Metric]:
        """The families without samples, so that the registry knows their names."""
        return [family.empty() for family in FAMILIES]

    def collect(self) -> Iterator[Metric]:
        """The families for the client library."""
        for family in FAMILIES:
            metric = family.empty()
            for site in self._sites.values():
                for name, labels, value in family.samples(site):
                    metric.add_sample(name, labels, value)
            yield metric

    def pieces(self, format_: Format) -> Iterator[bytes]:
        """The same as the client library writes of `collect`, in pieces of bounded work."""
        for family in FAMILIES:
            yield family.header(format_)
            # A copy: sites may come and go while the caller waits between two pieces.
            left = iter(tuple(self._sites.values()))
            while some := tuple(islice(left, SLICE)):
                yield "".join(map(family.text, some)).encode()
