"""Autodiscover of the sandbox's Exchange on premises: SOAP, POX and JSON, three tellings of one truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from daemon.sandbox import tenant as known
from tests.sandbox.exchange_client import (
    AUTODISCOVER,
    JSON,
    OUTLOOK,
    POX,
    SVC,
    XML,
    ExchangeClient,
    on_premises,
    user_settings,
)

if TYPE_CHECKING:
    from tests.sandbox.conftest import Client

GRACE = "grace.hopper@example.test"
ROUTED = "grace.hopper@example.mail.onmicrosoft.test"


@pytest.fixture
def exchange(client: Client) -> ExchangeClient:
    """A hybrid: Grace's mailbox is in the cloud."""
    found = on_premises(client)
    found.tenant.people[GRACE].mailbox = "microsoft-365"
    return found


# SOAP.


async def test_soap_gives_the_settings_that_are_asked_for_in_their_order(exchange: ExchangeClient) -> None:
    asked = ("CasVersion", "ExternalEwsUrl", "InternalEwsUrl", "AutoDiscoverSMTPAddress", "EwsSupportedSchemas")
    said = await exchange.settings("countess@example.test", settings=asked)
    assert (said.status, said.all("ErrorCode")) == (200, ["NoError", "NoError"])
    assert tuple(said.all("Name")) == asked
    values = dict(zip(asked, said.all("Value"), strict=True))
    assert values["ExternalEwsUrl"] == values["InternalEwsUrl"] == f"{exchange.url}/EWS/Exchange.asmx"
    assert values["AutoDiscoverSMTPAddress"] == known.DEMO_PROBE
    assert values["CasVersion"].startswith("15.")
    assert "Exchange2016" in values["EwsSupportedSchemas"].split(", ")
    assert said.first("MajorVersion") == "15"
    assert said.first("Action") == f"{AUTODISCOVER}/Autodiscover/GetUserSettingsResponse"


async def test_a_setting_that_is_lacking_is_an_error_of_its_own(exchange: ExchangeClient) -> None:
    """The third level of error codes: it leaves the user's answer well."""
    said = await exchange.settings(known.DEMO_PROBE, settings=("UserDN", "ExternalEwsUrl", "Nonsense"))
    assert said.all("ErrorCode") == ["NoError", "NoError", "SettingIsNotAvailable", "InvalidSetting"]
    assert said.all("SettingName") == ["UserDN", "Nonsense"]
    assert said.all("Name") == ["ExternalEwsUrl"]


async def test_every_user_has_an_error_code(exchange: ExchangeClient) -> None:
    said = await exchange.settings(
        known.DEMO_PROBE, "nobody@example.test", "no.licence@example.test", "somebody@elsewhere.test", GRACE
    )
    codes = ["NoError", "NoError", "InvalidUser", "InvalidUser", "InvalidDomain", "RedirectUrl"]
    assert said.all("ErrorCode") == codes
    targets = [target for target in said.all("RedirectTarget") if target]
    assert targets == [f"{exchange.client.sandbox.microsoft_url}{SVC}"]


async def test_soap_sends_to_another_address_where_one_is_known(exchange: ExchangeClient) -> None:
    exchange.tenant.people[GRACE].routed_to = ROUTED
    said = await exchange.settings(GRACE)
    assert said.all("ErrorCode") == ["NoError", "RedirectAddress"]
    assert said.first("RedirectTarget") == ROUTED


@pytest.mark.parametrize("code", ["ServerBusy", "InternalServerError", "NotFederated"])
async def test_the_whole_answer_has_an_error_code(exchange: ExchangeClient, code: str) -> None:
    exchange.tenant.autodiscover_error = code
    said = await exchange.settings(known.DEMO_PROBE)
    assert (said.status, said.all("ErrorCode")) == (200, [code])


@pytest.mark.parametrize(
    "body",
    [
        user_settings(),
        user_settings(known.DEMO_PROBE, settings=()),
        user_settings(*[known.DEMO_PROBE] * 101),
        user_settings(known.DEMO_PROBE).replace("GetUserSettingsRequestMessage", "GetUserSettings"),
    ],
    ids=["no user", "no setting", "too many users", "another message"],
)
async def test_a_soap_question_that_is_none_is_an_invalid_request(exchange: ExchangeClient, body: str) -> None:
    assert (await exchange.post(SVC, body)).all("ErrorCode") == ["InvalidRequest"]


@pytest.mark.parametrize(
    "body",
    [
        user_settings(known.DEMO_PROBE, space=AUTODISCOVER.replace("http:", "https:")),
        user_settings(known.DEMO_PROBE).replace("GetUserSettings</w:Action>", "GetTea</w:Action>"),
        "<Envelope/>",
    ],
    ids=["namespace with https", "another action", "no envelope"],
)
async def test_an_action_that_nobody_knows_is_a_fault(exchange: ExchangeClient, body: str) -> None:
    said = await exchange.post(SVC, body)
    assert said.status == 500
    assert said.first("faultcode").endswith(":ActionNotSupported")


