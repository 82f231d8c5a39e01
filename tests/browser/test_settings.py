"""Settings changed on the page: written to the file, applied, and what stands in the way."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.installation import Installation
from tests.acceptance.processes import Program
from tests.acceptance.simulated import Simulated
from tests.browser.conftest import OpenPage, sign_in

pytestmark = [pytest.mark.parts, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def page(daemon: Program, open_page: OpenPage) -> Page:
    """The page Site, signed in."""
    page = open_page("/sites/default/site")
    sign_in(page)
    return page


def field(page: Page, name: str) -> object:
    return page.locator(f'[name="{name}"]')


def tab(page: Page, name: str) -> None:
    page.get_by_role("navigation", name="Pages of this site").get_by_role("link", name=name).click()
    page.get_by_role("heading", name=name).first.wait_for()


def test_a_new_name_is_written_with_the_comments_kept(page: Page, installation: Installation) -> None:
    before = "# the head office\n" + installation.config.read_text()
    installation.config.write_text(before)
    page.reload()
    page.get_by_label("Display Name").fill("שלום & <b>Co</b>")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("Written and applied.")).to_be_visible()
    expect(page.locator("h1")).to_contain_text("שלום & <b>Co</b>")
    assert installation.config.read_text() == before.replace("Head office", "שלום & <b>Co</b>")


def test_a_change_of_the_sign_in_leads_to_its_bind(page: Page, installation: Installation) -> None:
    """As in the original, Apply leads to Site Bind; the new secret is in a file of its own and nowhere else."""
    tab(page, "Bind")
    page.get_by_text("Sign-in and intervals").click()
    page.locator('[name="binding.password"]').fill("not the right one: canary-5151")
    page.get_by_role("button", name="Apply").click()
    expect(page).to_have_url(re.compile(r"/bind\?note="))
    expect(page.locator("#report").get_by_text("The bind failed")).to_be_visible()
    text = installation.config.read_text()
    assert "canary-5151" not in text
    assert "password = file:" in text
    assert "canary-5151" not in page.content()


def test_what_is_wrong_is_told_at_its_field_and_in_a_summary(page: Page, installation: Installation) -> None:
    before = installation.config.read_bytes()
    tab(page, "Accounts")
    page.get_by_label("SMTP Address").fill("not an address")
    page.get_by_label("Tenant ID").fill("contoso")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("heading", name="Nothing was written")).to_be_visible()
    expect(page.locator("#problem")).to_be_focused()
    expect(page.get_by_label("SMTP Address")).to_have_value("not an address")
    expect(page.get_by_label("SMTP Address")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Tenant ID")).to_have_value("contoso")
    page.locator("#problem").get_by_role("link").first.click()
    expect(page.get_by_label("SMTP Address")).to_be_focused()
    assert installation.config.read_bytes() == before


def test_two_who_change_the_same_see_both_versions(page: Page, installation: Installation) -> None:
    page.get_by_label("Display Name").fill("Mine")
    installation.save(site={"display_name": "Theirs"})
    installation.api.see(lambda site: site["display_name"] == "Theirs", "theirs is in force")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("heading", name="Somebody else changed the file meanwhile")).to_be_visible()
    row = page.get_by_role("row", name=re.compile("display_name"))
    expect(row.get_by_role("cell")).to_have_text(["Head office", "Theirs", "Mine"])
    page.get_by_role("button", name="Apply again").click()
    expect(page.get_by_text("Written and applied.")).to_be_visible()
    assert "display_name = Mine" in installation.config.read_text()


def test_a_file_that_is_managed_elsewhere_is_shown_and_not_written(page: Page, installation: Installation) -> None:
    """As a mounted ConfigMap: the name is a link."""
    real = installation.config.with_name("..data.ini")
    installation.config.replace(real)
    installation.config.symlink_to(real)
    page.reload()
    expect(page.get_by_text("These settings are managed elsewhere")).to_be_visible()
    expect(page.get_by_label("Display Name")).to_be_disabled()
    expect(page.get_by_role("button", name="Apply")).to_have_count(0)


def test_a_reader_sees_no_button_that_would_be_refused(
    daemon: Program, open_page: OpenPage, installation: Installation
) -> None:
    installation.save(daemon={"require_token": "yes"})
    said = installation.sitebind("token", "create", "reader", "--scope", "read")
    assert said.code == 0, said.err
    token = said.out.split()[-1]
    page = open_page("/")
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()
    for path in ("accounts", "connection", "site", "bind", "directory"):
        page.goto(f"{installation.api.url}/sites/default/{path}")
        names = page.get_by_role("button").all_inner_texts()
        assert set(names) <= {"Sign out", "Look up"}, path


def test_settings_and_doctor_work_without_javascript(
    daemon: Program, open_page: OpenPage, installation: Installation
) -> None:
    page = open_page("/sites/default/site", java_script_enabled=False)
    sign_in(page)
    page.get_by_label("Display Name").fill("By hand")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("h1")).to_contain_text("By hand")
    tab(page, "Connection")
    page.locator('[name="connection.proxy_port"]').fill("70000")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("heading", name="Nothing was written")).to_be_visible()
    tab(page, "Connection")
    page.get_by_role("button", name="Run doctor").click()
    expect(page.locator("#layers")).to_contain_text("Ended")
    expect(page.locator("#layers .step.passed").first).to_be_visible()


def test_the_layers_of_the_doctor_appear_one_by_one(
    page: Page, simulated: Simulated, installation: Installation
) -> None:
    """The service answers late: what was found before it is there already."""
    simulated.trouble("slow", seconds=5, times=1)
    tab(page, "Connection")
    page.get_by_role("button", name="Run doctor").click()
    layers = page.locator("#layers")
    expect(layers).to_contain_text("Under way")
    expect(layers.locator(".step.passed").first).to_be_visible()
    expect(layers).to_contain_text("Under way")
    expect(layers).to_contain_text("Ended")
