"""Sign-in at the sandbox's Exchange on premises: Basic, NTLM and Negotiate, and none at all."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
import spnego

from daemon.sandbox import tenant as known
from tests.sandbox.exchange_client import EWS, ExchangeClient, basic, get_folder, on_premises

if TYPE_CHECKING:
    from tests.sandbox.conftest import Client

PASSWORD = known.DEMO_MAILBOX_PASSWORD


@pytest.fixture
def exchange(client: Client) -> ExchangeClient:
    return on_premises(client)


@pytest.mark.parametrize("authorization", ["", "Basic", "Basic !!!", "Basic /w==", "Bearer abc", "Negotiate abc"])
async def test_whoever_does_not_sign_in_is_told_how(exchange: ExchangeClient, authorization: str) -> None:
    exchange.authorization = authorization
    said = await exchange.inbox()
    assert (said.status, said.reply.headers.getall("WWW-Authenticate")) == (401, ['Basic realm="localhost"'])


@pytest.mark.parametrize(
    "user,password",
    [(known.DEMO_MAILBOX, "wrong"), ("nobody@example.test", PASSWORD), (known.DEMO_PROBE, ""), ("", "")],
)
async def test_a_wrong_name_and_a_wrong_password_look_the_same(
    exchange: ExchangeClient, user: str, password: str
) -> None:
    exchange.authorization = basic(user, password)
    assert (await exchange.inbox()).status == 401


@pytest.mark.parametrize(
    "user", [known.DEMO_MAILBOX.upper(), "engine@example.internal", r"EXAMPLE\sync.engine@example.test"]
)
async def test_an_account_signs_in_by_address_or_principal_name(exchange: ExchangeClient, user: str) -> None:
    account = exchange.tenant.people[known.DEMO_MAILBOX]
    account.principal_name, account.password = "engine@example.internal", "pässwörd: with a colon"
    exchange.authorization = basic(user, account.password)
    assert (await exchange.inbox()).first("ResponseCode") == "NoError"


async def test_calls_without_a_sign_in_are_taken_where_the_tenant_says_so(exchange: ExchangeClient) -> None:
    exchange.authorization, exchange.tenant.unsigned_as = "", known.DEMO_MAILBOX
    assert (await exchange.inbox()).first("ResponseCode") == "NoError"
    assert (await exchange.settings(known.DEMO_MAILBOX)).status == 200


async def test_every_scheme_is_offered_in_a_header_of_its_own(exchange: ExchangeClient) -> None:
    exchange.authorization, exchange.tenant.schemes = "", ("Negotiate", "NTLM", "Basic")
    offered = (await exchange.inbox()).reply.headers.getall("WWW-Authenticate")
    assert offered == ["Negotiate", "NTLM", 'Basic realm="localhost"']


async def test_a_scheme_that_is_not_offered_is_not_taken(exchange: ExchangeClient) -> None:
    exchange.tenant.schemes = ("NTLM",)
    assert (await exchange.inbox()).reply.headers.getall("WWW-Authenticate") == ["NTLM"]


@pytest.fixture
def users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The file of users that the accepting side of pyspnego reads."""
    listed = tmp_path / "users"
    listed.write_text(f":{known.DEMO_MAILBOX}:{PASSWORD}\n:stranger@example.test:{PASSWORD}\n")
    monkeypatch.setenv("NTLM_USER_FILE", str(listed))


async def negotiated(exchange: ExchangeClient, scheme: str, *, user: str, password: str) -> int:
    """Sign in over the session's one connection, and give the last status."""
    context, token = spnego.client(user, password, hostname="localhost", protocol=scheme.casefold()), None
    for _ in range(3):
        exchange.authorization = f"{scheme} {base64.b64encode(context.step(token) or b'').decode()}"
        said = await exchange.inbox()
        challenge = said.reply.headers.get("WWW-Authenticate", "").partition(" ")[2]
        if said.status != 401 or not challenge:
            break
        token = base64.b64decode(challenge)
    exchange.authorization = ""
    return said.status


@pytest.mark.parametrize("scheme", ["NTLM", "Negotiate"])
async def test_a_sign_in_by_ntlm_holds_for_its_connection_only(
    exchange: ExchangeClient, users: None, scheme: str
) -> None:
    exchange.tenant.schemes = (scheme,)
    assert await negotiated(exchange, scheme, user=known.DEMO_MAILBOX, password=PASSWORD) == 200
    assert (await exchange.inbox()).status == 200
    tls = exchange.client.session.connector._ssl  # type: ignore[union-attr]
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as another,
        another.post(exchange.url + EWS, data=get_folder()) as response,
    ):
        assert response.status == 401


@pytest.mark.parametrize("scheme", ["NTLM", "Negotiate"])
async def test_a_wrong_password_is_refused_by_ntlm_too(exchange: ExchangeClient, users: None, scheme: str) -> None:
    exchange.tenant.schemes = (scheme,)
    assert await negotiated(exchange, scheme, user=known.DEMO_MAILBOX, password="wrong") == 401
    assert await negotiated(exchange, scheme, user="stranger@example.test", password=PASSWORD) == 401
    assert await negotiated(exchange, scheme, user=known.DEMO_MAILBOX, password=PASSWORD) == 200
    assert await negotiated(exchange, scheme, user=known.DEMO_MAILBOX, password="wrong") == 401
    assert (await exchange.inbox()).status == 401


@pytest.mark.parametrize("token", ["", "!!!", "bm9uc2Vuc2U=", base64.b64encode(b"NTLMSSP\0\2\0\0\0").decode()])
@pytest.mark.parametrize("scheme", ["NTLM", "Negotiate"])
async def test_a_token_that_makes_no_sense_is_refused(
    exchange: ExchangeClient, users: None, scheme: str, token: str
) -> None:
    exchange.tenant.schemes, exchange.authorization = (scheme,), f"{scheme} {token}"
    assert (await exchange.inbox()).status == 401
