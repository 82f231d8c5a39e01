"""`/metrics`: requests a second against prometheus_client's own server, and how long a scrape holds the loop.

The first is asked over real sockets, each side in a process of its own with as many series as the other. The
second calls our exposition and a stock labelled registry with the same label sets in this process: with
thousands of sites what counts is not the sum but the longest time for which nobody else gets a turn.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, generate_latest

from bench.limit import within
from bench.load import load
from bench.processes import fetched, started, until
from bench.sandboxed import daemon, ready, service
from bench.table import Row, against
from daemon.web.scrape import turns
from metrics import Exposition, Instruments, new_registry
from states import TABLE, State, first_snapshot

SECONDS = 0.6
LONGEST = 0.020
"""Seconds that no scrape may hold the loop at once."""

PLAIN = "text/plain;version=0.0.4"
VALUES = ("held", "last_success", "verified", "expiry", "renewable", "verify_every", "retry_at")
MOVES = tuple({(row.trigger, row.source.value, row.target.value) for row in TABLE if row.source is not row.target})


def rows(*, quick: bool = False) -> list[Row]:
    """Requests a second and latency at one site; blocked time at many."""
    numbers = (100,) if quick else (1_000, 10_000)
    found = _over_sockets(quick=quick)
    for sites in numbers:
        found += _in_the_loop(sites, quick=quick)
    return found


# --- over sockets -----------------------------------------------------------------------------------


def _over_sockets(*, quick: bool) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="sitebind-bench-") as name, service(Path(name)) as at:
        configuration, port = at.one_site(Path(name) / "site")
        with daemon(configuration):
            until(lambda: ready(port), "the site is bound")
            _, text = fetched(port, "/metrics")
            own = _series(text, b"process_")
            with started("-m", "bench.bare", "exposition", str(_series(text) - own)) as (_, theirs):
                return _scraped(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{theirs}", quick=quick)


def _series(text: bytes, start: bytes = b"") -> int:
    return sum(1 for line in text.splitlines() if not line.startswith(b"#") and line.startswith(start))


def _scraped(ours: str, theirs: str, *, quick: bool) -> list[Row]:
    seen: dict[str, list[float]] = {ours: [], theirs: []}

    def rate(url: str) -> float:
        # Its server closes after each answer, so both sides get a new connection for each scrape.
        loaded = load(f"{url}/metrics", clients=1, seconds=0.1 if quick else SECONDS, fresh=True)
        seen[url].append(loaded.latency)
        return loaded.per_second

    rounds = 1 if quick else 5
    name = "/metrics, 1 site, {} : prometheus_client's server"
    rates = against(name.format("answers"), lambda: rate(ours), lambda: rate(theirs), goal=">= 2.50", rounds=rounds)
    # Each burst measured both; the second row is the first one's other half.
    latencies = {url: iter(values) for url, values in seen.items()}

    def latency(url: str) -> Callable[[], float]:
        return lambda: 1e3 * next(latencies[url])

    return [rates, against(name.format("latency"), latency(ours), latency(theirs), unit="ms", rounds=rounds)]


# --- in the loop ------------------------------------------------------------------------------------


def _in_the_loop(sites: int, *, quick: bool) -> list[Row]:
    ours, stock = _ours(sites), _stock(sites)
    rounds = 1 if quick else 5
    name = f"/metrics, {sites:,} sites, {{}} : stock registry"

    def stock_seconds() -> float:
        begin = time.perf_counter()
        generate_latest(stock)
        return time.perf_counter() - begin

    def whole() -> float:
        return 1e3 * sum(_turns(ours))

    def longest() -> float:
        return 1e3 * max(_turns(ours))

    def theirs() -> float:
        return 1e3 * stock_seconds()

    usual = median(longest() for _ in range(rounds))
    return [
        against(name.format("longest turn"), longest, theirs, goal="<= 0.10", unit="ms", rounds=rounds),
        against(name.format("all turns"), whole, theirs, unit="ms", rounds=rounds),
        within(f"/metrics, {sites:,} sites, longest turn : limit", usual, 1e3 * LONGEST, unit="ms"),
    ]


def _turns(exposition: Exposition) -> Iterator[float]:
    """The seconds of each turn of the loop that a scrape takes, as `daemon.web.scrape` cuts them."""
    begin = time.perf_counter()
    _, pieces = exposition.answer(PLAIN)
    for _ in turns(pieces):
        now = time.perf_counter()
        yield now - begin
        begin = now


def _ours(sites: int) -> Exposition:
    registry = new_registry()
    instruments = Instruments(registry, version="bench", endpoints=("login",))
    for number in range(sites):
        snapshot = first_snapshot(_site(number), site_code="c0de", at=datetime.now(UTC))
        instruments.sites.add(_site(number)).show(snapshot)
    return Exposition(registry, instruments)


def _stock(sites: int) -> CollectorRegistry:
    """The same families the usual way: one labelled metric each, every label set made beforehand."""
    registry = new_registry()
    states = [state.value for state in State]
    state = Enum("stock_state", "State.", ["site"], states=states, registry=registry)
    moves = Counter("stock_moves", "Moves.", ["site", "event", "before", "after"], registry=registry)
    values = [Gauge(f"stock_{name}", name, ["site"], registry=registry) for name in VALUES]
    for number in range(sites):
        site = _site(number)
        state.labels(site).state(states[0])
        for move in MOVES:
            moves.labels(site, *move)
        for value in values:
            value.labels(site)
    return registry


def _site(number: int) -> str:
    return f"site-{number:05}"
