"""The figures reach their place in the page, and nothing else of it changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture.__main__ import MODULES
from tests.torture.figures import END, PAGE, Figure, begin_of, rewrite

ONE = Figure(what="kill -9", amount="200 rounds", found="0 lost")


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "reliability.md"
    path.write_text(f"# Title\n\n{begin_of('kill')}\nold\n{END}\n\nafter\n", encoding="utf-8")
    return path


def test_figures_take_the_place_of_older_ones(page: Path) -> None:
    rewrite("kill", [ONE], page=page)
    rewrite("kill", [ONE], page=page)
    text = page.read_text(encoding="utf-8")
    assert text.count(ONE.row) == 1
    assert text.startswith("# Title\n\n")
    assert text.endswith(f"{ONE.row}\n{END}\n\nafter\n")
    assert "old" not in text


def test_a_module_without_a_place_is_named(page: Path) -> None:
    with pytest.raises(ValueError, match="no place for soak"):
        rewrite("soak", [ONE], page=page)


def test_every_module_has_its_figures_in_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for module in MODULES:
        part = text.partition(begin_of(module))[2].partition(END)[0]
        assert part.count("\n| ") >= 2, f"make torture writes the figures of {module}"
