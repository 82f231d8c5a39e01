"""A loaded daemon is killed at random moments, and keeps every promise. Bounded; for long: `make torture`."""

from __future__ import annotations

import pytest

from tests.torture import kills
from tests.torture.figures import counted_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_daemon_that_is_killed_keeps_what_it_acknowledged() -> None:
    restarts, kills_of_it = [*kills.figures(long=False)][::-1]
    assert kills_of_it.amount.startswith(f"{kills.BOUNDED} rounds")
    assert counted_in(kills_of_it, "acknowledged calls") > kills.BOUNDED
    assert counted_in(restarts, "restarts") > 0
