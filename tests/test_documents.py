"""What the documents say is what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from states import mermaid
from tests.doctor import microsoft_tables
from tests.reference import markdown

ROOT = Path(__file__).parent.parent
SECURITY = ROOT / "docs" / "security.md"


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


def pages() -> list[Path]:
    """Every document of ours that a person reads."""
    return [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "tests").rglob("*.md")]


def links(page: Path) -> list[tuple[str, str]]:
    """(path, anchor) of every link to a page of ours, code left out."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text))
    parts = [target.partition("#") for target in found if not re.match(r"[a-z]+:", target)]
    return [(path, anchor) for path, _, anchor in parts]


def anchors(page: Path) -> set[str]:
    """What can be pointed to in a page."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {markdown.anchor(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_place_that_a_document_points_to_exists(page: Path) -> None:
    """Links between our own pages, their headings too."""
    for path, anchor in links(page):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} points to {path}"
        assert not anchor or anchor in anchors(target), f"{page.name} points to {path}#{anchor}"


def test_every_document_is_reached_from_the_readme() -> None:
    """By links, from page to page: what nobody finds helps nobody."""
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in seen:
            seen.add(page)
            waiting += [(page.parent / path).resolve() for path, _ in links(page) if path.endswith(".md")]
    assert set((ROOT / "docs").rglob("*.md")) <= seen


def test_what_holds_a_claim_of_the_security_model_exists() -> None:
    """Each row of its tables ends with the tests that would notice if it were not so."""
    rows = re.findall(r"^\| ([A-Z].*?) \| (`tests/.*`) \|$", SECURITY.read_text(encoding="utf-8"), re.MULTILINE)
    for claim, tests in rows:
        for path in re.findall(r"`([^`]+)`", tests):
            assert (ROOT / path).is_file(), f"nothing holds: {claim}"
    assert len(rows) > 30


def test_every_make_target_that_the_readme_names_exists() -> None:
    """`make bench` and the like."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"`?make ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert named - {"and"} <= targets
