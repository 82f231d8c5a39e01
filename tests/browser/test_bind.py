"""The flows around a bind, as an administrator goes through them in a browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from daemon.sandbox.world import DEMO_EMAIL, DEMO_PASSWORD
from tests.acceptance.installation import Installation
from tests.acceptance.processes import Program
from tests.acceptance.simulated import Simulated
from tests.browser.conftest import TOKEN, OpenPage, sign_in

pytestmark = [pytest.mark.parts, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def page(daemon: Program, open_page: OpenPage) -> Page:
    """The overview of a running daemon, signed in."""
    page = open_page("/")
    sign_in(page)
    return page


def to_bind(page: Page) -> None:
    page.get_by_role("link", name="Head office").click()
    page.get_by_role("heading", name="Bound", exact=True).wait_for()


def test_a_bind_is_seen_to_its_end_without_a_reload(page: Page) -> None:
    """The dialog's sign-in, the steps, the success, and the new line of the history."""
    to_bind(page)
    page.get_by_label("E-mail address").first.fill(DEMO_EMAIL)
    page.get_by_label("Password").first.fill(DEMO_PASSWORD)
    page.get_by_role("button", name="Rebind").click()
    report = page.locator("#report")
    expect(report.get_by_text("The bind succeeded")).to_be_visible()
    expect(report.locator(".step")).to_have_count(8)
    expect(page.locator("#history tbody tr")).to_have_count(2)


def test_a_failure_is_told_with_its_remedy_and_mended(page: Page, simulated: Simulated) -> None:
    to_bind(page)
    simulated.trouble("wrong-password")
    page.get_by_role("button", name="Rebind").click()
    report = page.locator("#report")
    expect(report.get_by_text("The bind failed")).to_be_visible()
    expect(report.get_by_text("What to do:").first).to_be_visible()
    expect(page.locator("#heading .state")).to_have_text(re.compile("failed"))
    simulated.heal()
    page.get_by_role("button", name="Rebind").click()
    expect(page.locator("#heading .state")).to_have_text(re.compile("bound"))


def test_a_change_of_state_is_announced_on_every_open_page(
    daemon: Program, open_page: OpenPage, installation: Installation, simulated: Simulated
) -> None:
    """Somebody looks at the overview and at the site while a third one rebinds by the command line."""
    overview, site = open_page("/"), open_page("/sites/default/site")
    state = overview.locator("tbody .state")
    expect(state).to_have_text(re.compile("bound"))
    simulated.trouble("wrong-password")
    installation.sitebind("rebind", "--wait")
    expect(state).to_have_text(re.compile("failed"))
    expect(overview.get_by_role("list", name="Sites by state")).to_have_text(re.compile("failed 1"))
    expect(site.locator("#heading .state")).to_have_text(re.compile("failed"))
    expect(site.locator("#announcement")).to_have_text(re.compile("Head office: failed"))


def test_unbinding_says_what_it_revokes_and_asks_first(page: Page, installation: Installation) -> None:
    to_bind(page)
    page.get_by_role("button", name="Unbind…").click()
    expect(page.get_by_text("are revoked at the service")).to_be_visible()
    page.get_by_role("button", name="Unbind", exact=True).click()
    expect(page.locator("#heading .state")).to_have_text(re.compile("configured"))
    installation.api.see(lambda site: site["binding"] is None, "nothing is held")


