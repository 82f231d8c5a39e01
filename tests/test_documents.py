"""What the documents say is what the program does."""

from __future__ import annotations

import re
from pathlib import Path

from states import mermaid
from tests.doctor import microsoft_tables

ROOT = Path(__file__).parent.parent


def test_the_readmes_diagram_is_drawn_from_the_table() -> None:
    """It is remade by pasting what `states.mermaid()` prints between the two marks."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- lifecycle: begin -->\n```mermaid\n(.*?)\n```\n<!-- lifecycle: end -->", text, re.DOTALL)
    assert found is not None
    assert found[1] == mermaid()


def test_the_tables_of_error_codes_are_those_of_the_adapters() -> None:
    """`make doctor-table` writes them anew."""
    text = microsoft_tables.PAGE.read_text(encoding="utf-8")
    assert text == microsoft_tables.rewritten(text)


def test_every_file_that_the_documents_point_to_exists() -> None:
    """Links between our own pages."""
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} points to {target}"


def test_every_make_target_that_the_readme_names_exists() -> None:
    """`make bench` and the like."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"`?make ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert named - {"and"} <= targets
