"""The page of a run: its table, its plot, the machine without its name, and why what falls short does."""

from __future__ import annotations

import platform
import re
from pathlib import Path
from xml.etree import ElementTree as ET

from bench import machine, page, plot
from bench.limit import within
from bench.table import Row, row_of

MET = row_of("requests : bare <aiohttp>", [(90.0, 100.0), (80.0, 100.0), (86.0, 100.0)], goal=">= 0.75")
MISSED = within("memory : limit", 16.0, 8.0, unit="KiB")
AIMLESS = Row("time : one site", 1.0, 2.0, 0.5, unit="ms")
ROWS = (MET, MISSED, AIMLESS)


def test_the_page_has_the_table_the_plot_and_the_reason_of_what_falls_short(tmp_path: Path) -> None:
    page.write(ROWS, seconds=120.0, docs=tmp_path)
    written = (tmp_path / "performance.md").read_text()
    assert "3 rows in 2 minutes; 1 of 2 goals are met." in written
    assert "| requests : bare <aiohttp> | 86.00 /s | 100 /s | 0.86 | 0.83 to 0.88 | >= 0.75 | met | 25% |" in written
    assert "](performance.svg)" in written
    assert (
        page.text(ROWS, {"memory : limit": "It is large."}, seconds=1.0).count(
            "- **memory : limit**: 2.00, goal <= 1.00. It is large."
        )
        == 1
    )
    ET.parse(tmp_path / "performance.svg")


def test_the_plot_is_told_in_words_and_drawn_for_light_and_dark() -> None:
    drawn = plot.drawn(ROWS)
    assert "1 of 2 goals are met. Short of the goal: memory : limit: 2.00, goal &lt;= 1.00." in drawn
    assert "prefers-color-scheme: dark" in drawn
    assert drawn.count('class="met"') == drawn.count('class="missed"') == 1
    assert AIMLESS.name not in drawn


def test_a_bar_goes_right_beyond_the_goal_and_left_short_of_it_whichever_way_the_goal_points() -> None:
    assert plot.beyond(MISSED) == 0.5
    assert plot.beyond(within("m", 4.0, 8.0, unit="KiB")) == 2.0
    assert plot.beyond(MET) > 1
    assert plot.beyond(within("nothing at all", 0.0, 8.0, unit="KiB")) == plot.MOST


def test_the_machine_is_described_without_a_name_and_without_a_place() -> None:
    said = dict(machine.described())
    assert {"processor", "kernel", "file system of the databases", "Python", "libraries"} <= said.keys()
    text = " ".join(said.values())
    assert platform.node() not in text
    assert not re.search(r"(?<![A-Za-z0-9.])/[a-z]+/", text)
