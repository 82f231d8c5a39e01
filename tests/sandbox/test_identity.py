"""The identity platform's answers: tokens, every row of the AADSTS table, and what libraries ask first."""

from __future__ import annotations

import base64
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import pytest

from daemon.sandbox import aadsts
from daemon.sandbox import tenant as known
from daemon.sandbox.tenant import AppRegistration
from tests.sandbox.graph_client import claims

if TYPE_CHECKING:
    from tests.sandbox.conftest import Reply
    from tests.sandbox.graph_client import GraphClient

# Number, error, status: as the facts have them, written down a second time.
ROWS = [
    (7000215, "invalid_client", 401),
    (7000222, "invalid_client", 401),
    (700016, "unauthorized_client", 400),
    (90002, "invalid_request", 400),
    (900023, "invalid_request", 400),
    (7000216, "invalid_client", 401),
    (7000218, "invalid_client", 401),
    (70011, "invalid_scope", 400),
    (1002012, "invalid_scope", 400),
    (500011, "invalid_resource", 400),
    (7000112, "unauthorized_client", 401),
    (53003, "access_denied", 400),
]


def refused(reply: Reply, number: int) -> None:
    row = aadsts.row_of(number)
    assert (reply.status, reply.document["error"]) == (row.status, row.error)
    assert reply.document["error_codes"] == [number]
    assert reply.document["error_description"].startswith(f"AADSTS{number}: ")


async def test_a_token_is_a_signed_web_token_that_says_who_may_do_what(graph: GraphClient) -> None:
    reply = await graph.token()
    assert reply.status == 200
    assert reply.document["token_type"] == "Bearer"
    assert reply.document["expires_in"] == reply.document["ext_expires_in"] == 3599
    assert reply.headers["Cache-Control"] == "no-store, no-cache"
    said = claims(reply.document["access_token"])
    assert said["aud"] == graph.url
    assert (said["tid"], said["appid"]) == (known.DEMO_TENANT, known.DEMO_GRAPH_CLIENT)
    assert set(said["roles"]) == known.GRAPH_ROLES | known.EXCHANGE_ROLES
    assert said["exp"] - said["iat"] == 3599
    assert len(reply.document["access_token"].split(".")) == 3


async def test_the_tenant_may_be_named_by_its_domain_and_the_client_by_a_basic_header(graph: GraphClient) -> None:
    secret = "a secret/with+signs:and %"
    graph.tenant.add(AppRegistration(client_id=known.DEMO_GRAPH_CLIENT, client_secret=secret))
    pair = f"{quote_plus(known.DEMO_GRAPH_CLIENT)}:{quote_plus(secret)}"
    header = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    reply = await graph.token("Example.Test", client_id=None, client_secret=None, headers=header)
    assert reply.status == 200


async def test_a_refusal_has_every_field_and_names_the_call(graph: GraphClient) -> None:
    mine = str(uuid.uuid4())
    reply = await graph.token(client_secret="wrong", headers={"client-request-id": mine})
    refused(reply, 7000215)
    said = reply.document
    assert set(said) == {
        "error",
        "error_description",
        "error_codes",
        "timestamp",
        "trace_id",
        "correlation_id",
        "error_uri",
    }
    assert said["correlation_id"] == reply.headers["client-request-id"] == mine
    assert said["trace_id"] == reply.headers["x-ms-request-id"]
    assert said["timestamp"] == "2026-03-04 05:06:07Z"
    assert f"Trace ID: {said['trace_id']} Correlation ID: {mine}" in said["error_description"]
    assert said["error_uri"] == f"{graph.url}/error?code=7000215"


def test_the_table_is_the_one_of_the_facts() -> None:
    ours = {number: (aadsts.TABLE[number].error, aadsts.TABLE[number].status) for number, _, _ in ROWS}
    assert ours == {number: (error, status) for number, error, status in ROWS}


@pytest.mark.parametrize("number", [*aadsts.TABLE, 999999])
async def test_every_row_of_the_table_can_be_asked_for(graph: GraphClient, number: int) -> None:
    graph.tenant.aadsts_error = number
    refused(await graph.token(), number)
    graph.tenant.aadsts_error = 0
    assert (await graph.token()).status == 200


