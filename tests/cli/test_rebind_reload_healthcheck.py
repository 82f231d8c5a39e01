"""`sitebind rebind`, `reload` and `healthcheck` against a server that answers as the daemon does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from daemon.cli.client import Answer, Client, Target
from daemon.cli.rebind import Report, Watch
from daemon.cli.terminal import Palette
from tests.cli.shapes import a_bind, a_step

Ask = Callable[..., Any]
WHERE = {"Location": "/api/v1/sites/default/binds/b-7"}
BIND = "GET /api/v1/sites/default/binds/b-7"


async def test_rebind_says_what_was_started_and_does_not_wait(api: Any, ask: Ask) -> None:
    api.on("POST /rebind", a_bind(), status=202, headers=WHERE)
    said = await ask("rebind", "--url", api.url)
    assert said.code == 0
    assert "default: bind b-7 is under way (attempt 7)" in said.out
    assert json.loads(api.bodies[0]) == {"reason": "asked for with sitebind rebind"}


async def test_the_site_and_the_reason_are_passed_on(api: Any, ask: Ask) -> None:
    api.on("POST /rebind", a_bind(site="north & south"), status=202, headers=WHERE)
    said = await ask("rebind", "north & south", "--reason", "password changed", "--json", "--url", api.url)
    assert api.asked[0].query["site"] == "north & south"
    assert json.loads(api.bodies[0]) == {"reason": "password changed"}
    assert json.loads(said.out)["id"] == "b-7"


async def test_waiting_shows_each_step_once_and_ends_with_success(api: Any, ask: Ask) -> None:
    first, second = a_step("connect"), a_step("authorize", status="warning", remedy="Give the role.")
    api.on("POST /rebind", a_bind(), status=202, headers=WHERE)
    api.on(BIND, a_bind(steps=[first]), a_bind(state="succeeded", steps=[first, second]))
    said = await ask("rebind", "--wait", "--url", api.url)
    assert said.code == 0
    assert said.out.count("connect is well") == 1
    assert "  warning  authorize       0.31 s  authorize is well\n" in said.out
    assert "→ Give the role." in said.out
    assert said.out.endswith("Succeeded: the site is bound.\n")


@pytest.mark.parametrize("state", ["failed", "cancelled"])
async def test_waiting_for_a_bind_that_does_not_succeed_ends_with_five(state: str, api: Any, ask: Ask) -> None:
    step = a_step("authenticate", status="failed", detail="the password was refused", remedy="Check the password.")
    api.on("POST /rebind", a_bind(), status=202, headers=WHERE)
    api.on(BIND, a_bind(state=state, fault="credentials-refused", steps=[step]))
    said = await ask("rebind", "--wait", "--url", api.url)
    assert said.code == 5
    assert "failed   authenticate" in said.out
    assert "→ Check the password." in said.out
    assert f"{state.capitalize()} (credentials-refused)." in said.out


async def test_a_bind_that_is_open_when_time_is_up_ends_with_three(api: Any, ask: Ask) -> None:
    api.on("POST /rebind", a_bind(), status=202, headers=WHERE)
    said = await ask("rebind", "--wait", "0", "--url", api.url)
    assert said.code == 3
    assert "Still open after 0 s; it goes on." in said.out


async def test_waiting_with_json_prints_the_final_report_only(api: Any, ask: Ask) -> None:
    api.on("POST /rebind", a_bind(), status=202, headers=WHERE)
    api.on(BIND, a_bind(state="failed", fault="throttled"))
    said = await ask("rebind", "--wait", "--json", "--url", api.url)
    assert (said.code, json.loads(said.out)["state"]) == (5, "failed")


def test_patience_is_counted_on_the_clock_that_was_given() -> None:
    """Ten looks at an open bind, each a quarter of a second apart, then no more."""

    class Daemon(Client):
        looks = 0

        def get(self, path: str, **_options: Any) -> Answer:
            self.looks += 1
            assert path == "/api/v1/sites/default/binds/b-7"
            return Answer(status=200, body=a_bind())

    now = [0.0]
    daemon = Daemon(Target(url="http://localhost", found_by="--url"))

    def pause(seconds: float) -> None:
        now[0] += seconds

    watch = Watch(daemon, report=Report(Palette(), quiet=True), clock=lambda: now[0], pause=pause)
    bind = watch.until_ended(Answer(status=202, body=a_bind()), patience=2.5)
    assert (bind["state"], daemon.looks, now[0]) == ("open", 10, 2.5)


async def test_several_sites_and_none_named_is_told_in_terms_of_the_command_line(api: Any, ask: Ask) -> None:
    problem = {"title": "Bad Request", "detail": "name one with ?site=: a, b.", "code": "site-not-named"}
    api.on("POST /rebind", problem, status=400)
    said = await ask("rebind", "--url", api.url)
    assert said.code == 2
    assert "On the command line the site stands behind the command." in said.err


# --- reload ------------------------------------------------------------------------------------


async def test_reload_prints_what_became_of_each_option(api: Any, ask: Ask) -> None:
    changes = [
        {"site": "default", "section": "site", "option": "display_name", "result": "applied"},
        {"site": "default", "section": "binding", "option": "email", "result": "rebind"},
        {"site": "", "section": "daemon", "option": "listen", "result": "needs_restart"},
    ]
    api.on("POST /-/reload", {"outcome": "applied", "changes": changes, "findings": []})
    said = await ask("reload", "--url", api.url)
    assert said.code == 0
    assert said.out.splitlines() == [
        "Applied.",
        "  default: [site] display_name  applied",
        "  default: [binding] email      applied; the site binds again with it",
        "  [daemon] listen               needs a restart of the daemon",
    ]


async def test_a_rejected_reload_shows_every_finding_and_ends_with_five(api: Any, ask: Ask) -> None:
    finding = 'config.ini:12: [connection] proxy_prot: unknown option; did you mean "proxy_port"?'
    answer = {"outcome": "rejected", "changes": [], "findings": [finding], "code": "configuration-rejected"}
    api.on("POST /-/reload", answer, status=422)
    said = await ask("reload", "--url", api.url)
    assert said.code == 5
    assert finding in said.out
    assert "the last good settings stay in force" in said.out


async def test_a_reload_that_changed_nothing_says_so(api: Any, ask: Ask) -> None:
    answer = {"outcome": "unchanged", "changes": [], "findings": []}
    api.on("POST /-/reload", answer)
    said = await ask("reload", "--url", api.url)
    assert (said.code, said.out.startswith("Unchanged")) == (0, True)
    assert json.loads((await ask("reload", "--json", "--url", api.url)).out) == answer


# --- healthcheck -------------------------------------------------------------------------------


async def test_a_well_daemon_is_zero(api: Any, ask: Ask) -> None:
    api.on("GET /-/healthy", {"status": "pass", "checks": [{"name": "event-loop", "status": "pass", "text": ""}]})
    said = await ask("healthcheck", "--url", api.url)
    assert (said.code, said.out) == (0, "pass\n")


async def test_a_daemon_that_is_not_ready_is_one_with_the_reason(api: Any, ask: Ask) -> None:
    checks = [{"name": "site default", "status": "fail", "text": "failed: the password was refused"}]
    api.on("GET /-/ready", {"status": "fail", "checks": checks}, status=503)
    said = await ask("healthcheck", "--ready", "--url", api.url)
    assert (said.code, said.out) == (1, "fail: site default: failed: the password was refused\n")


def test_an_unreachable_daemon_is_one_and_not_four(sitebind: Ask) -> None:
    """Container runtimes know 0 and 1."""
    said = sitebind("healthcheck", "--url", "http://127.0.0.1:1")
    assert (said.code, "not reachable" in said.err) == (1, True)


def test_an_unusable_configuration_is_one(sitebind: Ask, tmp_path: Any) -> None:
    assert sitebind("healthcheck", "--config", tmp_path / "gone.ini").code == 1
