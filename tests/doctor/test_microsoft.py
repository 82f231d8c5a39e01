"""The doctor on the Microsoft side: a way of its own beside the one to the service."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.sandbox import tenant
from tests.doctor.clinic import Clinic, Layer
from tests.doctor.conftest import Opened
from tests.doctor.microsoft import MICROSOFT
from tests.running import steps_of

SECRETS = (tenant.DEMO_GRAPH_SECRET, tenant.DEMO_MAILBOX_PASSWORD)


def statuses(layers: list[Layer]) -> dict[str, str]:
    """The layers of the Microsoft side."""
    return {step: status for step, status in steps_of({"steps": layers}).items() if step in MICROSOFT}


def detail(layers: list[Layer], step: str) -> str:
    return str(next(layer for layer in layers if layer["step"] == step)["detail"])


async def test_microsoft_365_passes_every_layer_in_order(clinic: Opened) -> None:
    """The Directory Type first; with evidence in each."""
    async with clinic(microsoft="microsoft-365") as ward:
        layers = await ward.examined()
    assert [layer["step"] for layer in layers][-len(MICROSOFT) :] == list(MICROSOFT)
    assert set(statuses(layers).values()) == {"passed"}
    assert detail(layers, "directory type").startswith("microsoft-365-directory fits what was seen: ")
    assert tenant.DEMO_PROBE in detail(layers, "impersonation")
    assert not [secret for secret in SECRETS if secret in str(layers)]


async def test_exchange_on_premises_passes_and_a_directory_that_is_not_configured_is_skipped(clinic: Opened) -> None:
    """What is lacking is named."""
    async with clinic(microsoft="exchange", require="mailbox") as ward:
        layers = await ward.examined()
    found = statuses(layers)
    assert [found[name] for name in MICROSOFT[:5]] == ["passed"] * 5
    assert {found[name] for name in MICROSOFT[5:]} == {"skipped"}
    assert detail(layers, "directory server") == "not looked at: [directory] user is not set"
    assert not [secret for secret in SECRETS if secret in str(layers)]


async def test_a_way_that_is_closed_to_mimecast_says_nothing_of_the_microsoft_side(clinic: Opened) -> None:
    """Both are examined to their ends."""
    async with clinic(microsoft="microsoft-365") as ward:
        ward.binding(service_url=f"https://localhost:{await ward.closed_port()}")
        layers = await ward.examined()
    assert steps_of({"steps": layers})["tcp"] == "failed"
    assert set(statuses(layers).values()) == {"passed"}


async def test_a_secret_that_cannot_be_read_fails_the_sign_in_that_it_is_for(clinic: Opened) -> None:
    """And nothing before it, which was not even asked."""
    async with clinic(microsoft="microsoft-365") as ward:
        ward.options["account"]["client_secret"] = "env:NOT_THERE"
        layers = await ward.examined()
    found = statuses(layers)
    assert [found[name] for name in MICROSOFT[1:5]] == ["skipped", "failed", "skipped", "skipped"]
    assert "NOT_THERE" in detail(layers, "mailbox sign-in")
    assert detail(layers, "mail enabled") == "not reached because mailbox sign-in failed"
    assert found["directory sign-in"] == "failed"
    assert "NOT_THERE" in detail(layers, "directory sign-in")


async def wrong_type(ward: Clinic, **account: str) -> list[Layer]:
    """The demo's site with the Directory Type changed to the wrong one, as an administrator would by mistake."""
    ward.options["account"] |= {"directory_type": "Microsoft Active Directory", **account}
    return await ward.examined()


def with_exchange(ward: Clinic) -> dict[str, str]:
    """What Exchange on premises wants beside it."""
    password = f"literal:{tenant.DEMO_MAILBOX_PASSWORD}"
    return {"password": password, "autodiscover_url": ward.sandbox.exchange_url}


