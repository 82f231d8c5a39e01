"""Disks that fill up, go read-only and fail to sync cost no record. Bounded; for long: `make torture`."""

from __future__ import annotations

import pytest

from tests.torture import disks
from tests.torture.figures import counted_in

pytestmark = [pytest.mark.slow, pytest.mark.parts, pytest.mark.timeout(600)]


def test_a_full_a_read_only_and_an_unsynced_disk_cost_no_record() -> None:
    for figure in disks.figures(long=False):
        assert counted_in(figure, "acknowledged ones lost") > 0
        assert counted_in(figure, "calls refused with 503") > 0
