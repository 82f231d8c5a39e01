"""Tokens of the identity platform, over the wire against the sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon.ports import ProviderFault, Secret
from daemon.providers import aadsts
from daemon.providers.http import HttpClients, Limits
from daemon.sandbox import Sandbox
from daemon.sandbox import aadsts as served
from daemon.sandbox import tenant as known
from daemon.sandbox.tenant import Tenant
from states import Fault
from tests.clock import ManualClock
from tests.contracts.cloud import assert_tells_no_secret
from tests.graph.conftest import Office
from tests.graph.scripted import ScriptedCloud, read, written
from tests.providers.conftest import Authority, Servers, authority, servers

__all__ = ["authority", "servers"]

TABLE = {
    7000215: (Fault.CLIENT_SECRET_REFUSED, "Secret ID was copied instead of the secret's Value"),
    7000222: (Fault.CLIENT_SECRET_EXPIRED, "expired"),
    700016: (Fault.REGISTRATION_UNKNOWN, "not found in the directory"),
    90002: (Fault.TENANT_UNKNOWN, "tenant was not found"),
    900023: (Fault.TENANT_UNKNOWN, "named by its GUID or by one of its domains"),
    7000216: (Fault.CLIENT_SECRET_REFUSED, "is [account] client_secret empty?"),
    7000218: (Fault.CLIENT_SECRET_REFUSED, "is [account] client_secret empty?"),
    70011: (Fault.REQUEST_REFUSED, "is [account] graph_url or host_address right?"),
    1002012: (Fault.REQUEST_REFUSED, "is [account] graph_url or host_address right?"),
    500011: (Fault.WRONG_NATIONAL_CLOUD, "does not know the service that the token is for"),
    7000112: (Fault.REGISTRATION_BLOCKED, "the application is disabled in the tenant"),
    53003: (Fault.REGISTRATION_BLOCKED, "a Conditional Access policy stands in the way"),
}
REMEDIES = {
    Fault.CLIENT_SECRET_REFUSED: "Put the secret's Value",
    Fault.CLIENT_SECRET_EXPIRED: "Make a new client secret",
    Fault.REGISTRATION_UNKNOWN: "Correct [account] client_id",
    Fault.TENANT_UNKNOWN: "Correct [account] tenant_id",
    Fault.REQUEST_REFUSED: "Read the detail",
    Fault.WRONG_NATIONAL_CLOUD: "Correct [account] host_address",
    Fault.REGISTRATION_BLOCKED: "Enable the application",
}
DELIVERY = {
    "throttled": Fault.THROTTLED,
    "service-error": Fault.SERVICE_ERROR,
    "empty-body": Fault.ANSWER_MALFORMED,
    "malformed-body": Fault.ANSWER_MALFORMED,
    "wrong-shape": Fault.ANSWER_MALFORMED,
    "huge-body": Fault.ANSWER_TOO_LARGE,
    "reset": Fault.CONNECTION_LOST,
    "half-body": Fault.CONNECTION_LOST,
}
SECRETS = {known.DEMO_GRAPH_SECRET}


async def refused(office: Office) -> ProviderFault:
    with pytest.raises(ProviderFault) as caught:
        await office.identity().token_for(office.graph().scope)
    assert_tells_no_secret(caught.value, SECRETS)
    return caught.value


def asked_by_a_person(office: Office) -> Office:
    """The same office for a rebind, which nothing holds back."""
    asking = replace(office)
    asking.tokens, asking.refusals = office.tokens, office.refusals.asked_by_a_person()
    return asking


# --- the table of errors -----------------------------------------------------------------------


def test_the_table_is_the_one_that_is_walked_here() -> None:
    """A row that is added is tested too."""
    assert {row.number for row in aadsts.TABLE} == set(TABLE)


@pytest.mark.parametrize("number", TABLE)
async def test_every_number_of_the_table_has_its_fault_and_shows_its_remedy(
    office: Office, tenant: Tenant, number: int
) -> None:
    """The fault, Microsoft's own text, the trace id, and what to do about it."""
    fault, says = TABLE[number]
    tenant.aadsts_error = number
    found = await refused(office)
    assert found.fault is fault
    assert REMEDIES[fault] in found.fault.remedy
    assert says in found.detail
    assert f'it says "AADSTS{number}: {served.TABLE[number].text}' in found.detail
    assert "; trace id " in found.detail
    assert "Trace ID" not in found.detail
    assert "\n" not in found.detail
    assert "(request id id-of-the-call)" in found.detail


