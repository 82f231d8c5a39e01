"""Torn, newer and taken journals are refused or read, and never guessed at. Bounded; for long: `make torture`."""

from __future__ import annotations

import pytest

from tests.torture import journals
from tests.torture.figures import counted_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_second_daemon_and_a_newer_database_are_refused_and_a_torn_log_is_read_up_to_the_tear() -> None:
    second, newer, tears, starts = journals.figures(long=False)
    assert "refused with words" in second.found
    assert "untouched" in newer.found
    assert tears.amount == "24 tears"
    assert counted_in(tears, "cost records") > 0
    assert counted_in(starts, "of the tears") > 0
    assert counted_in(starts, "times") > 0
