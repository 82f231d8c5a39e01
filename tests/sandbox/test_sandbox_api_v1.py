"""API 1.0 of the sandbox, call by call over real TLS, held to the protocol facts."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from daemon.sandbox import world as known
from daemon.sandbox.api_v1 import signature

if TYPE_CHECKING:
    from tests.sandbox.conftest import Client, Clock


def test_the_published_signature_vector_is_reproduced() -> None:
    """The vector of go-mimecast's tests, which the facts quote."""
    assert (
        signature(
            b"SecretKey",
            date="Sun, 21 Aug 2022 13:49:40 UTC",
            request_id="3d796b76-4180-40e5-8f7c-6e0fd643b1a9",
            path="/api/test/some-url",
            application_key="ApplicationKey",
        )
        == "WOywLsnZlsE+D6bp/ug6uch5kxc="
    )


async def test_discovery_names_the_regional_host_and_the_allowed_types(client: Client) -> None:
    reply = await client.discover()
    assert reply.status == 200
    assert reply.first["region"] == {"api": client.sandbox.regional_url}
    assert reply.first["authenticate"] == ["Basic-Cloud", "Basic-AD"]
    assert reply.first["emailAddress"] == known.DEMO_EMAIL
    assert reply.first["emailToken"]


async def test_discovery_of_an_unknown_domain_has_no_region(client: Client) -> None:
    reply = await client.discover("someone@elsewhere.test")
    assert reply.status == 200
    assert "region" not in reply.first


async def test_discovery_refuses_what_is_no_address_inside_http_200(client: Client) -> None:
    reply = await client.discover("nonsense")
    assert (reply.status, reply.code) == (200, "err_validation_invalid_email_address")
    assert reply.document["fail"][0]["errors"][0]["field"] == "emailAddress"


@pytest.mark.parametrize("path", ["/api/login/login", "/api/account/get-account", "/"])
async def test_the_global_host_answers_discovery_only(client: Client, path: str) -> None:
    reply = await client.send("POST", client.sandbox.global_url + path, json={})
    assert reply.status == 404


async def test_the_wrong_verb_is_a_405(client: Client) -> None:
    reply = await client.send("GET", client.sandbox.regional_url + "/api/login/login")
    assert reply.status == 405


@pytest.mark.parametrize("scheme", ["Basic-Cloud", "Basic-AD"])
async def test_login_hands_out_a_binding(client: Client, scheme: str) -> None:
    reply = await client.login(scheme=scheme)
    assert reply.status == 200
    assert reply.first["bindingType"] == "one_step"
    assert reply.first["duration"] == 43_200_000
    assert reply.first["username"] == known.DEMO_EMAIL
    assert {"accessKey", "secretKey", "extendOnValidate", "lastUserToken"} <= set(reply.first)


async def test_two_logins_make_two_bindings(client: Client) -> None:
    assert (await client.bind()).access != (await client.bind()).access


@pytest.mark.parametrize("address,password", [(known.DEMO_EMAIL, "wrong"), ("ghost@example.test", known.DEMO_PASSWORD)])
async def test_a_wrong_password_and_an_unknown_user_look_the_same(client: Client, address: str, password: str) -> None:
    reply = await client.login(address, password)
    assert (reply.status, reply.code) == (401, "err_xdk_invalid_credentials")
    assert reply.document["fail"][0]["key"] == address


async def test_a_type_that_the_user_may_not_use_is_refused_with_sub_code_0001(client: Client) -> None:
    reply = await client.login(known.DEMO_MINIMAL_EMAIL, scheme="Basic-AD")
    assert reply.status == 401
    assert reply.document["fail"][0]["errors"][0]["message"].startswith("0001")


@pytest.mark.parametrize(
    "attribute,code",
    [
        ("locked", "err_xdk_account_locked"),
        ("two_step", "err_xdk_two_step_required"),
        ("password_expired", "err_xdk_password_expired"),
    ],
)
async def test_a_user_in_a_bad_way_cannot_sign_in(client: Client, attribute: str, code: str) -> None:
    setattr(client.sandbox.world.users[known.DEMO_EMAIL], attribute, True)
    reply = await client.login()
    assert (reply.status, reply.code) == (401, code)


