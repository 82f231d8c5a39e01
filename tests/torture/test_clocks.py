"""A clock that jumps is no reason to do anything. Bounded; for long: `make torture`."""

from __future__ import annotations

import pytest

from tests.torture import clocks
from tests.torture.figures import counted_in

pytestmark = [pytest.mark.slow, pytest.mark.parts, pytest.mark.timeout(600)]


def test_a_clock_that_jumps_both_ways_moves_nothing_and_loses_nothing() -> None:
    (figure,) = clocks.figures(long=False)
    assert figure.amount == "2 jumps, 1 restarts at the wrong time"
    assert counted_in(figure, "acknowledged calls lost") > 0
