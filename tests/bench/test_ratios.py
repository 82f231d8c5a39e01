"""What is worse than it was is found, by name and with both ratios; what is as it was is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import ratios
from bench.__main__ import checked
from bench.limit import within
from bench.page import reasons
from bench.ratios import Stored
from bench.table import Row, row_of

FAST = row_of("requests : bare", [(80.0, 100.0), (82.0, 100.0), (78.0, 100.0)], goal=">= 0.75")
SMALL = within("memory : limit", 7.0, 8.0, unit="KiB")


def stored(*rows: Row, at: Path) -> dict[str, Stored]:
    ratios.write(rows, at)
    return ratios.read(at)


def slower(row: Row, times: float) -> Row:
    return Row(row.name, row.ours, row.baseline, row.ratio * times, row.goal, row.unit)


def test_a_run_like_the_stored_one_is_well(tmp_path: Path) -> None:
    kept = stored(FAST, SMALL, at=tmp_path / "ratios.json")
    assert ratios.regressions([slower(FAST, 0.8), slower(SMALL, 1.05)], kept) == {}
    assert ratios.regressions([slower(FAST, 3.0), slower(SMALL, 0.2)], kept) == {}


def test_a_regression_is_told_with_its_row_both_ratios_and_the_noise(tmp_path: Path) -> None:
    kept = stored(FAST, SMALL, at=tmp_path / "ratios.json")
    found = ratios.regressions([slower(FAST, 0.5), slower(SMALL, 1.2)], kept)
    assert found == {
        FAST.name: "requests : bare: the ratio fell from 0.80 to 0.40. Noise explains 25%, which is 0.60, and not more",
        SMALL.name: "memory : limit: the ratio rose from 0.88 to 1.05. Noise explains 10%, which is 0.96, and not more",
    }


def test_a_row_that_nobody_stored_is_told() -> None:
    assert "no ratio is stored" in ratios.regressions([FAST], {})[FAST.name]


def test_a_stored_row_that_is_not_measured_any_more_is_told(tmp_path: Path) -> None:
    kept = stored(FAST, SMALL, at=tmp_path / "ratios.json")
    assert list(ratios.missing([FAST], kept)) == [SMALL.name]
    assert ratios.missing([FAST, SMALL], kept) == {}


def test_noisy_rounds_make_a_wide_tolerance_and_never_an_endless_one() -> None:
    noisy = row_of("noisy : bare", [(60.0, 100.0), (80.0, 100.0), (100.0, 100.0)])
    assert ratios.noise_of(noisy) == ratios.MOST
    assert ratios.noise_of(FAST) == ratios.LEAST
    assert ratios.noise_of(SMALL) == ratios.LEAST_OF_MEMORY


@pytest.mark.parametrize("moods, fails", [((0.5, 1.0), False), ((0.5, 0.4), True), ((1.0,), False)])
def test_a_mood_of_the_machine_is_measured_again_and_a_regression_stays(
    tmp_path: Path, moods: tuple[float, ...], fails: bool
) -> None:
    kept, left = stored(FAST, at=tmp_path / "ratios.json"), list(moods)

    def measure(name: str, *, quick: bool) -> list[Row]:
        return [slower(FAST, left.pop(0))]

    _, faults = checked(["rebind"], kept, quick=False, measure=measure)
    assert bool(faults) is fails
    assert not left


def test_every_stored_row_that_misses_its_goal_has_its_reason() -> None:
    """`make bench` stores the row; why it falls short is for a person to write into bench/reasons.toml."""
    kept, why = ratios.read(), reasons()
    rows = [Row(name, 0.0, 0.0, one.ratio, one.goal) for name, one in kept.items()]
    missed = {row.name for row in rows if row.met is False}
    assert missed <= why.keys(), f"no reason: {sorted(missed - why.keys())}"
    assert why.keys() <= kept.keys(), f"reasons of no row: {sorted(why.keys() - kept.keys())}"


def test_the_file_of_ratios_says_goal_ratio_and_noise_of_each_row() -> None:
    for name, one in json.loads(ratios.FILE.read_text(encoding="utf-8")).items():
        assert set(one) == {"ratio", "noise", "goal"}, name