async def test_a_user_is_locked_after_so_many_wrong_passwords(client: Client) -> None:
    client.sandbox.world.lock_after = 2
    codes = [(await client.login(password="wrong")).code for _ in range(3)]
    assert codes == ["err_xdk_invalid_credentials"] * 2 + ["err_xdk_account_locked"]


async def test_missing_credentials_are_a_400(client: Client) -> None:
    reply = await client.login(password="")
    assert reply.status == 400


@pytest.mark.parametrize("header,status", [("Basic-Cloud !!!", 400), ("Bearer abc", 401), ("", 401)])
async def test_an_authorization_that_is_no_sign_in_is_refused(client: Client, header: str, status: int) -> None:
    headers = client.stamps() | {"Authorization": header}
    body = {"data": [{"userName": known.DEMO_EMAIL}]}
    url = client.sandbox.regional_url + "/api/login/login"
    assert (await client.send("POST", url, headers=headers, json=body)).status == status


async def test_the_body_of_a_login_must_repeat_the_user(client: Client) -> None:
    pair = base64.b64encode(f"{known.DEMO_EMAIL}:{known.DEMO_PASSWORD}".encode()).decode()
    headers = client.stamps() | {"Authorization": f"Basic-Cloud {pair}"}
    url = client.sandbox.regional_url + "/api/login/login"
    for body, status in (({"data": []}, 400), ({"data": [{"username": known.DEMO_EMAIL}]}, 200)):
        assert (await client.send("POST", url, headers=headers, json=body)).status == status


async def test_a_body_that_is_not_json_is_a_400(client: Client) -> None:
    url = client.sandbox.global_url + "/api/login/discover-authentication"
    reply = await client.send("POST", url, headers=client.stamps(), data=b"{")
    assert (reply.status, reply.code) == (400, "err_malformed_request")


@pytest.mark.parametrize("address,code", [(None, "err_validation_null"), (" ", "err_validation_blank")])
async def test_a_missing_or_blank_field_is_named_inside_http_200(client: Client, address: Any, code: str) -> None:
    reply = await client.discover(address)
    assert (reply.status, reply.code) == (200, code)
    assert reply.document["fail"][0]["errors"][0]["field"] == "emailAddress"


async def test_a_binding_of_a_user_who_is_gone_is_refused(client: Client) -> None:
    keys = await client.bind()
    del client.sandbox.world.users[known.DEMO_EMAIL]
    assert (await client.account(keys)).status == 401


async def test_a_user_holds_only_so_many_bindings(client: Client) -> None:
    """A fourth login is refused, a logout makes room again, another user is not concerned."""
    held = [await client.bind() for _ in range(3)]
    assert (await client.login()).status == 409
    assert (await client.login(known.DEMO_MINIMAL_EMAIL)).status == 200
    assert (await client.logout(held[0], held[1].access)).status == 200
    assert (await client.login()).status == 200


async def test_a_signed_call_shows_the_account_and_not_a_field_company(client: Client) -> None:
    reply = await client.account(await client.bind())
    assert reply.status == 200
    assert reply.first["accountName"] == known.DEMO_COMPANY
    assert reply.first["accountCode"] == known.DEMO_ACCOUNT_CODE
    assert reply.first["region"] == "us"
    assert reply.first["passphrase"] == known.DEMO_PASSPHRASE
    assert "company" not in reply.first
    assert "mailPlatform" not in reply.first


async def test_the_order_of_packages_changes_from_call_to_call(client: Client) -> None:
    keys = await client.bind()
    one, two = [(await client.account(keys)).first["packages"] for _ in range(2)]
    assert one != two
    assert sorted(one) == sorted(two)


async def test_every_wrong_part_of_a_signature_gets_the_same_answer(client: Client) -> None:
    """Access key, secret and application key cannot be told apart, as recorded."""
    keys = await client.bind()
    other = await client.bind()
    mixed = type(keys)(keys.access, other.secret)
    unknown = type(keys)("unknown", keys.secret)
    replies = [
        await client.account(mixed),
        await client.account(unknown),
        await client.account(keys, application_key="wrong"),
    ]
    assert {(reply.status, reply.code) for reply in replies} == {(401, "err_xdk_invalid_signature")}
    assert len({reply.raw for reply in replies}) == 1


