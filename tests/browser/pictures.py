"""Pictures of every page for docs/, taken of a real daemon: `make pictures`.

Four sites: one that is bound to everything, one with a very long name, one written from right to left, and one that
fails. They are to be looked at: alignment, wrapping, empty states, long names.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, sync_playwright

from daemon.sandbox import small_world
from tests.acceptance.calls import Api
from tests.acceptance.installation import site_sections
from tests.acceptance.processes import REPOSITORY, Program, a_free_port, console_script, until
from tests.acceptance.simulated import Simulated
from tests.browser.conftest import TOKEN, sign_in
from tests.running import microsoft_options, write

PICTURES: Final = REPOSITORY / "docs" / "pictures"
NAMES: Final = {
    "head-office": "Head office",
    "long": "The synchronization engine of the northern distribution centre, second floor, left of the stairs",
    "haifa": "מנוע הסנכרון של המשרד בחיפה",
    "branch": "Branch office",
}
LOOKS: Final[dict[str, dict[str, Any]]] = {
    "": {"viewport": {"width": 1280, "height": 800}},
    "-dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    "-narrow": {"viewport": {"width": 360, "height": 740}},
}
IN_OTHER_LOOKS: Final = ("overview", "bind-failed")
PATHS: Final = {
    "overview": "/",
    "accounts": "/sites/head-office/accounts",
    "connection": "/sites/head-office/connection",
    "site": "/sites/head-office/site",
    "bind": "/sites/head-office/bind",
    "bind-failed": "/sites/branch/bind",
    "directory": "/sites/head-office/directory?wanted=All+Staff&members=yes",
    "directory-not-found": "/sites/head-office/directory?wanted=ada.lovelac@example.test",
    "audit": "/sites/head-office/audit",
    "unbind": "/sites/head-office/unbind",
    "long-name": "/sites/long/site",
    "right-to-left": "/sites/haifa/site",
}


def main() -> None:
    """Take all of them."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sitebind-pictures-") as name:
        folder, api = Path(name) / "sites", Api(a_free_port())
        folder.mkdir()
        with Simulated(Path(name), small_world()) as simulated:
            _write_sites(folder, simulated, api.port)
            with Program([*console_script(), "run", "--config", folder]) as program, sync_playwright() as driver:
                until(lambda: program.runs and _settled(api), "three are bound and one has failed")
                browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
                _take(browser, api.url)
                browser.close()


def _write_sites(folder: Path, simulated: Simulated, port: int) -> None:
    write(folder / "daemon.ini", {"daemon": {"listen": f"127.0.0.1:{port}", "api_token": f"literal:{TOKEN}"}})
    for site, display_name in NAMES.items():
        sections = site_sections(simulated, **({"password": "not this one"} if site == "branch" else {}))
        if site == "head-office":
            sections["account"] = microsoft_options(simulated, autodiscover_url=simulated.microsoft_url)
            sections["binding"].pop("require")
        write(folder / f"{site}.ini", {"site": {"display_name": display_name}, **sections})


def _settled(api: Api) -> bool:
    try:
        states = [site["state"] for site in api.sites().values()]
    except OSError:
        return False
    return sorted(states) == ["bound", "bound", "bound", "failed"]


def _take(browser: Browser, url: str) -> None:
    for look, options in LOOKS.items():
        context = browser.new_context(**options)
        page = context.new_page()
        page.goto(f"{url}/sign-in")
        if not look:
            page.screenshot(path=PICTURES / "sign-in.png", full_page=True)
        page.goto(url)
        sign_in(page)
        for name, path in PATHS.items():
            if look and name not in IN_OTHER_LOOKS:
                continue
            page.goto(url + path)
            _prepare(page, name)
            page.screenshot(path=PICTURES / f"{name}{look}.png", full_page=True)
        context.close()


def _prepare(page: Page, name: str) -> None:
    if name == "connection":
        page.get_by_role("button", name="Run doctor").click()
        page.locator("#layers").get_by_text("Ended").wait_for()


if __name__ == "__main__":
    main()
