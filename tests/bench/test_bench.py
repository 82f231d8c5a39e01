"""`make bench` keeps working: every measurement runs, briefly, and the table has all its rows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import MODULES
from bench.limit import within
from bench.table import shown

ROOT = Path(__file__).resolve().parent.parent.parent

EXPECTED = (
    *(f"durable steps, {producers} producers : raw sqlite3" for producers in (1, 16)),
    *(f"durable steps, 4 ms slower disk, {producers} producers" for producers in (1, 16)),
    "audit verify, one core",
    "audit verify, two processes",
    "POST /rebind journalled, 16 clients : FastAPI",
    "a whole bind : the same calls by bare aiohttp",
    "config write to the driver : asyncinotify",
    "config write noticed, without the pause : asyncinotify",
    "idle wake-ups of the whole daemon",
    *(f"POST /rebind journalled, {clients} clients" for clients in (1, 16, 64, 256)),
    "/metrics, 1 site, answers",
    "/metrics, 1 site, latency",
    "/metrics, 100 sites, longest turn",
    "start to ready, bound site",
    "resident memory, bound site",
    "10 sites until all are bound",
    "memory per further site, idle",
)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_quick_run_prints_a_table_with_every_row() -> None:
    """Real processes and real sockets; numbers are not looked at, only that each was measured."""
    command = [sys.executable, "-m", "bench", "--quick", *(set(MODULES) - {"graph", "directory"})]  # have their own
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    header, *lines = done.stdout.splitlines()
    assert header.split() == ["what", "ours", "baseline", "ratio", "quartiles", "goal"]
    for name in EXPECTED:
        assert any(line.startswith(name) for line in lines), f"no row {name!r} in\n{done.stdout}"


def test_a_measurement_that_is_not_known_is_refused_by_name() -> None:
    command = [sys.executable, "-m", "bench", "rebund"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "unknown: rebund; there are: durable, verify, rebind" in done.stderr


def test_a_limit_that_is_passed_is_shown_as_missed() -> None:
    assert "MISSED" in shown([within("memory", 9.0, 8.0, unit="KiB")])
    assert within("memory", 7.9, 8.0, unit="KiB").met


def test_only_a_whole_run_is_written() -> None:
    command = [sys.executable, "-m", "bench", "--quick", "--write"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "only a whole run is written" in done.stderr
