"""Exponential backoff with full jitter after the cap."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from states import delay_before

CHANCE = st.floats(0, 1, exclude_max=True)
FIRST = st.floats(0.1, 60)
CEILING = st.floats(60, 3600)


@pytest.mark.parametrize(
    "failures, most", [(1, 2), (2, 4), (3, 8), (8, 256), (9, 300), (10, 300), (17, 300), (10_000, 300)]
)
def test_the_most_that_is_waited_doubles_up_to_the_ceiling(failures: int, most: float) -> None:
    assert delay_before(failures, chance=1.0, first=2, ceiling=300) == most


def test_a_ceiling_below_the_first_delay_holds_from_the_start() -> None:
    assert delay_before(1, chance=1.0, first=60, ceiling=30) == 30


def test_a_count_below_one_is_taken_as_the_first_failure() -> None:
    assert delay_before(0, chance=1.0, first=2, ceiling=300) == 2


@given(failures=st.integers(1, 100_000), chance=CHANCE, first=FIRST, ceiling=CEILING)
def test_a_delay_lies_between_zero_and_the_capped_delay(
    failures: int, chance: float, first: float, ceiling: float
) -> None:
    capped = delay_before(failures, chance=1.0, first=first, ceiling=ceiling)
    delay = delay_before(failures, chance=chance, first=first, ceiling=ceiling)
    assert 0 <= delay <= capped <= ceiling


@given(failures=st.integers(1, 100_000), chance=CHANCE, first=FIRST, ceiling=CEILING)
def test_a_delay_is_the_same_share_of_the_capped_delay_as_chance_is_of_one(
    failures: int, chance: float, first: float, ceiling: float
) -> None:
    """So an even chance gives even delays, also at the cap, where a herd would gather."""
    capped = min(ceiling, first * 2.0 ** min(failures - 1, 16))
    delay = delay_before(failures, chance=chance, first=first, ceiling=ceiling)
    assert math.isclose(delay, chance * capped)


@given(failures=st.integers(1, 40), chance=CHANCE)
def test_one_failure_more_never_shortens_the_wait(failures: int, chance: float) -> None:
    shorter, longer = (delay_before(n, chance=chance, first=2, ceiling=300) for n in (failures, failures + 1))
    assert shorter <= longer


def test_a_thousand_sites_at_the_cap_come_back_evenly() -> None:
    """With even chances every tenth of the ceiling gets a tenth of the sites."""
    delays = [delay_before(50, chance=site / 1000, first=2, ceiling=300) for site in range(1000)]
    tenths = [sum(low * 30 <= delay < (low + 1) * 30 for delay in delays) for low in range(10)]
    assert all(99 <= count <= 101 for count in tenths)
    assert sum(tenths) == 1000
