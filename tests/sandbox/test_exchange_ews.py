"""Exchange Web Services of the sandbox: whose inbox opens, and what is said where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import fromstring

import pytest

from daemon.sandbox import soap
from daemon.sandbox import tenant as known
from tests.sandbox.exchange_client import (
    ERRORS,
    EWS,
    MESSAGES,
    TYPES,
    ExchangeClient,
    get_folder,
    header_for,
    on_premises,
)

if TYPE_CHECKING:
    from tests.sandbox.conftest import Client


@pytest.fixture
def exchange(client: Client) -> ExchangeClient:
    return on_premises(client)


def inbox_of(address: str) -> str:
    """The inbox of a mailbox that is named."""
    mailbox = f"<t:Mailbox><t:EmailAddress>{address}</t:EmailAddress></t:Mailbox>"
    return f'<t:DistinguishedFolderId Id="inbox">{mailbox}</t:DistinguishedFolderId>'


async def test_the_accounts_own_inbox_opens_with_its_id_alone(exchange: ExchangeClient) -> None:
    """And the server says its version."""
    said = await exchange.inbox()
    assert said.status == 200
    assert said.reply.headers["Content-Type"] == "text/xml; charset=utf-8"
    assert said.root is not None
    [message] = said.root.iter(f"{{{MESSAGES}}}GetFolderResponseMessage")
    assert message.get("ResponseClass") == "Success"
    [folder] = said.root.iter(f"{{{TYPES}}}Folder")
    assert [each.tag for each in folder] == [f"{{{TYPES}}}FolderId"]
    [version] = said.root.iter(f"{{{TYPES}}}ServerVersionInfo")
    assert (version.get("MajorVersion"), version.get("MinorVersion")) == ("15", "1")


async def test_a_path_is_found_in_any_spelling(exchange: ExchangeClient) -> None:
    assert (await exchange.post("/ews/EXCHANGE.ASMX", get_folder())).status == 200
    assert (await exchange.client.send("GET", exchange.url + EWS)).status == 405
    assert (await exchange.post("/owa/", "")).status == 404


async def test_a_folder_shows_what_is_asked_for(exchange: ExchangeClient) -> None:
    wish = (
        "<t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>"
        '<t:FieldURI FieldURI="folder:DisplayName"/><t:FieldURI FieldURI="folder:ParentFolderId"/>'
        "</t:AdditionalProperties>"
    )
    said = await exchange.post(EWS, get_folder(shape=wish))
    assert said.all("DisplayName") == ["Inbox"]
    assert said.all("TotalCount") == []
    whole = await exchange.post(EWS, get_folder(shape="<t:BaseShape>Default</t:BaseShape>"))
    assert whole.all("FolderClass") == ["IPF.Note"]
    assert len(whole.all("ParentFolderId")) == 1


async def test_a_folder_is_found_by_its_id_too(exchange: ExchangeClient) -> None:
    said = await exchange.inbox()
    assert said.root is not None
    [found] = said.root.iter(f"{{{TYPES}}}FolderId")
    again = await exchange.post(EWS, get_folder(folders=f'<t:FolderId Id="{found.get("Id")}"/>'))
    assert again.first("ResponseCode") == "NoError"
    [other] = (await exchange.inbox(of=known.DEMO_PROBE)).root.iter(f"{{{TYPES}}}FolderId")  # type: ignore[union-attr]
    assert other.get("Id") != found.get("Id")


@pytest.mark.parametrize(
    "folder,code",
    [
        ('<t:DistinguishedFolderId Id="drafts"/>', "ErrorFolderNotFound"),
        ('<t:FolderId Id="nonsense"/>', "ErrorInvalidIdMalformed"),
        (inbox_of(known.DEMO_PROBE), "ErrorAccessDenied"),
        (inbox_of("nobody@example.test"), "ErrorNonExistentMailbox"),
    ],
)
async def test_one_folder_that_fails_leaves_the_others_alone(exchange: ExchangeClient, folder: str, code: str) -> None:
    said = await exchange.post(EWS, get_folder(folders=f'{folder}<t:DistinguishedFolderId Id="inbox"/>'))
    assert (said.status, said.all("ResponseCode")) == (200, [code, "NoError"])
    assert said.root is not None
    classes = [each.get("ResponseClass") for each in said.root.iter(f"{{{MESSAGES}}}GetFolderResponseMessage")]
    assert classes == ["Error", "Success"]
    assert said.first("MessageText")


@pytest.mark.parametrize(
    "kind,value",
    [
        ("PrimarySmtpAddress", known.DEMO_PROBE.upper()),
        ("SmtpAddress", "countess@example.test"),
        ("PrincipalName", "ada@example.internal"),
    ],
)
async def test_another_inbox_opens_by_each_kind_of_identity(exchange: ExchangeClient, kind: str, value: str) -> None:
    exchange.tenant.people[known.DEMO_PROBE].principal_name = "ada@example.internal"
    assert (await exchange.inbox(of=value, kind=kind)).first("ResponseCode") == "NoError"


@pytest.mark.parametrize(
    "kind,value,code",
    [
        ("PrimarySmtpAddress", "nobody@example.test", "ErrorNonExistentMailbox"),
        ("PrimarySmtpAddress", "countess@example.test", "ErrorNonExistentMailbox"),
        ("SmtpAddress", "nobody@example.test", "ErrorNonExistentMailbox"),
        ("PrincipalName", "nobody@example.test", "ErrorInvalidUserPrincipalName"),
        ("SID", "S-1-5-21-1", "ErrorInvalidUserSid"),
        ("Nickname", "ada", "ErrorInvalidExchangeImpersonationHeaderData"),
        ("PrimarySmtpAddress", " ", "ErrorInvalidExchangeImpersonationHeaderData"),
        ("", "", "ErrorInvalidExchangeImpersonationHeaderData"),
    ],
)
async def test_an_identity_that_nobody_has_is_a_fault(
    exchange: ExchangeClient, kind: str, value: str, code: str
) -> None:
    said = await exchange.post(EWS, get_folder(header=header_for(kind, value)))
    assert (said.status, said.first("ResponseCode")) == (500, code)


async def test_a_fault_says_its_code_in_the_detail_and_in_front(exchange: ExchangeClient) -> None:
    exchange.tenant.people[known.DEMO_MAILBOX].may_impersonate = False
    said = await exchange.inbox(of=known.DEMO_PROBE)
    assert said.status == 500
    assert said.root is not None
    assert said.root.findtext(f".//detail/{{{ERRORS}}}ResponseCode") == "ErrorImpersonateUserDenied"
    assert said.first("faultcode").partition(":")[2] == "ErrorImpersonateUserDenied"
    assert said.first("faultstring") == said.root.findtext(f".//detail/{{{ERRORS}}}Message")
    assert (await exchange.inbox(of=known.DEMO_MAILBOX)).first("ResponseCode") == "NoError"


async def test_somebody_without_a_mailbox_here_is_not_found(exchange: ExchangeClient) -> None:
    """Without one at all, and with one in the cloud."""
    exchange.tenant.people["grace.hopper@example.test"].mailbox = "microsoft-365"
    for address in ("no.licence@example.test", "grace.hopper@example.test"):
        said = await exchange.inbox(of=address)
        assert (said.status, said.first("ResponseCode")) == (200, "ErrorNonExistentMailbox")


async def test_an_account_without_a_mailbox_may_still_impersonate(exchange: ExchangeClient) -> None:
    exchange.tenant.people[known.DEMO_MAILBOX].mailbox = ""
    assert (await exchange.inbox()).first("ResponseCode") == "ErrorMissingEmailAddress"
    assert (await exchange.inbox(of=known.DEMO_PROBE)).first("ResponseCode") == "NoError"


@pytest.mark.parametrize(
    "change,code", [({"enabled": False}, "ErrorAccountDisabled"), ({"password_expired": True}, "ErrorPasswordExpired")]
)
async def test_an_account_that_may_not_work_is_told_why(
    exchange: ExchangeClient, change: dict[str, bool], code: str
) -> None:
    for name, value in change.items():
        setattr(exchange.tenant.people[known.DEMO_MAILBOX], name, value)
    for said in (await exchange.inbox(), await exchange.inbox(of=known.DEMO_PROBE)):
        assert (said.status, said.first("ResponseCode")) == (500, code)


async def test_an_anchor_must_be_the_impersonated_mailbox(exchange: ExchangeClient) -> None:
    right = await exchange.inbox(of=known.DEMO_PROBE, X_AnchorMailbox=known.DEMO_PROBE)
    assert right.first("ResponseCode") == "NoError"
    wrong = await exchange.inbox(of=known.DEMO_PROBE, X_AnchorMailbox=known.DEMO_MAILBOX)
    assert (wrong.status, wrong.reply.raw) == (500, b"")


async def test_a_busy_server_says_how_long_to_wait(exchange: ExchangeClient) -> None:
    exchange.tenant.ews_error, exchange.tenant.ews_back_off = "ErrorServerBusy", 1500
    said = await exchange.inbox()
    assert said.status == 500
    assert said.root is not None
    [wait] = said.root.iter(f"{{{TYPES}}}Value")
    assert (wait.get("Name"), wait.text) == ("BackOffMilliseconds", "1500")


@pytest.mark.parametrize(
    "code,status",
    [("ErrorImpersonationFailed", 500), ("ErrorMailboxFailover", 200), ("ErrorOfTheFuture", 500)],
)
async def test_a_code_can_be_asked_for(exchange: ExchangeClient, code: str, status: int) -> None:
    exchange.tenant.ews_error = code
    said = await exchange.inbox()
    assert (said.status, said.first("ResponseCode")) == (status, code)
    exchange.tenant.ews_error = ""
    assert (await exchange.inbox()).first("ResponseCode") == "NoError"


DOCTYPE = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'


@pytest.mark.parametrize(
    "body",
    [b"", b"<a", b'{"a": 1}', b"<!DOCTYPE a><a/>", DOCTYPE.encode("utf-16"), b"<a/>" + b" " * 2**18],
    ids=["empty", "cut", "json", "doctype", "doctype in another encoding", "large"],
)
async def test_what_is_no_plain_xml_is_not_read(exchange: ExchangeClient, body: bytes) -> None:
    assert (await exchange.post(EWS, body)).status == 400


@pytest.mark.parametrize(
    "body,code",
    [
        (get_folder(types=TYPES.replace("http:", "https:")), "ErrorSchemaValidation"),
        (get_folder().replace(MESSAGES, MESSAGES.replace("http:", "https:")), "ErrorSchemaValidation"),
        (get_folder(folders=""), "ErrorSchemaValidation"),
        ("<Envelope/>", "ErrorSchemaValidation"),
        (get_folder().replace("Exchange2016", "Exchange2099"), "ErrorInvalidServerVersion"),
        (get_folder().replace("GetFolder", "DeleteFolder"), "ErrorInvalidRequest"),
    ],
)
async def test_a_request_that_is_none_is_a_fault(exchange: ExchangeClient, body: str, code: str) -> None:
    said = await exchange.post(EWS, body)
    assert (said.status, said.first("ResponseCode")) == (500, code)


def test_a_value_that_xml_cannot_carry_is_left_out() -> None:
    value = '<\x01&">'
    element = fromstring(f"<a b={soap.attribute(value)}>{soap.text(value)}</a>")
    assert (element.text, element.get("b")) == ('<&">', '<&">')