CAUSES: dict[str, tuple[dict[str, Any], int]] = {
    "the secret is wrong": ({"client_secret": "wrong"}, 7000215),
    "the secret is missing": ({"client_secret": None}, 7000216),
    "the client is unknown": ({"client_id": str(uuid.UUID(int=7))}, 700016),
    "the client is not named": ({"client_id": None}, 900144),
    "the tenant is unknown": ({"tenant": str(uuid.UUID(int=7))}, 90002),
    "the tenant is another domain": ({"tenant": "elsewhere.test"}, 90002),
    "the tenant is no name of one": ({"tenant": "example"}, 900023),
    "the tenant is the word for all": ({"tenant": "common"}, 900023),
    "the grant is missing": ({"grant_type": None}, 900144),
    "the grant is another": ({"grant_type": "password"}, 70003),
    "the scope is missing": ({"scope": None}, 900144),
    "the scope is two": ({"scope": "https://a.test/.default https://b.test/.default"}, 70011),
    "the scope is a permission": ({"scope": "https://graph.microsoft.com/User.Read.All"}, 1002012),
    "the resource is of another cloud": ({"scope": "https://graph.microsoft.us/.default"}, 500011),
}


@pytest.mark.parametrize("cause", CAUSES)
async def test_a_real_cause_gets_its_number(graph: GraphClient, cause: str) -> None:
    changes, number = CAUSES[cause]
    refused(await graph.token(**changes), number)


async def test_a_disabled_application_gets_no_token(graph: GraphClient) -> None:
    graph.tenant.registrations[known.DEMO_GRAPH_CLIENT].enabled = False
    refused(await graph.token(), 7000112)


async def test_a_body_that_is_no_form_lacks_everything(graph: GraphClient) -> None:
    path = f"{graph.url}/{known.DEMO_TENANT}/oauth2/v2.0/token"
    refused(await graph.client.send("POST", path, json={"grant_type": "client_credentials"}), 900144)


@pytest.mark.parametrize("header", ["Basic !!!", "Basic /w==", "Bearer x"])
async def test_a_header_that_is_no_sign_in_names_no_client(graph: GraphClient, header: str) -> None:
    refused(await graph.token(client_id=None, headers={"Authorization": header}), 900144)


async def test_no_refusal_repeats_a_secret(graph: GraphClient) -> None:
    reply = await graph.token(client_secret="not-the-secret-but-secret")
    assert b"not-the-secret" not in reply.raw
    assert known.DEMO_GRAPH_SECRET.encode() not in reply.raw


async def test_without_consent_the_token_has_no_roles_at_all(graph: GraphClient) -> None:
    graph.tenant.registrations[known.DEMO_GRAPH_CLIENT].roles = frozenset()
    assert "roles" not in claims((await graph.token()).document["access_token"])


async def test_libraries_find_the_token_endpoint(graph: GraphClient) -> None:
    base = f"{graph.url}/{known.DEMO_TENANT}"
    for tenant in (known.DEMO_TENANT, known.DEMO_TENANT_DOMAIN):
        path = f"{graph.url}/{tenant}/v2.0/.well-known/openid-configuration"
        said = (await graph.client.send("GET", path)).document
        assert said["token_endpoint"] == f"{base}/oauth2/v2.0/token"
        assert said["issuer"] == f"{base}/v2.0"
    instances = (await graph.client.send("GET", f"{graph.url}/common/discovery/instance")).document
    assert instances["tenant_discovery_endpoint"] == f"{base}/v2.0/.well-known/openid-configuration"
    assert instances["metadata"][0]["aliases"] == [graph.url.removeprefix("https://")]


async def test_what_is_not_served_is_said_in_microsofts_shape(graph: GraphClient) -> None:
    nothing = await graph.client.send("GET", f"{graph.url}/nothing/here")
    assert (nothing.status, nothing.document["error"]["code"]) == (404, "UnknownError")
    path = f"{graph.url}/{known.DEMO_TENANT}/oauth2/v2.0/token"
    wrong = await graph.client.send("GET", path)
    assert (wrong.status, wrong.document["error"]["code"]) == (405, "Request_BadRequest")
    assert "POST" in wrong.document["error"]["message"]


@pytest.mark.parametrize(
    "trouble,number",
    [
        ("expired-client-secret", 7000222),
        ("wrong-client-secret", 7000215),
        ("wrong-tenant", 90002),
        ("unknown-registration", 700016),
        ("throttled", 90055),
        ("service-error", 90033),
    ],
)
async def test_a_trouble_is_a_row_of_the_table(graph: GraphClient, trouble: str, number: int) -> None:
    graph.sandbox.script.start(trouble, times=1)
    refused(await graph.token(), number)
    assert (await graph.token()).status == 200


async def test_too_many_tokens_are_asked_to_come_back_later(graph: GraphClient) -> None:
    graph.sandbox.script.start("throttled", seconds=3, endpoint="identity")
    assert (await graph.token()).headers["Retry-After"] == "3"


async def test_an_outage_may_come_without_a_word(graph: GraphClient) -> None:
    graph.sandbox.script.start("service-error", endpoint="identity")
    replies = [await graph.token() for _ in range(2)]
    assert [reply.status for reply in replies] == [503, 503]
    assert replies[1].raw == b"Service Unavailable"
