"""What a newcomer does with the demo: from the printed address to the last page, without reading anything else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.acceptance.processes import Program, a_free_port, console_script, run
from tests.browser.conftest import LONGEST, VIEWPORT, watch

pytestmark = [pytest.mark.parts, pytest.mark.slow, pytest.mark.timeout(240)]


def test_a_newcomer_changes_breaks_mends_and_finds_it_all(browser: Browser, tmp_path: Path) -> None:
    folder, wrong = tmp_path / "demo", list[str]()
    command = [*console_script(), "demo", "--directory", folder, "--listen", f"127.0.0.1:{a_free_port()}"]
    with Program(command, cwd=tmp_path) as demo:
        url = demo.line(r"sitebind: (\S+)")[1]
        token = demo.line(r"token: (\S+)")[1]
        demo.line(r"binding -> bound")
        page = (context := browser.new_context(viewport=VIEWPORT)).new_page()
        context.set_default_timeout(LONGEST)
        watch(context, page, origin=url, wrong=wrong)
        page.goto(url)
        page.get_by_role("link", name="Sign in").click()
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("link", name="Demo site").click()
        tabs = page.get_by_role("navigation", name="Pages of this site")

        # The mailbox password: Apply leads to the bind, whose steps come one by one.
        tabs.get_by_role("link", name="Accounts").click()
        page.locator('[name="account.password"]').fill("another mailbox password")
        page.get_by_role("button", name="Apply").click()
        expect(page).to_have_url(re.compile("/bind"))
        expect(page.get_by_text("Written and applied.")).to_be_visible()
        expect(page.locator("#report").get_by_text("The bind succeeded")).to_be_visible()

        # Break it, read what to do, mend it.
        steer = [*console_script(), "sandbox"]
        assert run([*steer, "trouble", "no-impersonation", "--directory", folder], cwd=tmp_path).code == 0
        page.get_by_role("button", name="Rebind").click()
        failed = page.locator("#report .step.failed")
        expect(failed).to_contain_text("mailbox")
        expect(failed).to_contain_text("What to do:")
        assert run([*steer, "heal", "--directory", folder], cwd=tmp_path).code == 0
        page.get_by_role("button", name=re.compile("^(Re)?[Bb]ind$")).click()
        expect(page.locator("#report").get_by_text("The bind succeeded")).to_be_visible()

        # All of it is in the audit trail, and nobody has touched it.
        tabs.get_by_role("link", name="Audit").click()
        expect(page.get_by_text("The chain is intact")).to_be_visible()
        records = page.locator("#records")
        for event in ("config_accepted", "bind_requested", "bind_failed", "bind_succeeded"):
            expect(records.get_by_role("cell", name=event, exact=True).first).to_be_visible()
        context.close()
        assert demo.stop() == 0
    assert wrong == []
