"""Many sites in one process: how long until all of them are bound, and what each further idle one costs.

The time has no baseline but the same for one site; pace is raised, so that work and not waiting is measured.
Memory is taken after a restart, when the sites rest: what binding them took for a while is not theirs.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from bench.limit import within
from bench.processes import resident, until, until_it_rests
from bench.sandboxed import Service, daemon, ready, service
from bench.table import Row

SITES = 1_000
KIB_EACH = 8.0
KEPT = 11.0
"""Seconds after which the last connection to the service, which is kept for the next call, is closed."""


def rows(*, quick: bool = False) -> list[Row]:
    """Seconds to bound, and KiB for each further site."""
    number = 10 if quick else SITES
    with tempfile.TemporaryDirectory(prefix="sitebind-bench-") as name, service(Path(name)) as at:
        rest = 0.0 if quick else KEPT
        one, alone, _ = _run(at, Path(name) / "one", 1, rest=rest)
        many, together, peak = _run(at, Path(name) / "many", number, rest=rest)
    further, each = number - 1, 1e3 * many / number
    return [
        within(f"{number:,} sites until all are bound, each : 1 site", each, 1e3 * one, goal="", unit="ms"),
        within("memory per further site, idle : limit", (together - alone) / further, KIB_EACH, unit="KiB"),
        within("memory per further site, just bound : limit", (peak - alone) / further, KIB_EACH, goal="", unit="KiB"),
    ]


def _run(at: Service, folder: Path, number: int, *, rest: float) -> tuple[float, float, float]:
    """Seconds until all are bound; KiB resident after a restart, and just after binding."""
    configuration, port = at.many_sites(folder, number)
    begin = time.perf_counter()
    with daemon(configuration) as pid:
        until(lambda: ready(port, sites=number), "every site is bound")
        took = time.perf_counter() - begin
        peak = resident(pid)
    at.calm(configuration)
    with daemon(configuration) as pid:
        until(lambda: ready(port, sites=number), "every site is bound again")
        until_it_rests(pid)
        time.sleep(rest)
        return took, resident(pid), peak