@pytest.mark.parametrize(
    "error, fault",
    [
        ("invalid_client", Fault.CLIENT_SECRET_REFUSED),
        ("unauthorized_client", Fault.REGISTRATION_UNKNOWN),
        ("invalid_resource", Fault.WRONG_NATIONAL_CLOUD),
        ("access_denied", Fault.REGISTRATION_BLOCKED),
        ("invalid_request", Fault.REQUEST_REFUSED),
        ("a_new_error", Fault.REQUEST_REFUSED),
        ("temporarily_unavailable", Fault.SERVICE_ERROR),
    ],
)
def test_without_a_known_number_the_documented_error_decides(error: str, fault: Fault) -> None:
    """Numbers change; the error is the contract."""
    assert aadsts.meaning(error, (1, 2)) == (fault, "")


def test_what_heals_is_not_made_lasting_by_a_number() -> None:
    """The error is looked at first."""
    assert aadsts.meaning("temporarily_unavailable", (7000215,)) == (Fault.SERVICE_ERROR, "")


async def test_a_number_that_no_table_names_is_shown_all_the_same(office: Office, tenant: Tenant) -> None:
    """Support can find it by text and trace id."""
    tenant.aadsts_error = 123456
    found = await refused(office)
    assert found.fault is Fault.REQUEST_REFUSED
    assert "AADSTS123456" in found.detail


# --- real causes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes, fault",
    [
        ({"client_secret": Secret("not this one")}, Fault.CLIENT_SECRET_REFUSED),
        ({"client_secret": Secret("")}, Fault.CLIENT_SECRET_REFUSED),
        ({"client_id": "00000000-0000-0000-0000-000000000000"}, Fault.REGISTRATION_UNKNOWN),
        ({"tenant_id": "elsewhere.test"}, Fault.TENANT_UNKNOWN),
        ({"tenant_id": "no tenant at all?"}, Fault.TENANT_UNKNOWN),
        ({"graph": "https://graph.microsoft.us"}, Fault.WRONG_NATIONAL_CLOUD),
    ],
)
async def test_what_is_wrong_in_the_settings_is_told_apart(
    office: Office, changes: dict[str, str], fault: Fault
) -> None:
    """No trouble in force: the sandbox refuses for the reason itself."""
    assert (await refused(office.registered(**changes))).fault is fault


async def test_a_disabled_application_is_told(office: Office, tenant: Tenant) -> None:
    """It is enabled in the tenant, not here."""
    tenant.registrations[known.DEMO_GRAPH_CLIENT].enabled = False
    assert (await refused(office)).fault is Fault.REGISTRATION_BLOCKED


# --- trouble in delivery -----------------------------------------------------------------------


@pytest.mark.parametrize("trouble", DELIVERY)
async def test_trouble_in_delivery_is_told_apart(office: Office, sandbox: Sandbox, trouble: str) -> None:
    """And nothing of it says that the secret were wrong."""
    sandbox.script.start(trouble, endpoint="identity")
    found = await refused(office)
    assert found.fault is DELIVERY[trouble]
    assert "request id" in found.detail


async def test_throttling_names_its_time(office: Office, sandbox: Sandbox) -> None:
    """The engine plans its retry by it."""
    sandbox.script.start("throttled", endpoint="identity", seconds=7.0)
    assert (await refused(office)).retry_after == 7.0


async def test_a_slow_answer_is_not_waited_for(office: Office, sandbox: Sandbox, clients: HttpClients) -> None:
    """A platform that hangs must not hang the site."""
    sandbox.script.start("slow", endpoint="identity", seconds=60.0)
    clients.limits = Limits(total=0.1)
    assert (await refused(office)).fault is Fault.TIMED_OUT


@pytest.mark.parametrize("life", ["3599", 3599, None, "soon", -5, "inf"])
async def test_a_life_that_makes_no_sense_is_a_short_one(
    servers: Servers, authority: Authority, office_at: Callable[[str, Path], Office], life: Any
) -> None:
    """Ten minutes, so that the token is kept at all."""
    cloud = ScriptedCloud(lambda _: (200, {}, {}), life=life)
    port = await servers.open(cloud.handler(), authority.good())
    office = office_at(f"https://localhost:{port}", authority.ca_file)
    for wait in (0, 470, 20):
        await office.clock.advance(wait)
        await office.identity().token_for(office.graph().scope)
    assert cloud.sign_ins == (1 if life in {"3599", 3599} else 2)


@pytest.mark.parametrize("status, fault", [(500, Fault.SERVICE_ERROR), (404, Fault.ANSWER_MALFORMED)])
async def test_a_page_of_somebody_else_is_no_refusal_of_the_secret(
    servers: Servers, authority: Authority, office_at: Callable[[str, Path], Office], status: int, fault: Fault
) -> None:
    """A gateway's or a portal's."""

    async def portal(reader: Any, writer: Any) -> None:
        await read(reader)
        writer.write(written(status, {"Content-Type": "text/html"}, b"<html>sign in here</html>"))
        await writer.drain()

    port = await servers.open(portal, authority.good())
    found = await refused(office_at(f"https://localhost:{port}", authority.ca_file))
    assert found.fault is fault
    assert "sign in here" not in found.detail