def test_a_bind_by_keyboard_alone(daemon: Program, open_page: OpenPage) -> None:
    """From the first page to the success: Tab, typing and Enter."""
    page = open_page("/")

    def tab_to(name: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            held = page.evaluate(
                "() => { const e = document.activeElement;"
                " return (e.labels && e.labels[0] ? e.labels[0].textContent : e.textContent).trim() }"
            )
            if held.startswith(name):
                return
        raise AssertionError(f"Tab never reaches {name}")

    tab_to("Sign in")
    page.keyboard.press("Enter")
    page.wait_for_url("**/sign-in**")
    expect(page.get_by_label("Token")).to_be_focused()
    page.keyboard.type(TOKEN)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Sign out").wait_for()
    tab_to("Head office")
    page.keyboard.press("Enter")
    page.wait_for_url("**/bind")
    tab_to("E-mail address")
    page.keyboard.type(DEMO_EMAIL)
    page.keyboard.press("Tab")
    page.keyboard.type(DEMO_PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator("#history tbody tr")).to_have_count(2)
    expect(page.locator("#report").get_by_text("The bind succeeded")).to_be_visible()


def test_everything_of_a_bind_works_without_javascript(
    daemon: Program, open_page: OpenPage, simulated: Simulated
) -> None:
    page = open_page("/", java_script_enabled=False)
    sign_in(page)
    to_bind(page)
    page.get_by_role("button", name="Rebind").click()
    expect(page.locator("#history tbody tr")).to_have_count(2)
    expect(page.get_by_text("The bind succeeded")).to_be_visible()


def test_the_trail_grows_while_it_is_read_and_closes_nothing(page: Page, installation: Installation) -> None:
    page.goto(f"{installation.api.url}/sites/default/audit")
    first = page.locator("#records tbody tr").first
    ended = page.locator("#records").get_by_role("cell", name="bind_succeeded", exact=True)
    installation.sitebind("rebind", "--wait")
    expect(ended).to_have_count(2)
    first.locator("summary").click()
    installation.sitebind("rebind", "--wait")
    expect(first.locator(".hash").first).to_be_visible()
    expect(ended).to_have_count(2)
    first.locator("summary").click()
    installation.sitebind("rebind", "--wait")
    expect(ended).to_have_count(4)


SEEN = """value => {
    Object.defineProperty(document, "visibilityState", {get: () => value, configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_many_open_windows_leave_the_browser_a_connection(page: Page, installation: Installation) -> None:
    """Those that nobody sees follow nothing, and are told what they missed when they are seen again."""
    windows = []
    for _ in range(8):
        window = page.context.new_page()
        window.goto(f"{installation.api.url}/sites/default/site")
        window.evaluate(SEEN, "hidden")
        windows.append(window)
    installation.sitebind("unbind", "--yes")
    expect(page.locator("tbody .state")).to_have_text(re.compile("configured"))
    hidden = windows[0].locator("#heading .state")
    expect(hidden).to_have_text(re.compile("bound"))
    windows[0].evaluate(SEEN, "visible")
    expect(hidden).to_have_text(re.compile("configured"))


def test_a_session_that_ends_is_told_and_takes_nothing_from_the_page(
    daemon: Program, open_page: OpenPage, installation: Installation
) -> None:
    installation.save(daemon={"api_token": f"literal:{TOKEN}", "require_token": "yes"})
    installation.sitebind("reload")
    token = installation.sitebind("token", "create", "reader", "--scope", "read").out.split()[-1]
    page = open_page("/sites/default/audit")
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()
    name = re.search(r"t-[0-9a-f]+", page.locator(".who").first.inner_text())
    assert name is not None
    installation.sitebind("token", "revoke", name[0])
    installation.sitebind("rebind", "--wait")
    expect(page.get_by_text("Your session has ended")).to_be_visible()
    expect(page.locator("#heading .state")).to_have_text(re.compile("bound"))
    expect(page.locator("#records tbody tr").first).to_be_visible()


def test_an_open_page_outlives_a_restart_of_the_daemon(
    daemon: Program, open_page: OpenPage, installation: Installation, simulated: Simulated
) -> None:
    page = open_page("/sites/default/site")
    interrupted = page.get_by_text("The connection to sitebind is interrupted")
    expect(interrupted).to_be_hidden()
    daemon.stop()
    expect(interrupted).to_be_visible()
    with installation.start():
        installation.api.reach("bound")
        simulated.trouble("wrong-password")
        installation.sitebind("rebind", "--wait")
        expect(page.locator("#heading .state")).to_have_text(re.compile("failed"))
        expect(interrupted).to_be_hidden()


def test_what_happens_while_an_answer_is_on_its_way_is_not_missed(
    daemon: Program, open_page: OpenPage, installation: Installation, simulated: Simulated
) -> None:
    """The page asks how the site stands; before the answer arrives, the site has failed."""
    page = open_page("/sites/default/site")
    held: list[str] = []

    def hold(route: Route) -> None:
        if held or "hx-request" not in route.request.headers:
            route.continue_()
            return
        held.append(route.request.url)
        answer = route.fetch()
        simulated.trouble("wrong-password")
        installation.sitebind("rebind", "--wait")
        route.fulfill(response=answer)

    ask = "htmx.trigger(document.body, 'resync')"
    with page.expect_response(lambda answer: "hx-request" in answer.request.headers):
        page.evaluate(ask)
    page.route("**/sites/default/site", hold)
    page.evaluate(ask)
    expect(page.locator("#heading .state")).to_have_text(re.compile("failed"))
    assert held