async def test_soap_that_is_no_plain_xml_is_not_read(exchange: ExchangeClient) -> None:
    assert (await exchange.post(SVC, b"<!DOCTYPE a><a/>")).status == 400


# POX.


async def test_pox_gives_protocols_with_the_address_of_the_web_services(exchange: ExchangeClient) -> None:
    said = await exchange.pox("ada@example.test")
    assert said.status == 200
    assert said.first("Action") == "settings"
    assert {"EXCH", "EXPR", "WEB"} <= set(said.all("Type"))
    assert set(said.all("EwsUrl")) == set(said.all("ASUrl")) == {f"{exchange.url}/EWS/Exchange.asmx"}
    assert said.first("AutoDiscoverSMTPAddress") == known.DEMO_PROBE
    assert said.root is not None
    assert said.root.find(f"{{{OUTLOOK}}}Response/{{{OUTLOOK}}}Account/{{{OUTLOOK}}}Action") is not None


async def test_pox_redirects_to_the_cloud_and_to_another_address(exchange: ExchangeClient) -> None:
    said = await exchange.pox(GRACE)
    assert (said.first("Action"), said.first("RedirectUrl")) == (
        "redirectUrl",
        f"{exchange.client.sandbox.microsoft_url}{XML}",
    )
    exchange.tenant.people[GRACE].routed_to = ROUTED
    said = await exchange.pox(GRACE)
    assert (said.first("Action"), said.first("RedirectAddr")) == ("redirectAddr", ROUTED)


@pytest.mark.parametrize(
    "address,options,number",
    [
        ("nobody@example.test", {}, "500"),
        ("somebody@elsewhere.test", {}, "500"),
        ("nobody", {}, "600"),
        ("", {}, "600"),
        (known.DEMO_PROBE, {"space": POX.replace("http:", "https:")}, "600"),
        (known.DEMO_PROBE, {"wanted": OUTLOOK.replace("2006a", "2099")}, "601"),
    ],
)
async def test_pox_says_its_errors_with_200(
    exchange: ExchangeClient, address: str, options: dict[str, str], number: str
) -> None:
    said = await exchange.pox(address, **options)
    assert (said.status, said.all("ErrorCode")) == (200, [number])
    assert said.first("Message")


async def test_pox_that_is_no_plain_xml_is_an_invalid_request(exchange: ExchangeClient) -> None:
    assert (await exchange.post(XML, b"<!DOCTYPE a><a/>")).first("ErrorCode") == "600"


@pytest.mark.parametrize("path", [SVC, XML])
async def test_soap_and_pox_want_a_sign_in_and_any_spelling_of_their_path(exchange: ExchangeClient, path: str) -> None:
    exchange.authorization = ""
    assert (await exchange.post(path.upper(), "")).status == 401


# JSON.


async def test_json_tells_anybody_where_a_mailbox_is(exchange: ExchangeClient) -> None:
    reply = await exchange.json("countess@example.test")
    assert reply.document == {"Protocol": "EWS", "Url": f"{exchange.url}/EWS/Exchange.asmx"}
    query = {"Email": known.DEMO_PROBE, "Protocol": "ews"}
    again = await exchange.client.send("GET", f"{exchange.url}/Autodiscover/Autodiscover.json", params=query)
    assert again.document["Url"] == reply.document["Url"]


async def test_json_redirects_to_the_cloud_with_a_count(exchange: ExchangeClient) -> None:
    cloud = exchange.client.sandbox.microsoft_url
    reply = await exchange.json(GRACE)
    assert (reply.status, reply.headers["Location"]) == (
        302,
        f"{cloud}{JSON}/v1.0/{GRACE}?Protocol=EWS&RedirectCount=1",
    )
    exchange.tenant.people[GRACE].routed_to = ROUTED
    reply = await exchange.json(GRACE, RedirectCount="9")
    assert reply.headers["Location"] == f"{cloud}{JSON}/v1.0/{ROUTED}?Protocol=EWS&RedirectCount=10"


@pytest.mark.parametrize(
    "address,options,status,code",
    [
        ("nobody@example.test", {}, 404, "UserNotFound"),
        ("somebody@elsewhere.test", {}, 404, "UserNotFound"),
        ("nobody", {}, 400, "InvalidRequest"),
        ("@example.test", {}, 400, "InvalidRequest"),
        (known.DEMO_PROBE, {"protocol": "SMTP"}, 400, "ProtocolNotSupported"),
        (known.DEMO_PROBE, {"protocol": ""}, 400, "ProtocolNotSupported"),
        (GRACE, {"RedirectCount": "10"}, 400, "InvalidRequest"),
    ],
)
async def test_json_says_its_errors_by_code(
    exchange: ExchangeClient, address: str, options: dict[str, str], status: int, code: str
) -> None:
    reply = await exchange.json(address, **options)
    assert (reply.status, reply.document["ErrorCode"]) == (status, code)
    assert reply.document["ErrorMessage"]