# --- tokens are kept ---------------------------------------------------------------------------


async def test_one_token_serves_everybody_until_shortly_before_its_end(
    office: Office, sandbox: Sandbox, clock: ManualClock
) -> None:
    """Adapters come and go; many at once obtain it once."""
    scope = office.graph().scope
    async with asyncio.TaskGroup() as group:
        for number in range(10):
            group.create_task(office.identity().token_for(scope), name=f"caller {number}")
    assert sandbox.calls["identity"] == 1
    await clock.advance(2870)
    await office.identity().token_for(scope)
    assert sandbox.calls["identity"] == 1
    await clock.advance(20)
    await office.identity().token_for(scope)
    assert sandbox.calls["identity"] == 2


async def test_another_secret_gets_a_token_of_its_own(office: Office, sandbox: Sandbox) -> None:
    """A kept token must not hide that the secret was changed to a wrong one."""
    await office.identity().token_for(office.graph().scope)
    assert (await refused(office.registered(client_secret=Secret("renewed")))).fault is Fault.CLIENT_SECRET_REFUSED
    assert sandbox.calls["identity"] == 2


async def test_a_token_cannot_be_printed(office: Office) -> None:
    """It opens mailboxes."""
    token = await office.identity().token_for(office.graph().scope)
    assert f"{token} {token!r}" == "*** Secret('***')"
    assert len(token.reveal()) > 100


# --- refused secrets are remembered ------------------------------------------------------------


async def test_a_refused_secret_is_not_sent_again_for_a_minute(
    office: Office, sandbox: Sandbox, clock: ManualClock
) -> None:
    """No loop of lookups hammers the platform. Nothing locks an application, so that a minute is enough."""
    sandbox.script.start("wrong-client-secret")
    assert "not tried" not in (await refused(office)).detail
    sandbox.script.heal()
    await clock.advance(20)
    again = await refused(office)
    assert again.fault is Fault.CLIENT_SECRET_REFUSED
    assert sandbox.calls["identity"] == 1
    await clock.advance(40)
    await office.identity().token_for(office.graph().scope)


async def test_a_refusal_from_before_is_told_once_and_as_an_earlier_one(
    office: Office, sandbox: Sandbox, clock: ManualClock
) -> None:
    """Of an application, which has no user and no password, and whose ids belong to the call that was made."""
    sandbox.script.start("wrong-client-secret")
    first = (await refused(office)).detail
    await clock.advance(20)
    again = (await refused(office)).detail
    assert again == (
        f"{first}; that was 20 s ago: it is not tried again for 40 s; another client_id or client_secret and "
        "`sitebind rebind` are tried at once"
    )
    assert again.count("refused") == 1


@pytest.mark.parametrize(
    "trouble, fault",
    [
        ("unknown-registration", Fault.REGISTRATION_UNKNOWN),
        ("expired-client-secret", Fault.CLIENT_SECRET_EXPIRED),
        ("service-error", Fault.SERVICE_ERROR),
    ],
)
async def test_a_later_answer_takes_the_place_of_a_refusal_that_was_remembered(
    office: Office, sandbox: Sandbox, trouble: str, fault: Fault
) -> None:
    """Whoever looks after a rebind is told what that met, and not what was met before."""
    sandbox.script.start("wrong-client-secret", times=1)
    await refused(office)
    sandbox.script.start(trouble)
    assert (await refused(asked_by_a_person(office))).fault is fault
    assert (await refused(office)).fault is fault


async def test_a_refusal_is_forgotten_with_the_first_token(office: Office, sandbox: Sandbox) -> None:
    """A rebind that succeeded has shown that the secret is right."""
    sandbox.script.start("wrong-client-secret", times=1)
    await refused(office)
    identity, scope = asked_by_a_person(office).identity(), office.graph().scope
    token, _ = await identity.token(scope)
    identity.forget(scope, token)
    await office.identity().token_for(scope)


async def test_a_corrected_secret_is_tried_at_once(office: Office, sandbox: Sandbox) -> None:
    """It is another sign-in."""
    wrong = office.registered(client_secret=Secret("mistyped"))
    await refused(wrong)
    await office.identity().token_for(office.graph().scope)
    assert sandbox.calls["identity"] == 2


@pytest.mark.parametrize("trouble", ["unknown-registration", "wrong-tenant", "service-error"])
async def test_what_is_mended_at_microsoft_is_tried_at_once(office: Office, sandbox: Sandbox, trouble: str) -> None:
    """Only the secret is worth a pause."""
    sandbox.script.start(trouble, times=1)
    await refused(office)
    await office.identity().token_for(office.graph().scope)
