"""The per-site families: name, help and label sets, each printed in two ways that must agree.

`samples` feeds the client library; `text` writes the same lines directly. The tests hold them together to
the byte. Called by `metrics.sites`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter

from prometheus_client import Metric

from metrics.site_values import Ending, Move, SiteValues
from metrics.text import Format, escaped, headers, number, series
from states import TABLE, Fault, State

Sample = tuple[str, dict[str, str], float]
Key = tuple[str, ...]

_SITE = "\0"
"""Stands for the site's name in a prepared text; no site's name can hold it."""


class Family(ABC):
    """One family over all sites."""

    type = "gauge"
    unit = ""

    def __init__(self, name: str, documentation: str) -> None:
        self.name = name
        self._documentation = documentation
        self._headers = {format_: text.encode() for format_, text in headers(self.empty()).items()}

    def empty(self) -> Metric:
        """The family without samples."""
        return Metric(self.name, self._documentation, self.type, self.unit)

    def header(self, format_: Format) -> bytes:
        """What stands before the family's samples."""
        return self._headers[format_]

    @abstractmethod
    def samples(self, site: SiteValues) -> Iterator[Sample]:
        """The site's samples for the client library."""

    @abstractmethod
    def text(self, site: SiteValues) -> str:
        """The site's lines, as the client library would write them."""


class StateSet(Family):
    """One series a state; the one that holds is 1."""

    type = "stateset"

    def samples(self, site: SiteValues) -> Iterator[Sample]:
        for state in State:
            yield self.name, {"site": site.site, self.name: state.value}, 1 if site.state is state else 0

    def text(self, site: SiteValues) -> str:
        start = f'{self.name}{{site="{escaped(site.site)}",{self.name}="'
        holds = site.state
        return "".join([f'{start}{state.value}"}} {"1.0" if holds is state else "0.0"}\n' for state in State])


class Identity(Family):
    """What names the site at the service."""

    type = "info"

    def samples(self, site: SiteValues) -> Iterator[Sample]:
        yield f"{self.name}_info", self._labels(site), 1

    def text(self, site: SiteValues) -> str:
        return f"{series(f'{self.name}_info', self._labels(site))}1.0\n"

    def _labels(self, site: SiteValues) -> dict[str, str]:
        names = ("site_code", "account_code", "region", "method")
        return {"site": site.site, **dict(zip(names, site.identity, strict=True))}


class Value(Family):
    """One number a site, read from the attribute `of`."""

    def __init__(self, name: str, documentation: str, *, of: str) -> None:
        super().__init__(name, documentation)
        self._read: Callable[[SiteValues], float] = attrgetter(of)

    def samples(self, site: SiteValues) -> Iterator[Sample]:
        yield self.name, {"site": site.site}, self._read(site)

    def text(self, site: SiteValues) -> str:
        return f'{self.name}{{site="{escaped(site.site)}"}} {number(self._read(site))}\n'


class Seconds(Value):
    """A moment a site, in Unix time, or a length of time."""

    unit = "seconds"


class Counts(Family):
    """A counter with further labels, read from the attribute `of`; `known` label sets are always shown.

    The label `site` must be the last one in alphabetical order: a line is its constant start, the site,
    its value.
    """

    type = "counter"

    def __init__(
        self, name: str, documentation: str, *, of: str, labels: tuple[str, ...], known: tuple[Key, ...]
    ) -> None:
        super().__init__(name, documentation)
        self._read: Callable[[SiteValues], Mapping[Key, int]] = attrgetter(of)
        self._labels = labels
        self._starts = {key: self._start(key) for key in known}
        self._zeros = "".join(f'{start}{_SITE}"}} 0.0\n' for start in self._starts.values())

    def samples(self, site: SiteValues) -> Iterator[Sample]:
        counts = self._read(site)
        for key in dict.fromkeys((*self._starts, *counts)):
            labels = {**dict(zip(self._labels, key, strict=True)), "site": site.site}
            yield f"{self.name}_total", labels, counts.get(key, 0)

    def text(self, site: SiteValues) -> str:
        name, counts = escaped(site.site), self._read(site)
        if not counts:
            return self._zeros.replace(_SITE, name)
        starts, end = self._starts, f'{name}"}} '
        zero = f"{end}0.0\n"
        lines = [
            f"{start}{end}{number(counts[key])}\n" if key in counts else start + zero for key, start in starts.items()
        ]
        lines += [f"{self._start(key)}{end}{number(count)}\n" for key, count in counts.items() if key not in starts]
        return "".join(lines)

    def _start(self, key: Key) -> str:
        labels = {**dict(zip(self._labels, key, strict=True)), "site": ""}
        return series(f"{self.name}_total", labels).removesuffix('"} ')


# Shown from the first scrape on, for every site: the arrows between two different states (21 of the table's
# rows). An event that keeps the state is shown once it has happened: with all of them each site would have
# about 100 series that hardly ever move, which is 100,000 for 1,000 sites, and nobody alerts on them.
MOVES: tuple[Move, ...] = tuple(
    dict.fromkeys((row.trigger, row.source.value, row.target.value) for row in TABLE if row.source is not row.target)
)

# A fault that heals by itself is retried and so counted again and again: `increase()` sees it from its second
# time on. One that waits for a human comes once, and `increase()` would miss it if the series began with it.
ENDINGS: tuple[Ending, ...] = (
    ("succeeded", ""),
    ("cancelled", ""),
    *(("failed", fault.code) for fault in Fault if not fault.heals_by_itself),
)

FAMILIES: tuple[Family, ...] = (
    StateSet("sitebind_site_state", "The state of the site: the series of the one that holds is 1."),
    Identity("sitebind_site", "What names the site: its code, and account, region and sign-in of its binding."),
    Value("sitebind_binding_held", "1 while the site holds a proven binding, in whatever state.", of="held"),
    Counts(
        "sitebind_transitions",
        "Events that were applied to the site, by the states before and after.",
        of="moves",
        labels=("event", "before", "after"),
        known=MOVES,
    ),
    Counts(
        "sitebind_bind_attempts",
        "Bind attempts that ended, by result and by the fault that ended them.",
        of="attempts",
        labels=("result", "fault"),
        known=ENDINGS,
    ),
    Seconds(
        "sitebind_last_bind_success_timestamp_seconds",
        "When the site was bound last, in Unix time; 0 when never.",
        of="last_bind_success",
    ),
    Seconds(
        "sitebind_binding_verified_timestamp_seconds",
        "When the service last accepted the held binding, in Unix time; 0 when none is held.",
        of="verified",
    ),
    Seconds(
        "sitebind_credential_expiry_timestamp_seconds",
        "When the held binding expires, in Unix time; 0 when it never does or none is held.",
        of="credential_expiry",
    ),
    Value(
        "sitebind_credential_renewable",
        "1 while a sign-in is configured that refreshes the keys before they expire; 0 when that needs a person.",
        of="renewable",
    ),
    Seconds(
        "sitebind_verification_interval_seconds",
        "How often the service is asked whether it still accepts the held binding; 0 while not configured.",
        of="verify_every",
    ),
    Seconds(
        "sitebind_retry_at_timestamp_seconds",
        "When the next bind attempt starts by itself, in Unix time; 0 when none is planned.",
        of="retry_at",
    ),
)
