"""The daemon is killed in the middle of a bind, or told to stop there: what was recorded holds, and it goes on."""

from __future__ import annotations

import signal
import time

import pytest

from tests.acceptance.calls import Record
from tests.acceptance.installation import Installation
from tests.acceptance.processes import Program, until

pytestmark = pytest.mark.slow


def wait_for_an_open_sign_in(installation: Installation, *, earlier: int = 0) -> None:
    """The service has the sign-in and does not answer: the middle of a bind."""
    until(lambda: installation.simulated.calls.get("login", 0) > earlier, "a sign-in is under way")
    assert installation.api.site()["state"] == "binding"


def audit_on_disk(installation: Installation) -> str:
    """Read without the daemon."""
    said = installation.sitebind("audit", "tail", "-n", "200")
    assert said.code == 0, said
    return said.out


def test_a_kill_in_the_middle_of_the_first_bind_is_recovered_from_and_said(installation: Installation) -> None:
    installation.simulated.trouble("slow", seconds=600, endpoint="login")
    with installation.start() as program:
        wait_for_an_open_sign_in(installation)
        program.kill()
    assert installation.sitebind("status").code == 4
    installation.simulated.heal()
    with installation.start() as program:
        installation.api.reach("bound")
        assert program.stop() == 0
        assert "recovery" in program.err
    assert "recovery: a restart interrupted the bind" in audit_on_disk(installation)
    assert installation.sitebind("audit", "verify").code == 0


def test_a_kill_in_the_middle_of_a_rebind_keeps_the_held_binding_and_tells_the_story(
    installation: Installation,
) -> None:
    api, simulated = installation.api, installation.simulated
    with installation.start() as program:
        held = api.reach("bound")["binding"]
        logins = simulated.calls["login"]
        simulated.trouble("slow", seconds=600, endpoint="login")
        interrupted = api.ask("POST", "/rebind").json
        wait_for_an_open_sign_in(installation, earlier=logins)
        program.kill()
    installation.save(binding={"automatic": "no"})
    simulated.heal()
    with installation.start():
        site = api.see(lambda now: "interrupted" in str(now["problems"]), "the interruption is a problem")
        assert (site["state"], site["binding"]["bound_at"]) == ("configured", held["bound_at"])
        assert api.ask("GET", "/-/ready").status == 200
        assert {bind["id"]: bind["state"] for bind in api.binds()}[interrupted["id"]] == "cancelled"
        report = api.rebind()
        assert (report["state"], report["attempt"]) == ("succeeded", interrupted["attempt"] + 1)
        restarted = [record for record in api.audit() if record["event"] == "restarted"]
        assert [(record["before"], record["after"]) for record in restarted] == [("binding", "configured")]
        assert installation.sitebind("audit", "verify").code == 0


def test_sigterm_during_an_open_bind_stops_in_order_within_15_seconds(installation: Installation) -> None:
    installation.simulated.trouble("slow", seconds=600, endpoint="login")
    with installation.start() as program:
        wait_for_an_open_sign_in(installation)
        asked = time.monotonic()
        assert program.stop(within=30) == 0
        assert time.monotonic() - asked < 15
        ends_without_a_trace(program)
    *_, last = audit_on_disk(installation).splitlines()
    assert " daemon_stopped" in last
    assert installation.sitebind("audit", "verify").code == 0


def test_a_second_signal_to_stop_changes_nothing_about_the_order(installation: Installation) -> None:
    with installation.start() as program:
        installation.api.reach("bound")
        program.send(signal.SIGTERM)
        program.send(signal.SIGINT)
        assert program.ended() == 0
        ends_without_a_trace(program)
    assert audit_on_disk(installation).count(" daemon_stopped") == 1


def test_a_restart_signs_in_nowhere_and_stays_bound(installation: Installation) -> None:
    api = installation.api
    with installation.start() as program:
        before = api.reach("bound")
        assert program.stop() == 0
    logins = installation.simulated.calls["login"]
    with installation.start():
        after = api.see(lambda site: bool(site["binding"]), "the binding is back")
        assert (after["state"], after["since"], after["site_code"]) == ("bound", before["since"], before["site_code"])
        assert after["binding"]["bound_at"] == before["binding"]["bound_at"]
        api.see(lambda site: verified_again(site, before), "it was verified")
        assert installation.simulated.calls["login"] == logins


def verified_again(site: Record, before: Record) -> bool:
    later: bool = site["binding"]["verified_at"] > before["binding"]["verified_at"]
    return later


def ends_without_a_trace(program: Program) -> None:
    for word in ("Traceback", "Error", "never retrieved", "was destroyed"):
        assert word not in program.err, program.err
