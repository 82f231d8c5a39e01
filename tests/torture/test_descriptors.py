"""A daemon without a descriptor left goes on. Bounded; for long: `make torture`."""

from __future__ import annotations

import pytest

from tests.torture import descriptors
from tests.torture.figures import counted_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_daemon_without_descriptors_goes_on_says_so_and_recovers() -> None:
    (figure,) = descriptors.figures(long=False)
    assert figure.amount.startswith("2 times")
    assert counted_in(figure, "acknowledged calls lost") > 0
