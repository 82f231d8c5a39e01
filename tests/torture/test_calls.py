"""The n-th call fails, in its bounded form: every layer with one scenario, n = 1, 6, 36 … until none fails."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.sandbox import Sandbox
from daemon.sandbox.world import DEMO_EMAIL, small_world
from daemon.store.schema import migrate
from tests.torture.calls import LAYERS, bounded, counted, fewer
from tests.torture.nth import Manner, Nth
from tests.torture.witness import Witness


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(LAYERS)), ids=lambda number: f"{LAYERS[number].name}-{number}")
async def test_whichever_call_fails_nothing_is_lost_and_all_comes_right(tmp_path: Path, number: int) -> None:
    tally = await counted(tmp_path, bounded(number), numbers=fewer)
    assert tally.rounds >= 1
    assert sum(tally.healed.values()) == tally.rounds


def test_a_call_fails_by_its_number() -> None:
    nth, done = Nth(), []
    for manner, failed in ((Manner.ONCE, [2]), (Manner.ON, [2, 3, 4]), (Manner.LOST, [2])):
        done.clear()
        nth.arm(2, manner)
        assert [call for call in range(1, 5) if fails(nth, done, call)] == failed
        assert (2 in done) is (manner is Manner.LOST)
        nth.mend()
        assert not fails(nth, done, 5)


def fails(nth: Nth, done: list[int], call: int) -> bool:
    try:
        nth.call("call", lambda: done.append(call), lambda _number: OSError())
    except OSError:
        return True
    return False


def test_keys_without_a_record_are_seen(tmp_path: Path) -> None:
    """The witness that accuses nobody would prove nothing."""
    sandbox = Sandbox(directory=tmp_path / "sandbox", world=small_world())
    witness = Witness(tmp_path / "config.ini", database(tmp_path), sandbox, Nth())
    key = sandbox.world.keys.issue(DEMO_EMAIL, "application", now=datetime.now(UTC), epoch=0)
    sandbox.world.keys.revoke(key)
    assert witness.violations == [
        "keys were issued without a record of a bind ",
        "the keys of  were revoked without a record",
    ]


def test_a_file_without_a_record_is_seen(tmp_path: Path) -> None:
    sandbox = Sandbox(directory=tmp_path / "sandbox", world=small_world())
    witness = Witness(tmp_path / "config.ini", database(tmp_path), sandbox, Nth())
    witness.saw("rename", (tmp_path / "fresh", tmp_path / "config.ini"))
    assert witness.violations == ["the configuration was replaced without a record"]


def database(folder: Path) -> Path:
    """An audit trail with nothing in it."""
    path = folder / "sitebind.db"
    with closing(sqlite3.connect(path)) as connection:
        migrate(connection)
    return path
