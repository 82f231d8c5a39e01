"""API 2.0 of the sandbox, call by call over real TLS, held to the protocol facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from daemon.sandbox import world as known

if TYPE_CHECKING:
    from tests.sandbox.conftest import Client, Clock

ACCOUNT = "/api/account/get-account"
PROFILE = "/api/user/get-profile"


async def test_a_token_is_given_as_the_fixtures_show_it(client: Client) -> None:
    reply = await client.token()
    assert reply.status == 200
    assert reply.document["token_type"] == "Bearer"
    assert reply.document["expires_in"] == 1799
    assert reply.document["scope"] == ""


@pytest.mark.parametrize("wrong", [{"client_id": "nobody"}, {"client_secret": "wrong"}], ids=str)
async def test_bad_client_credentials_get_an_oauth_error(client: Client, wrong: dict[str, str]) -> None:
    reply = await client.token(**wrong)
    assert reply.status == 401
    assert reply.document["error"] == "invalid_client"
    assert reply.document["error_description"]


async def test_another_grant_type_and_a_json_body_are_refused(client: Client) -> None:
    assert (await client.token(grant_type="password")).document["error"] == "unsupported_grant_type"
    url = client.sandbox.services_url + "/oauth/token"
    reply = await client.send("POST", url, json={"grant_type": "client_credentials"})
    assert (reply.status, reply.document["error"]) == (400, "invalid_request")


async def test_the_account_comes_in_the_envelope_of_version_1(client: Client) -> None:
    reply = await client.services(await client.bearer(), "POST", ACCOUNT, json={"data": []})
    assert reply.status == 200
    assert reply.first["accountName"] == known.DEMO_COMPANY
    assert reply.document["fail"] == []


async def test_whoami_names_the_account(client: Client) -> None:
    reply = await client.services(await client.bearer(), "GET", "/identity/whoami")
    assert {"version", "type", "account-codes", "home-account"} == set(reply.document)
    assert set(reply.document["account-codes"]) == {"ci", "cg", "x1", "lead"}


async def test_roles_and_users_come_page_by_page(client: Client) -> None:
    token = await client.bearer()
    roles = await client.services(token, "GET", "/role/cloud-gateway/v1/roles")
    assert "Basic Administrator" in {role["roleName"] for role in roles.document["roles"]}
    path = "/user/cloud-gateway/v1/users"
    seen, page = [], {"pageSize": "3"}
    while page:
        reply = await client.services(token, "GET", path, params=page)
        seen += [user["emailAddress"] for user in reply.document["users"]]
        following = reply.document["meta"]["pagination"].get("next")
        page = {"pageSize": "3", "pageToken": following} if following else {}
    assert sorted(seen) == sorted(client.sandbox.world.users)


@pytest.mark.parametrize("query", [{"pageSize": "101"}, {"pageSize": "many"}], ids=str)
async def test_a_senseless_page_is_a_400(client: Client, query: dict[str, str]) -> None:
    token = await client.bearer()
    reply = await client.services(token, "GET", "/user/cloud-gateway/v1/users", params=query)
    assert reply.status == 400


async def test_a_profile_is_given_of_a_user_and_of_the_application_itself(client: Client) -> None:
    token = await client.bearer()
    body = {"data": [{"emailAddress": known.DEMO_MINIMAL_EMAIL}]}
    user = (await client.services(token, "POST", PROFILE, json=body)).first
    assert user["role"] == "Synchronization Engine Administrator"
    own = (await client.services(token, "POST", PROFILE, json={"data": []})).first
    assert (own["role"], own["companyName"]) == ("Basic Administrator", known.DEMO_COMPANY)


async def test_a_failure_of_the_service_has_the_level_of_errors(client: Client) -> None:
    body = {"data": [{"emailAddress": "ghost@example.test"}]}
    reply = await client.services(await client.bearer(), "POST", PROFILE, json=body)
    assert reply.status == 403
    assert reply.document["fail"][0]["errors"][0]["code"] == "err_xdk_operation_forbidden_for_address"


async def test_a_failure_of_the_gateway_lacks_the_level_of_errors(client: Client) -> None:
    reply = await client.services("unknown", "POST", ACCOUNT, json={"data": []})
    assert reply.status == 401
    assert set(reply.document) == {"fail"}
    assert set(reply.document["fail"][0]) == {"code", "message"}
    assert reply.document["fail"][0]["code"] == "token_verification_failed"


async def test_no_token_at_all_is_unauthorized(client: Client) -> None:
    reply = await client.send("POST", client.sandbox.services_url + ACCOUNT, json={"data": []})
    assert (reply.status, reply.code) == (401, "unauthorized")


async def test_a_token_expires_after_1799_seconds(client: Client, clock: Clock) -> None:
    token = await client.bearer()
    clock.pass_by(seconds=1798)
    assert (await client.services(token, "POST", ACCOUNT, json={"data": []})).status == 200
    clock.pass_by(seconds=1)
    reply = await client.services(token, "POST", ACCOUNT, json={"data": []})
    assert (reply.status, reply.code) == (401, "token_expired")


async def test_old_tokens_are_forgotten(client: Client, clock: Clock) -> None:
    """A sandbox that runs for weeks does not grow with every token it gave."""
    token = await client.bearer()
    clock.pass_by(hours=2)
    await client.bearer()
    reply = await client.services(token, "POST", ACCOUNT, json={"data": []})
    assert reply.code == "token_verification_failed"


@pytest.mark.parametrize(
    "role,products",
    [(known.SYNC_ADMINISTRATOR, known.PRODUCTS), (known.BASIC_ADMINISTRATOR, frozenset({"Other"}))],
    ids=["the role does not allow it", "no product of the application holds it"],
)
async def test_what_the_application_may_not_do_is_app_forbidden(
    client: Client, role: str, products: frozenset[str]
) -> None:
    client.sandbox.world.add_service_application(
        known.ServiceApplication(
            client_id=known.DEMO_CLIENT_ID,
            client_secret=known.DEMO_CLIENT_SECRET,
            account_code=known.DEMO_ACCOUNT_CODE,
            role=role,
            products=products,
        )
    )
    reply = await client.services(await client.bearer(), "POST", ACCOUNT, json={"data": []})
    assert (reply.status, reply.code) == (403, "app_forbidden")


async def test_every_answer_carries_a_request_id_and_repeats_the_caller_s(client: Client) -> None:
    assert (await client.token()).headers["x-request-id"]
    sent = {"x-request-id": "abc"}
    reply = await client.services("unknown", "GET", "/identity/whoami", headers=sent)
    assert reply.headers["x-request-id"] == "abc"
    assert (await client.services("unknown", "GET", "/nowhere")).headers["x-request-id"]


async def test_login_does_not_exist_in_version_2(client: Client) -> None:
    reply = await client.services("unknown", "POST", "/api/login/login", json={"data": []})
    assert reply.status == 404


async def test_above_the_limit_the_gateway_answers_429(client: Client) -> None:
    token = await client.bearer()
    held = client.sandbox.world.tokens.find(token)
    assert held is not None
    held.allowance.limit = 1
    replies = [await client.services(token, "GET", "/identity/whoami") for _ in range(2)]
    assert [reply.status for reply in replies] == [200, 429]
    assert int(replies[1].headers["X-RateLimit-Reset"]) == 5000
    client.sandbox.world.unknown_caller.limit = 0
    assert (await client.token()).status == 429


async def test_a_removed_application_s_token_is_worth_nothing(client: Client) -> None:
    token = await client.bearer()
    client.sandbox.world.service_applications.clear()
    reply = await client.services(token, "GET", "/identity/whoami")
    assert reply.code == "token_verification_failed"
