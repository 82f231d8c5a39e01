"""axe-core over a page, by the rules of WCAG 2.2 AA."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import Page

_SCRIPT = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text("utf-8")
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def barriers(page: Page) -> list[str]:
    """What axe found, a line each. It is evaluated and not loaded, so the page's own policy stays in force."""
    page.evaluate(_SCRIPT)
    found: dict[str, Any] = page.evaluate("tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})", _TAGS)
    return [
        f"{page.url}: {broken['id']} ({broken['impact']}): {broken['help']}: {node['html']} {node['failureSummary']}"
        for broken in found["violations"]
        for node in broken["nodes"]
    ]


def overflows(page: Page) -> int:
    """By how many pixels the page is wider than its window: then one would have to scroll sideways to read."""
    wider: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return wider
