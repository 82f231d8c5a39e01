"""Whether a role is enough, and what is warned about."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.ports import ProviderFault
from daemon.providers.standing import NEEDED, Findings, judged
from states import Fault

ACCOUNT = {"accountCode": "CUSA1", "accountName": "Example Ltd", "region": "us", "adminEmail": "created@example.test"}
FORBIDDEN = ProviderFault(Fault.PERMISSION_MISSING, "the account was answered with HTTP 403")


def findings(role: Any, account: dict[str, Any] | None = None, **changes: Any) -> Findings:
    values = {
        "who": "sync@example.test",
        "email": "sync@example.test",
        "region": "",
        "profile": {"role": role, "accountCode": "CUK7", "companyName": "Profile Ltd"},
        "account": account,
        "refusal": None if account else FORBIDDEN,
    }
    return Findings(**(values | changes))


@pytest.mark.parametrize("role", ["Super Administrator", "Full Administrator", "Basic Administrator", NEEDED])
def test_a_role_that_is_enough_brings_no_warning(role: str) -> None:
    found = judged(findings(role, ACCOUNT))
    assert (found.account_code, found.company, found.region, found.role) == ("CUSA1", "Example Ltd", "us", role)
    assert found.warnings == ()


@pytest.mark.parametrize("role", [NEEDED, "synchronisation  engine ADMINISTRATOR"])
def test_the_minimal_role_may_do_without_the_account(role: str) -> None:
    """The region then comes from the account's code."""
    found = judged(findings(role))
    assert (found.account_code, found.company, found.region) == ("CUK7", "Profile Ltd", "eu")
    assert len(found.warnings) == 1


@pytest.mark.parametrize("role", ["Help Desk Administrator", "Gateway Administrator", "Discovery Officer"])
def test_a_lower_role_is_too_little_even_if_it_reads_the_account(role: str) -> None:
    """The guide wants Basic Administrator or higher."""
    with pytest.raises(ProviderFault) as caught:
        judged(findings(role, ACCOUNT))
    assert caught.value.fault is Fault.PERMISSION_MISSING
    assert f'"{role}"' in caught.value.detail
    assert f'"{NEEDED}"' in caught.value.detail


@pytest.mark.parametrize("role", ["", None, 7, "Our own role"])
def test_an_unknown_role_that_reads_nothing_is_too_little(role: Any) -> None:
    with pytest.raises(ProviderFault, match="HTTP 403") as caught:
        judged(findings(role))
    assert caught.value.fault is Fault.PERMISSION_MISSING


def test_a_role_of_the_customers_own_that_reads_the_account_is_taken_with_a_warning() -> None:
    """Such roles have any name; what it may do counts."""
    found = judged(findings("Our own role", ACCOUNT))
    assert ['"Our own role"' in warning for warning in found.warnings] == [True]


def test_an_administrator_who_is_refused_the_account_is_refused() -> None:
    """The role says yes and the service says no: the service's words are handed on."""
    with pytest.raises(ProviderFault) as caught:
        judged(findings("Basic Administrator"))
    assert caught.value is FORBIDDEN


def test_the_address_that_mimecast_created_is_warned_about() -> None:
    found = judged(findings(NEEDED, ACCOUNT, email="Created@Example.test"))
    assert ["Created@Example.test" in warning for warning in found.warnings] == [True]


def test_control_characters_in_foreign_names_are_taken_out() -> None:
    found = judged(findings(NEEDED, ACCOUNT | {"accountName": "Ex\x1b[2Jample\nLtd"}))
    assert found.company == "Ex[2Jample Ltd"
