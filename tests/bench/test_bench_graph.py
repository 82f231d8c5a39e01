"""The measurement of Graph runs, briefly, and gives all its rows."""

from __future__ import annotations

import subprocess
import sys

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


WALK = """
import asyncio
from bench.graph import _measured

async def walk():
    return 1

print(asyncio.run(_measured(walk, 1)).peak)
"""


def test_the_peak_of_a_side_is_its_own_and_not_that_of_who_started_it() -> None:
    """A run after others would blame both sides for the memory of those."""
    held = bytearray(300 * 2**20)
    held[::4096] = b"x" * len(held[::4096])
    told = subprocess.run([sys.executable, "-c", WALK], check=True, capture_output=True, text=True).stdout
    assert 0 < float(told) < 200
