"""A password that is refused: it is said, it is not tried again, nothing that was held is lost, and it is mended."""

from __future__ import annotations

import json

import pytest

from tests.acceptance.calls import steps
from tests.acceptance.installation import Installation

pytestmark = pytest.mark.slow

REMEDY = "Check the e-mail address, the password"


def test_a_wrong_password_fails_without_a_retry_and_keeps_the_old_binding(installation: Installation) -> None:
    api, simulated = installation.api, installation.simulated
    with installation.start():
        held = api.reach("bound")["binding"]
        said = installation.sitebind_sandbox("trouble", "wrong-password")
        assert said.code == 0, said
        logins = simulated.calls["login"]

        said = installation.sitebind("rebind", "--wait")
        assert said.code == 5
        assert REMEDY in said.out
        site = api.site()
        assert (site["state"], site["retry_at"], site["binding"]) == ("failed", None, held)
        assert any(REMEDY in problem["remedy"] for problem in site["problems"]), site["problems"]
        said = installation.sitebind("status")
        assert said.code == 5
        assert REMEDY in said.out
        assert "CUSA00A001" in said.out
        ready = api.ask("GET", "/-/ready")
        assert (ready.status, "warn" in ready.text) == (200, True)
        assert simulated.calls["login"] == logins + 1

        assert installation.sitebind_sandbox("heal").code == 0
        said = installation.sitebind("rebind", "--wait", "--reason", "healed")
        assert (said.code, "Succeeded: the site is bound." in said.out) == (0, True)
        assert installation.sitebind("status").code == 0
        assert simulated.calls["login"] == logins + 2
        assert ("bind_failed", "binding", "failed") in steps(api.audit())
        assert not [record for record in api.audit() if record["event"] == "retry_due"]


def test_a_wrong_password_at_the_first_bind_leaves_no_binding_and_needs_a_person(installation: Installation) -> None:
    installation.simulated.trouble("wrong-password")
    with installation.start():
        site = installation.api.reach("failed")
        assert (site["binding"], site["retry_at"]) == (None, None)
        (bind,) = installation.api.binds()
        assert bind["fault"] == "credentials-refused"
        assert [step["step"] for step in bind["steps"] if step["status"] == "failed"] == ["authenticate"]
        assert installation.api.ask("GET", "/-/ready").status == 503
        assert installation.api.ask("GET", "/-/healthy").status == 200


def test_a_service_that_is_down_is_tried_again_by_itself(installation: Installation) -> None:
    installation.simulated.trouble("service-error")
    installation.save(binding={"retry_first": "1s", "retry_ceiling": "1s"})
    with installation.start() as program:
        program.line(r"binding -> failed")
        assert json.loads(installation.sitebind("status", "--json").out)["sites"][0]["state"] != "bound"
        installation.simulated.heal()
        installation.api.reach("bound")
        assert "retry_due" in [record["event"] for record in installation.api.audit()]
