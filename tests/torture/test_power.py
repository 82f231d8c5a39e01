"""Power cuts, in a bounded form; and that the rig would see a daemon which does not sync."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.torture.estate import Estate, world
from tests.torture.power import BOUNDED, History, cut, plug_pulled, recorded
from tests.torture.recording import Synced

pytestmark = [pytest.mark.slow, pytest.mark.parts, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def history() -> Iterator[History]:
    with world() as simulated:
        yield recorded(Estate.new(simulated.folder / "estate", simulated), BOUNDED)


def test_what_was_acknowledged_survives_a_power_cut(history: History) -> None:
    assert cut(history, BOUNDED) > 0


def test_a_daemon_that_does_not_sync_its_log_is_caught(history: History) -> None:
    """As with `PRAGMA synchronous = OFF`: without this the test above would prove nothing."""
    careless = [d for d in history.deeds if not (isinstance(d, Synced) and d.path.endswith("-wal"))]
    with pytest.raises(AssertionError, match="broken"):
        cut(replace(history, deeds=careless), replace(BOUNDED, starts=0))


def test_what_was_acknowledged_survives_a_pulled_plug_on_ext4() -> None:
    with world() as simulated:
        assert plug_pulled(simulated, rounds=BOUNDED.plugs) > 0
