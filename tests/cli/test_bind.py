"""`sitebind bind`: what it asks for, what it sends, and what it says before anybody types a password."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Api
from tests.cli.shapes import a_bind, a_site, a_step

Ask = Callable[..., Any]
PASSWORD = "correct horse ümlaut "
REBIND = "POST /api/v1/sites/default/rebind"
BIND = "GET /api/v1/sites/default/binds/b-7"


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITEBIND_TOKEN", "the-token")


def given(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def ready(api: Api, *ends: dict[str, Any], state: str = "failed") -> None:
    api.on("GET /api/v1/sites", {"sites": [a_site(state=state)]})
    api.on("GET /api/v1/sites/default", a_site(state=state))
    where = {"Location": "/api/v1/sites/default/binds/b-7"}
    api.on(REBIND, a_bind(steps=[a_step("configuration")]), status=202, headers=where)
    api.on(BIND, *ends)


async def test_both_lines_of_standard_input_are_sent_once_and_the_steps_are_shown(
    api: Api, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password as it is, also with a blank at its end; the token beside it; the report line by line."""
    steps = [a_step("configuration"), a_step("connect"), a_step("authenticate")]
    ready(api, a_bind(steps=steps[:2]), a_bind(steps=steps, state="succeeded"))
    given(monkeypatch, f"sync@example.test\n{PASSWORD}\n")
    said = await ask("bind", "--stdin", "--url", api.url)
    assert said.code == 0
    assert [said.out.count(step["step"]) for step in steps] == [2, 2, 2]
    assert said.out.endswith("Succeeded: the site is bound.\n")
    sent = [json.loads(body) for request, body in zip(api.asked, api.bodies, strict=True) if request.method == "POST"]
    assert sent == [{"email": "sync@example.test", "password": PASSWORD, "reason": "asked for with sitebind bind"}]
    assert {request.headers["Authorization"] for request in api.asked} == {"Bearer the-token"}
    assert PASSWORD not in said.out + said.err


async def test_a_failure_ends_with_the_report_and_the_code(api: Api, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = a_step("authenticate", status="failed", detail="refused", remedy="Check the password.")
    ready(api, a_bind(steps=[a_step("configuration"), failed], state="failed", fault="credentials-refused"))
    given(monkeypatch, "a@b.test\nwrong\n")
    said = await ask("bind", "default", "--url", api.url)
    assert said.code == 5
    assert "Check the password." in said.out
    assert "credentials-refused" in said.out


@pytest.mark.parametrize("text, what", [("", "e-mail address"), ("a@b.test\n", "password"), ("\nsecret\n", "e-mail")])
async def test_what_is_missing_is_said_and_nothing_is_sent(
    api: Api, ask: Ask, monkeypatch: pytest.MonkeyPatch, text: str, what: str
) -> None:
    ready(api)
    given(monkeypatch, text)
    said = await ask("bind", "--stdin", "--url", api.url)
    assert (said.code, f"No {what}" in said.err) == (2, True)
    assert [request.method for request in api.asked] == ["GET"]


async def test_without_a_token_it_says_what_to_do_before_anything_is_asked(
    api: Api, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SITEBIND_TOKEN")
    given(monkeypatch, "a@b.test\nsecret\n")
    said = await ask("bind", "--stdin", "--url", api.url)
    assert said.code == 6
    assert "$SITEBIND_TOKEN is not set" in said.err
    assert "[daemon] api_token" in said.err
    assert api.asked == []


async def test_a_password_never_travels_over_the_network_in_the_clear(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    given(monkeypatch, "a@b.test\nsecret\n")
    said = await ask("bind", "--stdin", "--url", "http://192.0.2.1:8787")
    assert (said.code, "travel in the clear" in said.err) == (6, True)


async def test_with_several_sites_it_asks_which(api: Api, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    api.on("GET /api/v1/sites", {"sites": [a_site(id="one"), a_site(id="two")]})
    said = await ask("bind", "--stdin", "--url", api.url)
    assert (said.code, "one, two" in said.err) == (2, True)


async def test_a_bind_that_is_under_way_is_waited_for_instead(api: Api, ask: Ask) -> None:
    ready(api, state="binding")
    said = await ask("bind", "--stdin", "--url", api.url)
    assert (said.code, "sitebind rebind --wait" in said.err) == (2, True)


def configured(folder: Path, api: Api, **binding: str) -> Path:
    lines = "\n".join(f"{name} = {value}" for name, value in binding.items())
    path = folder / "config.ini"
    path.write_text(
        f"[daemon]\nlisten = 127.0.0.1:{api.port}\n[account]\nsmtp_address = sync@example.test\n[binding]\n{lines}\n"
    )
    path.chmod(0o600)
    return path


async def test_the_configured_address_is_taken_for_an_empty_line(
    api: Api, ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = configured(tmp_path, api, application_id="x", application_key="literal:y", email="who@example.test")
    ready(api, a_bind(state="succeeded"))
    given(monkeypatch, f"\n{PASSWORD}\n")
    assert (await ask("bind", "--config", path)).code == 0
    assert any("who@example.test" in body for body in api.bodies)


async def test_a_site_that_signs_in_as_an_application_is_asked_for_no_password(
    api: Api, ask: Ask, tmp_path: Path
) -> None:
    path = configured(tmp_path, api, authentication_type="application", client_id="c", client_secret="literal:s")
    ready(api)
    said = await ask("bind", "--config", path)
    assert (said.code, "sitebind rebind --wait" in said.err) == (2, True)


async def test_json_is_the_last_report_alone(api: Api, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    ready(api, a_bind(state="succeeded"))
    given(monkeypatch, f"a@b.test\n{PASSWORD}\n")
    said = await ask("bind", "--json", "--url", api.url)
    assert json.loads(said.out)["state"] == "succeeded"


async def test_on_a_terminal_the_password_is_not_shown(api: Api, ask: Ask) -> None:
    """A real terminal: what it shows is read back, and holds the address but not the password."""
    import asyncio

    ready(api, a_bind(state="succeeded"))
    shown = await asyncio.to_thread(on_a_terminal, api.url)
    assert "Succeeded: the site is bound." in shown
    assert "who@example.test" in shown
    assert "let me in" not in shown
    assert any('"password": "let me in"' in body for body in api.bodies)


def on_a_terminal(url: str) -> str:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "daemon", "bind", "default", "--url", url]
    environment = {**os.environ, "SITEBIND_TOKEN": "the-token", "NO_COLOR": "1"}
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    ) as process:
        os.close(theirs)
        limit = threading.Timer(30, process.kill)
        limit.start()
        shown = read_until(ours, "E-mail address")
        os.write(ours, b"who@example.test\n")
        shown += read_until(ours, "Password (not shown)")
        os.write(ours, b"let me in\n")
        shown += read_until(ours, "no such text")
        limit.cancel()
    os.close(ours)
    return shown


def read_until(terminal: int, text: str) -> str:
    shown = ""
    while text not in shown:
        try:
            more = os.read(terminal, 4096).decode()
        except OSError:  # the other end is closed
            return shown
        if not more:
            return shown
        shown += more
    return shown
