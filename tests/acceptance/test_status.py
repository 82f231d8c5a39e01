"""`sitebind status` and its exit codes, on which scripts and monitoring rely."""

from __future__ import annotations

import json

from tests.acceptance.installation import Installation


def test_status_of_a_bound_site_is_0_and_names_account_and_company(installation: Installation) -> None:
    with installation.start():
        installation.api.reach("bound")
        said = installation.sitebind("status")
        assert (said.code, said.err) == (0, "")
        assert "default: bound since" in said.out
        assert "Example Ltd, region us" in said.out
        assert json.loads(installation.sitebind("status", "--json").out)["sites"][0]["state"] == "bound"


def test_status_of_a_site_that_waits_to_be_asked_is_3(installation: Installation) -> None:
    installation.save(binding={"automatic": "no"})
    with installation.start():
        installation.api.reach("configured")
        assert installation.sitebind("status").code == 3
        assert installation.sitebind("rebind", "--wait").code == 0
        assert installation.sitebind("status").code == 0


def test_status_without_a_daemon_is_4_and_says_where_it_was_looked_for(installation: Installation) -> None:
    said = installation.sitebind("status")
    assert said.code == 4
    assert f"not reachable at {installation.api.url}" in said.err
    assert "Start it with: sitebind run" in said.err


def test_status_of_a_failed_site_is_5_with_the_remedy(installation: Installation) -> None:
    installation.simulated.trouble("wrong-password")
    with installation.start():
        installation.api.reach("failed")
        said = installation.sitebind("status")
        assert said.code == 5
        assert "→ Check the e-mail address, the password" in said.out


def test_bad_usage_and_a_bad_configuration_are_2(installation: Installation) -> None:
    assert installation.sitebind("status", "--no-such-option").code == 2
    assert installation.sitebind("statsu").code == 2
    installation.save(daemon={"listen": "nowhere"})
    said = installation.sitebind("status")
    assert said.code == 2
    assert "config.ini:2: [daemon] listen" in said.err
