"""Exchange Web Services of the sandbox's cloud, for applications; and the companies that have mailboxes elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from daemon.sandbox import tenant as known
from daemon.sandbox.tenant import Person, hybrid_tenant, on_premises_tenant
from tests.sandbox.exchange_client import EWS, ExchangeClient, get_folder, header_for
from tests.sandbox.graph_client import GraphClient

if TYPE_CHECKING:
    from tests.sandbox.conftest import Client


async def online(client: Client, *, of: str = "", token: str | None = None) -> tuple[int, str, str]:
    """Status, code and diagnostics of an application that opens an inbox in the cloud."""
    bearer = await GraphClient(client).bearer() if token is None else token
    exchange = ExchangeClient(client, authorization=f"Bearer {bearer}" if bearer else "")
    body = get_folder(header=header_for("PrimarySmtpAddress", of) if of else "")
    said = await exchange.post(EWS, body, host=client.sandbox.microsoft_url)
    code = said.first("ResponseCode") if said.root is not None else ""
    return said.status, code, said.reply.headers.get("x-ms-diagnostics", "")


async def test_an_application_opens_inboxes_in_the_cloud_by_impersonation(client: Client) -> None:
    assert await online(client, of=known.DEMO_PROBE) == (200, "NoError", "")
    status, code, _ = await online(client)
    assert (status, code) == (500, "ErrorInvalidExchangeImpersonationHeaderData")


async def test_a_mailbox_on_premises_is_not_in_the_cloud(client: Client) -> None:
    client.sandbox.world.tenant.people[known.DEMO_PROBE].mailbox = "on-premises"
    assert (await online(client, of=known.DEMO_PROBE))[1] == "ErrorNonExistentMailbox"


async def test_a_password_or_no_token_opens_nothing_in_the_cloud(client: Client) -> None:
    assert (await online(client, of=known.DEMO_PROBE, token=""))[0] == 401
    status, _, diagnostics = await online(client, of=known.DEMO_PROBE, token="forged")
    assert status == 401
    assert 'error_category="invalid_token"' in diagnostics


async def test_a_token_without_the_role_says_so(client: Client) -> None:
    client.sandbox.script.start("missing-consent")
    status, _, diagnostics = await online(client, of=known.DEMO_PROBE)
    assert status == 401
    assert diagnostics


@pytest.mark.parametrize(
    "trouble,of,status,code",
    [
        ("no-impersonation", known.DEMO_PROBE, 500, "ErrorImpersonateUserDenied"),
        ("no-impersonation", known.DEMO_MAILBOX, 200, "NoError"),
        ("no-mailbox", known.DEMO_MAILBOX, 200, "ErrorNonExistentMailbox"),
        ("half-migrated", known.DEMO_MAILBOX, 200, "ErrorNonExistentMailbox"),
        ("moved-mailbox", known.DEMO_MAILBOX, 200, "ErrorMailboxMoveInProgress"),
        ("ews-disabled", known.DEMO_MAILBOX, 403, ""),
    ],
)
async def test_troubles_reach_the_web_services_of_the_cloud(
    client: Client, trouble: str, of: str, status: int, code: str
) -> None:
    client.sandbox.script.start(trouble)
    assert (await online(client, of=of))[:2] == (status, code)


def test_the_companies_differ_in_where_their_mailboxes_are() -> None:
    home, between = on_premises_tenant(), hybrid_tenant()
    assert {one.mailbox for one in home.people.values()} == {"on-premises", ""}
    assert home.registrations == {}
    assert {one.mailbox for one in between.people.values()} == {"on-premises", "microsoft-365", ""}
    assert all(one.synchronized for one in between.people.values())
    assert between.registrations
    assert home.people.keys() == between.people.keys()
    assert home.groups == between.groups


def test_a_person_does_not_show_a_password() -> None:
    assert "s3cret" not in repr(Person(address="a@example.test", display_name="A", password="s3cret"))
