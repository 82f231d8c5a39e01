"""`sitebind unbind`: what it says before it acts, what it asks of the daemon, and how each end looks."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.conftest import Api
from tests.cli.shapes import a_problem, a_site

Ask = Callable[..., Any]
UNBIND = "POST /api/v1/sites/default/unbind"
UNBOUND = {"state": "configured", "binding": None, "reason": "unbound by operator"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITEBIND_TOKEN", "the-token")


@pytest.fixture
def held(api: Api) -> Api:
    api.on("GET /api/v1/sites", {"sites": [a_site()]})
    api.on("GET /api/v1/sites/default", a_site())
    return api


async def test_it_says_what_will_be_ended_and_asks(held: Api, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    held.on(UNBIND, a_site(**UNBOUND))
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    said = await ask("unbind", "--reason", "retired", "--url", held.url)
    assert said.code == 0
    assert "CUSA00A001 (Example Ltd)" in said.err
    assert "the keys are revoked" in said.err
    assert "default: unbound." in said.out
    assert json.loads(held.bodies[-1]) == {"reason": "retired", "local_only": False}
    assert held.asked[-1].query["wait"] == "120.000"
    assert held.asked[-1].headers["Authorization"] == "Bearer the-token"


@pytest.mark.parametrize("answer", ["\n", "n\n", "", "maybe\n"])
async def test_anything_but_yes_does_nothing(held: Api, ask: Ask, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    said = await ask("unbind", "--url", held.url)
    assert (said.code, "Nothing was done." in said.err) == (2, True)
    assert [request.method for request in held.asked] == ["GET"]


async def test_without_a_terminal_it_wants_to_be_told_yes(held: Api, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    said = await ask("unbind", "--url", held.url)
    assert (said.code, "--yes" in said.err) == (2, True)


async def test_local_only_warns_before_and_says_what_is_left_after(
    held: Api, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.on(UNBIND, a_site(**{**UNBOUND, "reason": "unbound by operator; the keys are still valid at the service"}))
    monkeypatch.setattr(sys, "stdin", Terminal("yes\n"))
    said = await ask("unbind", "default", "--local-only", "--url", held.url)
    assert said.code == 0
    assert "is not told: the keys stay valid there" in said.err
    assert "left" in said.out
    assert "the keys are still valid at the service" in said.out
    assert json.loads(held.bodies[-1])["local_only"] is True


async def test_an_application_is_told_what_cannot_be_revoked(
    api: Api, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = a_site()
    site["binding"]["method"] = "application"
    api.on("GET /api/v1/sites", {"sites": [site]})
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    said = await ask("unbind", "--url", api.url)
    assert "delete the application" in said.err


async def test_a_failed_unbind_says_why_and_that_the_keys_are_kept(held: Api, ask: Ask) -> None:
    held.on(UNBIND, a_site(problems=[a_problem(code="unbind-failed", text="no way there", remedy="Unbind again.")]))
    said = await ask("unbind", "--yes", "--url", held.url)
    assert said.code == 5
    assert "the keys are kept" in said.out
    assert "no way there → Unbind again." in said.out


async def test_one_that_takes_longer_than_the_wait_is_still_under_way(held: Api, ask: Ask) -> None:
    held.on(UNBIND, a_site(problems=[a_problem(code="unbind-pending")]), status=202)
    said = await ask("unbind", "--yes", "--wait", "1", "--json", "--url", held.url)
    assert (said.code, json.loads(said.out)["id"]) == (3, "default")
    assert held.asked[-1].query["wait"] == "1.000"


async def test_keys_that_wait_to_be_revoked_are_told(held: Api, ask: Ask) -> None:
    pending = a_problem(code="revoke-pending", text="Keys wait: default-3.", remedy="No action.")
    held.on(UNBIND, a_site(**UNBOUND, problems=[pending]))
    said = await ask("unbind", "--yes", "--url", held.url)
    assert (said.code, "default-3" in said.out) == (0, True)


async def test_nothing_held_and_several_sites_are_said_before_anything_is_done(api: Api, ask: Ask) -> None:
    api.on("GET /api/v1/sites/default", a_site(binding=None))
    said = await ask("unbind", "default", "--yes", "--url", api.url)
    assert (said.code, "nothing to unbind" in said.err) == (2, True)
    api.on("GET /api/v1/sites", {"sites": [a_site(), a_site(id="two")]})
    said = await ask("unbind", "--yes", "--url", api.url)
    assert (said.code, "sitebind unbind SITE" in said.err) == (2, True)