@pytest.mark.parametrize("filled_in", [False, True])
async def test_the_wrong_directory_type_is_said_in_one_sentence(clinic: Opened, filled_in: bool) -> None:
    """Microsoft 365 alone, called Active Directory: the original's most common mistake. One option is enough for it."""
    async with clinic(microsoft="microsoft-365") as ward:
        layers = await wrong_type(ward, **(with_exchange(ward) if filled_in else {}))
    failed = [layer for layer in layers if layer["status"] == "failed"]
    assert failed[0]["step"] == "directory type"
    assert failed[0]["detail"].startswith("[account] directory_type is microsoft-active-directory, but ")
    assert failed[0]["detail"].endswith("it has to be microsoft-365-directory")


async def test_hybrid_examines_both_platforms_under_names_of_their_own(clinic: Opened) -> None:
    """Active Directory with a tenant: Exchange first, then Microsoft 365."""
    async with clinic(microsoft="microsoft-365", require="none") as ward:
        layers = await wrong_type(ward, **with_exchange(ward))
    steps = [layer["step"] for layer in layers]
    assert steps.index("impersonation") + 1 == steps.index("microsoft 365 autodiscover")
    assert steps.index("microsoft 365 impersonation") + 1 == steps.index("directory server")


@pytest.mark.parametrize("times", [3])
async def test_no_run_of_the_doctor_locks_the_account(clinic: Opened, times: int) -> None:
    """A refused sign-in is tried once, and rests then."""
    async with clinic(microsoft="microsoft-365") as ward:
        ward.sandbox.script.start("wrong-client-secret")
        await ward.manual_hours(2)
        before = ward.sandbox.calls["identity"]
        runs: list[Any] = [await ward.examined() for _ in range(times)]
        assert ward.sandbox.calls["identity"] == before + 1
    assert {statuses(layers)["mailbox sign-in"] for layers in runs} == {"failed"}
    assert "not tried again" in detail(runs[-1], "mailbox sign-in")


async def test_a_tenant_that_is_half_configured_does_not_hide_exchange(clinic: Opened) -> None:
    """Exchange is examined to its end; what the tenant lacks is named on the cloud's layers."""
    async with clinic(microsoft="exchange", require="none") as ward:
        ward.options["account"]["tenant_id"] = tenant.DEMO_TENANT
        layers = await ward.examined()
    found = statuses(layers)
    assert [found[name] for name in MICROSOFT[1:5]] == ["passed"] * 4
    assert detail(layers, "microsoft 365 mailbox sign-in") == "not looked at: [account] client_id is not set"


async def test_in_hybrid_an_unreadable_client_secret_does_not_hide_exchange(clinic: Opened) -> None:
    """It is the cloud's sign-in that fails, and says where the secret was looked for."""
    async with clinic(microsoft="exchange", require="none") as ward:
        hybrid = {"tenant_id": tenant.DEMO_TENANT, "client_id": tenant.DEMO_GRAPH_CLIENT}
        ward.options["account"] |= {**hybrid, "client_secret": "env:NOT_THERE"}
        layers = await ward.examined()
    found = steps_of({"steps": layers})
    assert [found[name] for name in MICROSOFT[1:5]] == ["passed"] * 4
    assert found["microsoft 365 autodiscover"] == "skipped"
    assert found["microsoft 365 mailbox sign-in"] == "failed"
    assert "NOT_THERE" in detail(layers, "microsoft 365 mailbox sign-in")


async def test_in_hybrid_an_unreadable_password_does_not_hide_microsoft_365(clinic: Opened) -> None:
    """The other way round."""
    async with clinic(microsoft="microsoft-365", require="none") as ward:
        layers = await wrong_type(ward, **(with_exchange(ward) | {"password": "env:NOT_THERE"}))
    found = steps_of({"steps": layers})
    assert found["mailbox sign-in"] == "failed"
    assert found["microsoft 365 mail enabled"] == "passed"


async def test_where_the_way_out_cannot_be_read_every_layer_of_hybrid_says_so(clinic: Opened) -> None:
    """Also those of the cloud."""
    async with clinic(microsoft="microsoft-365", require="none") as ward:
        ward.through(9, proxy_requires_authentication="yes", proxy_username="u", proxy_password="env:NOT_THERE")
        layers = await wrong_type(ward, **with_exchange(ward))
    assert detail(layers, "microsoft 365 impersonation") == "not reached because configuration failed"
    assert detail(layers, "microsoft 365 autodiscover") == detail(layers, "microsoft 365 impersonation")
