"""The measurement of Graph runs, briefly, and gives all its rows."""

from __future__ import annotations

import pytest

from bench.graph import rows

EXPECTED = ("time : bare aiohttp", "longest stall of the loop : limit", "longest stall : bare aiohttp", "peak memory")


@pytest.mark.slow
def test_a_quick_run_gives_every_row() -> None:
    """Real processes and a real TLS server; numbers are not looked at, only that each was measured."""
    found = rows(quick=True)
    assert [row.name.startswith("2,000 Graph users, ") for row in found] == [True] * len(EXPECTED)
    for row, name in zip(found, EXPECTED, strict=True):
        assert name in row.name
        assert row.ours > 0
