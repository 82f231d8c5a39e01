"""The soak in its bounded form, and the line that it judges by."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.torture import heap, soak
from tests.torture.soak_samples import Sample, look
from tests.torture.trend import trend


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_what_a_daemon_holds_does_not_grow_with_its_work() -> None:
    """Descriptors, threads, tasks, memory and what the database holds beside the audit trail."""
    shown = {figure.what: figure.found for figure in soak.figures(long=False)}
    assert {f"Rows of the table `{table}`" for table in ("audit", "binds", "snapshots", "vault")} <= set(shown)


def run_with(name: str, values: Sequence[float]) -> soak.Soak:
    """A run in which one measure was as told and all others stood still."""
    still = {one.name: 1000.0 for one in soak.MEASURES}
    run = soak.Soak(Path(), soak.LONG, seed=0)
    run.samples = [
        Sample(operations=200 * number, values={**still, name: value}, rows={}) for number, value in enumerate(values)
    ]
    return run


@pytest.mark.parametrize("measure", soak.MEASURES, ids=lambda measure: measure.name)
def test_a_leak_is_found_in_every_measure(measure: soak.Measure) -> None:
    """A little more than is allowed, with noise on it."""
    limit = 1000 * measure.share(soak.LONG) if measure.share else measure.allowed
    leaking = [1000 + 1.5 * limit * number / 19 + (number % 3 - 1) * limit / 20 for number in range(20)]
    with pytest.raises(AssertionError, match=measure.name):
        run_with(measure.name, leaking).judge()


@pytest.mark.parametrize("measure", soak.MEASURES, ids=lambda measure: measure.name)
def test_what_only_comes_and_goes_is_no_leak(measure: soak.Measure) -> None:
    limit = 1000 * measure.share(soak.LONG) if measure.share else measure.allowed
    run_with(measure.name, [1000 + (number * 7 % 5 - 2) * limit for number in range(20)]).judge()


def test_a_slope_is_told_with_how_sure_it_is() -> None:
    exact = trend([0, 100, 200, 300], [5, 6, 7, 8])
    assert (exact.slope, exact.error, exact.by_the_end) == pytest.approx((0.01, 0, 3))
    noisy = trend([0, 100, 200, 300], [5, 7, 5, 7])
    assert noisy.error > abs(noisy.slope) / 2
    with pytest.raises(ValueError, match="three looks"):
        trend([0, 1], [1, 2])


def test_a_sample_tells_the_trail_from_the_rest(tmp_path: Path) -> None:
    database = tmp_path / "sitebind.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE audit (seq INTEGER PRIMARY KEY, at TEXT)")
        connection.execute("CREATE INDEX audit_by_time ON audit (at)")
        connection.execute("CREATE TABLE binds (id TEXT)")
        connection.executemany("INSERT INTO audit (at) VALUES (?)", [("x" * 500,)] * 1000)
        connection.execute("INSERT INTO binds VALUES ('b1')")
        connection.commit()
        metrics = 'sitebind_tasks{owner="effects"} 2\nsitebind_tasks{owner="other"} 5\n'
        sample = look(os.getpid(), database, heap.here(), exposition=metrics, operations=3)
    assert sample.rows == {"audit": 1000, "binds": 1}
    assert 900 < sample.values["bytes per audit record"] < 1500
    assert sample.values["database but the audit trail"] == 8
    assert sample.values["write-ahead log"] > 0
    assert sample.values["tasks"] == 7
    assert sample.values["resident"] > sample.values["heap in use"] > 0
    assert sample.values["Python's blocks in use"] > 0
    assert sample.values["descriptors"] > 2
    assert sample.values["threads"] >= 1


def test_what_is_allocated_and_kept_is_told() -> None:
    before = heap.here()
    kept = [bytearray(1 << 20) for _ in range(8)], [object() for _ in range(50_000)]
    after = heap.here()
    assert after.kib - before.kib > 8000
    assert after.blocks - before.blocks > 50_000
    del kept
    assert heap.here().blocks < after.blocks - 50_000