async def test_a_blank_after_the_colon_of_the_signature_is_tolerated(client: Client) -> None:
    keys = await client.bind()
    path = "/api/account/get-account"
    stamps = client.stamps()
    made = signature(
        base64.b64decode(keys.secret),
        date=stamps["x-mc-date"],
        request_id=stamps["x-mc-req-id"],
        path=path,
        application_key=known.DEMO_APPLICATION_KEY,
    )
    stamps["Authorization"] = f"MC {keys.access}: {made}"
    url = client.sandbox.regional_url + path
    assert (await client.send("POST", url, headers=stamps, json={"data": []})).status == 200


@pytest.mark.parametrize(
    "header,status", [("Authorization", 401), ("x-mc-date", 400), ("x-mc-req-id", 400), ("x-mc-app-id", 400)]
)
async def test_every_header_is_demanded(client: Client, header: str, status: int) -> None:
    stamps = client.stamps() | {"Authorization": "MC access:signature"}
    del stamps[header]
    url = client.sandbox.regional_url + "/api/account/get-account"
    assert (await client.send("POST", url, headers=stamps, json={"data": []})).status == status


@pytest.mark.parametrize(
    "change",
    [{"x_mc_date": "Tue, 24 Nov 2015 12:50:11 GMT"}, {"x_mc_req_id": "not-a-guid"}],
    ids=["a date in GMT", "a request id that is no GUID"],
)
async def test_a_malformed_header_is_a_400(client: Client, change: dict[str, str]) -> None:
    assert (await client.login(**change)).status == 400


async def test_a_date_far_from_the_service_time_is_refused(client: Client) -> None:
    reply = await client.login(x_mc_date="Tue, 24 Nov 2015 12:50:11 UTC")
    assert reply.status == 401


async def test_an_unknown_application_is_a_failure_inside_http_200(client: Client) -> None:
    reply = await client.login(x_mc_app_id="00000000-0000-0000-0000-000000000000")
    assert (reply.status, reply.code) == (200, "err_developer_key")
    assert reply.document["fail"][0]["errors"][0]["message"].startswith("App ID is invalid: ")


@pytest.mark.parametrize("body", [[], {"data": 7}, {}], ids=repr)
async def test_a_body_without_a_data_array_is_a_400(client: Client, body: Any) -> None:
    keys = await client.bind()
    assert (await client.signed(keys, "/api/account/get-account", body=body)).status == 400


async def test_an_expired_binding_is_a_418_until_it_is_refreshed(client: Client, clock: Clock) -> None:
    """The refresh gives the same pair of keys, valid for another lifetime, and needs the password."""
    keys = await client.bind()
    clock.pass_by(hours=12)
    late = await client.account(keys)
    assert (late.status, late.code) == (418, "err_xdk_binding_expired")
    assert (await client.login(password="wrong", refresh=keys.access)).status == 401
    assert (await client.account(keys)).status == 418
    fresh = await client.login(refresh=keys.access)
    assert (fresh.first["accessKey"], fresh.first["secretKey"]) == (keys.access, keys.secret)
    clock.pass_by(hours=11)
    assert (await client.account(keys)).status == 200


async def test_refreshing_needs_no_further_binding(client: Client) -> None:
    """At the user's limit a refresh still works, which is why clients have to refresh."""
    held = [await client.bind() for _ in range(3)]
    assert (await client.login(refresh=held[0].access)).status == 200


async def test_somebody_else_s_key_or_an_unknown_one_cannot_be_refreshed(client: Client) -> None:
    keys = await client.bind()
    assert (await client.login(known.DEMO_MINIMAL_EMAIL, refresh=keys.access)).status == 401
    assert (await client.login(refresh="unknown")).status == 401


async def test_keys_that_never_expire_outlive_a_year(client: Client, clock: Clock) -> None:
    client.sandbox.world.keys.lifetime = None
    reply = await client.login()
    assert reply.first["duration"] == 0
    clock.pass_by(days=400)
    keys = await client.bind()
    assert (await client.account(keys)).status == 200


async def test_a_logged_out_key_is_unknown(client: Client) -> None:
    keys = await client.bind()
    assert (await client.logout(keys)).status == 200
    assert (await client.account(keys)).status == 401


async def test_a_foreign_key_cannot_be_logged_out(client: Client) -> None:
    mine, theirs = await client.bind(), await client.bind(known.DEMO_MINIMAL_EMAIL)
    assert (await client.logout(mine, theirs.access)).document["fail"]
    assert (await client.profile(theirs)).status == 200
