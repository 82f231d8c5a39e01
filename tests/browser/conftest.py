"""A real browser in front of a real daemon, with a simulated Mimecast behind it.

Every page that a test opens is watched: a violation of the content policy, an error of a script, or a request that
leaves the daemon fails the test, whatever it was about.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

from tests.acceptance.conftest import installation, simulated
from tests.acceptance.installation import Installation
from tests.acceptance.processes import Program

__all__ = ["installation", "simulated"]  # fixtures, from where they stand once

TOKEN = "the-pages-own-token"
VIEWPORT = {"width": 1280, "height": 900}
LONGEST = 45_000
"""Milliseconds after which what was waited for has failed to come; generous, since others may use the machine too."""

expect.set_options(timeout=LONGEST)

OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; as root it knows no sandbox of its own.

    For a module and not for the session: while its driver runs, it holds this thread's event loop, and no
    asynchronous test could run after it.
    """
    found = shutil.which("chromium")
    assert found, "chromium is missing: `make test` installs it, or: tests/parts/install"
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def with_token(installation: Installation) -> Installation:
    """The same, with a token to sign in with."""
    installation.save(daemon={"api_token": f"literal:{TOKEN}"})
    return installation


@pytest.fixture
def daemon(with_token: Installation) -> Iterator[Program]:
    """The daemon, running and bound."""
    with with_token.start() as program:
        with_token.api.reach("bound")
        yield program


@pytest.fixture
def open_page(browser: Browser, installation: Installation) -> Iterator[OpenPage]:
    """Open a page in a browser context of its own; what goes wrong in it fails the test."""
    wrong: list[str] = []
    with ExitStack() as stack:

        def opened(path: str = "/", **options: Any) -> Page:
            context = browser.new_context(**{"viewport": VIEWPORT, **options})
            context.set_default_timeout(LONGEST)
            stack.callback(context.close)
            page = context.new_page()
            watch(context, page, origin=installation.api.url, wrong=wrong)
            page.goto(installation.api.url + path)
            return page

        yield opened
    assert wrong == []


def watch(context: BrowserContext, page: Page, *, origin: str, wrong: list[str]) -> None:
    """Note what must never happen."""

    def asked(request: Request) -> None:
        if not request.url.startswith((f"{origin}/", "data:")):
            wrong.append(f"a request left the origin: {request.url}")

    context.on("request", asked)
    page.on("pageerror", lambda error: wrong.append(f"a script failed: {error}"))
    page.on(
        "console",
        lambda said: wrong.append(f"the console says: {said.text}") if "Content Security Policy" in said.text else None,
    )


def sign_in(page: Page, token: str = TOKEN) -> None:
    """As a person does, from wherever they are."""
    page.get_by_role("link", name="Sign in", exact=True).click()
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()
