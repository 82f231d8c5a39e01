"""The control under `/sandbox/`: what it shows, what it changes, whom it refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from daemon.sandbox import Trouble
from daemon.sandbox import world as known

if TYPE_CHECKING:
    from tests.sandbox.conftest import Client, Clock


async def test_the_state_shows_troubles_users_keys_and_counts_and_no_secret(client: Client) -> None:
    keys, token = await client.bind(), await client.bearer()
    await client.control("trouble", name="throttled", times=3, endpoint="profile")
    state = await client.state()
    assert state["troubles"] == [
        {"name": "throttled", "endpoints": ["profile"], "remaining": 3, "seconds": 2.0, "strikes": 0}
    ]
    assert {user["email"] for user in state["users"]} == set(client.sandbox.world.users)
    assert state["keys"][0]["email"] == known.DEMO_EMAIL
    assert state["keys"][0]["expires_at"] == "2026-03-04T17:06:07Z"
    assert state["calls"] == {"login": 1, "token": 1} == client.sandbox.calls
    shown = json.dumps(state)
    for secret in (
        keys.access,
        keys.secret,
        token,
        known.DEMO_PASSWORD,
        known.DEMO_APPLICATION_KEY,
        known.DEMO_CLIENT_SECRET,
        known.DEMO_PASSPHRASE,
    ):
        assert secret not in shown


async def test_the_catalogue_lists_every_trouble_with_help(client: Client) -> None:
    reply = await client.send("GET", client.sandbox.global_url + "/sandbox/troubles")
    listed = {item["name"]: item for item in reply.document["troubles"]}
    assert set(listed) == {trouble.label for trouble in Trouble}
    assert listed["slow"]["seconds"] == 5.0
    assert listed["two-step"]["endpoints"] == ["login"]


async def test_a_password_is_changed(client: Client) -> None:
    reply = await client.control("password", email=known.DEMO_EMAIL.upper(), password="new one")
    assert reply.status == 200
    assert "new one" not in reply.raw.decode()
    assert (await client.login()).status == 401
    assert (await client.login(password="new one")).status == 200


async def test_a_role_is_changed(client: Client) -> None:
    keys = await client.bind()
    reply = await client.control("role", email=known.DEMO_EMAIL, role="Help Desk")
    assert reply.status == 200
    assert (await client.account(keys)).status == 403


async def test_revoking_drops_every_key_and_token(client: Client) -> None:
    keys, token = await client.bind(), await client.bearer()
    assert (await client.control("revoke")).document == {"revoked_keys": 1, "revoked_tokens": 1}
    assert (await client.account(keys)).status == 401
    reply = await client.services(token, "GET", "/identity/whoami")
    assert reply.code == "token_verification_failed"


async def test_the_lifetime_of_new_keys_is_changed(client: Client, clock: Clock) -> None:
    assert (await client.control("lifetime", seconds=60)).status == 200
    keys = await client.bind()
    clock.pass_by(seconds=60)
    assert (await client.account(keys)).status == 418
    await client.control("lifetime", seconds=None)
    assert (await client.state())["key_lifetime_seconds"] is None


@pytest.mark.parametrize(
    "action,body,words",
    [
        ("trouble", {}, "name is needed"),
        ("trouble", {"name": "zzz"}, "unknown trouble"),
        ("trouble", {"name": "slow", "times": "many"}, "times must be a whole number"),
        ("trouble", {"name": "slow", "times": True}, "times must be a whole number"),
        ("trouble", {"name": "slow", "seconds": "long"}, "seconds must be a number"),
        ("trouble", {"name": "slow", "endpoint": 7}, "endpoint must be a text"),
        ("trouble", {"name": "slow", "second": 7}, "unknown field 'second'"),
        ("heal", {"name": "zzz"}, "unknown trouble"),
        ("heal", {"name": 7}, "name is needed"),
        ("password", {"email": "ghost@example.test", "password": "x"}, "there is no user"),
        ("password", {"email": known.DEMO_EMAIL}, "password is needed"),
        ("role", {"email": known.DEMO_EMAIL, "role": "King"}, "role must be one of"),
        ("revoke", {"all": True}, "unknown field 'all'"),
        ("lifetime", {}, "seconds is needed"),
        ("lifetime", {"seconds": -1}, "seconds must lie"),
    ],
)
async def test_nonsense_is_a_400_with_a_clear_text(
    client: Client, action: str, body: dict[str, Any], words: str
) -> None:
    reply = await client.control(action, **body)
    assert reply.status == 400
    assert words in reply.document["error"]
    assert not client.sandbox.script.active


@pytest.mark.parametrize(
    "content,words",
    [(b"{", "not JSON"), (b"[]", "JSON object"), (b" " * 70_000, "larger than 64 KiB")],
    ids=["not JSON", "no object", "too large"],
)
async def test_a_body_that_is_no_object_is_a_400(client: Client, content: bytes, words: str) -> None:
    reply = await client.send("POST", client.sandbox.global_url + "/sandbox/heal", data=content)
    assert reply.status == 400
    assert words in reply.document["error"]


@pytest.mark.parametrize(
    "headers",
    [{"Host": "attacker.example"}, {"Host": "localhost.attacker.example:1"}, {"Origin": "https://localhost"}],
    ids=str,
)
async def test_a_web_page_and_a_foreign_name_are_refused(client: Client, headers: dict[str, str]) -> None:
    url = client.sandbox.global_url + "/sandbox/trouble"
    reply = await client.send("POST", url, headers=headers, json={"name": "reset"})
    assert reply.status == 403
    assert not client.sandbox.script.active


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:9", "[::1]:443", "[::1]"])
async def test_every_name_of_this_machine_is_accepted(client: Client, host: str) -> None:
    url = client.sandbox.global_url + "/sandbox/state"
    assert (await client.send("GET", url, headers={"Host": host})).status == 200


async def test_unknown_paths_and_verbs_name_what_there_is(client: Client) -> None:
    missing = await client.control("explode")
    assert missing.status == 404
    assert "POST /sandbox/trouble" in missing.document["error"]
    assert (await client.send("GET", client.sandbox.global_url + "/sandbox/heal")).status == 405


async def test_the_control_exists_on_the_global_host_only(client: Client) -> None:
    for host in (client.sandbox.regional_url, client.sandbox.services_url):
        assert (await client.send("GET", host + "/sandbox/state")).status == 404


async def test_the_control_stays_reachable_whatever_trouble_is_in_force(client: Client) -> None:
    for name in ("reset", "slow", "huge-body", "forged-certificate"):
        client.sandbox.script.start(name)
    assert (await client.control("heal")).document["active"] == []
