"""Everyone can use it: axe on every page and state, narrow screens as at 400 % zoom, dark mode, less motion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.installation import Installation
from tests.acceptance.processes import Program
from tests.acceptance.simulated import Simulated
from tests.browser.barriers import barriers, overflows
from tests.browser.conftest import OpenPage, sign_in

pytestmark = [pytest.mark.parts, pytest.mark.slow, pytest.mark.timeout(300)]

PAGES = ("accounts", "connection", "site", "bind", "directory", "audit", "unbind")
LOOKS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "narrow": {"viewport": {"width": 320, "height": 640}},
}


def every_page(page: Page, url: str) -> Iterator[str]:
    """Open every page in turn, with everything that is folded open."""
    for path in ("/", "/?q=nothing-fits", "/sign-in", "/nowhere", *(f"/sites/default/{name}" for name in PAGES)):
        page.goto(url + path)
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        yield path


@pytest.mark.parametrize("look", LOOKS)
def test_no_page_has_a_barrier(daemon: Program, open_page: OpenPage, installation: Installation, look: str) -> None:
    page = open_page("/", **LOOKS[look])
    found = barriers(page)
    sign_in(page)
    for path in every_page(page, installation.api.url):
        found += barriers(page)
        assert overflows(page) <= 0, f"{path} is wider than its window"
    assert not found, "\n".join(found)


def test_no_state_has_a_barrier(
    daemon: Program, open_page: OpenPage, installation: Installation, simulated: Simulated
) -> None:
    """Failed, with its problems and remedy; while binding; with errors at the fields; without the settings."""
    page = open_page("/")
    sign_in(page)
    simulated.trouble("wrong-password")
    installation.sitebind("rebind", "--wait")
    found = []
    for path in every_page(page, installation.api.url):
        found += barriers(page)
        assert overflows(page) <= 0, path
    page.goto(f"{installation.api.url}/sites/default/connection")
    page.get_by_role("button", name="Run doctor").click()
    expect(page.locator("#layers")).to_contain_text("Ended")
    found += barriers(page)
    page.goto(f"{installation.api.url}/sites/default/accounts")
    page.get_by_label("SMTP Address").fill("nonsense")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("heading", name="Nothing was written")).to_be_visible()
    found += barriers(page)
    simulated.heal()
    simulated.trouble("slow", seconds=20)
    page.goto(f"{installation.api.url}/sites/default/bind")
    page.get_by_role("button", name="Rebind").click()
    expect(page.get_by_role("heading", name="Binding…")).to_be_visible()
    found += barriers(page)
    installation.config.write_text("[bindign]\n")
    installation.sitebind("reload")
    page.goto(f"{installation.api.url}/sites/default/bind")
    found += barriers(page)
    assert not found, "\n".join(found)


def test_targets_are_large_enough_for_a_finger(daemon: Program, open_page: OpenPage) -> None:
    """24 pixels each way, or as far from the next (WCAG 2.5.8); links within a sentence are excepted."""
    page = open_page("/sites/default/bind", viewport={"width": 320, "height": 640})
    small = page.evaluate(
        "() => [...document.querySelectorAll('button, nav a, input, select, summary')]"
        ".filter(e => e.offsetParent && e.type !== 'hidden')"
        ".map(e => [e.outerHTML.slice(0, 80), e.getBoundingClientRect()])"
        ".filter(([, r]) => r.width < 24 || r.height < 24).map(([html]) => html)"
    )
    assert small == []


def test_the_focus_is_always_seen(daemon: Program, open_page: OpenPage) -> None:
    """Every stop of the Tab key has an outline or another frame."""
    page = open_page("/sites/default/bind")
    sign_in(page)
    unseen = []
    for _ in range(40):
        page.keyboard.press("Tab")
        held = page.evaluate(
            "() => { const e = document.activeElement, s = getComputedStyle(e);"
            " return [e.outerHTML.slice(0, 80), s.outlineStyle, s.outlineWidth, s.boxShadow] }"
        )
        html, outline, width, shadow = held
        if (outline == "none" or width == "0px") and shadow == "none" and not html.startswith("<body"):
            unseen.append(html)
    assert unseen == []


def test_nothing_moves_for_who_asked_for_less_motion(daemon: Program, open_page: OpenPage) -> None:
    page = open_page("/sites/default/bind", reduced_motion="reduce")
    moving = page.evaluate(
        "() => [...document.querySelectorAll('*')].filter(e => {"
        " const s = getComputedStyle(e); return s.animationName != 'none' || parseFloat(s.transitionDuration) > 0.01 })"
        ".map(e => e.outerHTML.slice(0, 80))"
    )
    assert moving == []


def test_states_are_told_apart_without_colours(daemon: Program, open_page: OpenPage) -> None:
    """By a word and a shape, which forced colours leave."""
    page = open_page("/", forced_colors="active")
    expect(page.locator("tbody .state")).to_have_text("✔ bound")
    assert barriers(page) == []


def test_a_name_of_one_long_word_pushes_no_state_out_of_sight(
    daemon: Program, open_page: OpenPage, installation: Installation
) -> None:
    installation.save(site={"display_name": "Donaudampfschifffahrtsgesellschaft" * 7})
    installation.sitebind("reload")
    state = open_page("/").locator("tbody .state")
    expect(state).to_be_in_viewport(ratio=1)
