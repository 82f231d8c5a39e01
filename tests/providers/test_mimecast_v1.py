"""Answers that the sandbox never gives: API 1.0 before a server that says just what it is told."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from daemon.ports import Cloud, Credentials, Keys, Place, ProviderFault, Route, Secret
from daemon.providers.clouds import MimecastClouds
from daemon.providers.http import HttpClients
from states import Fault
from tests.clock import ManualClock
from tests.contracts.cloud import assert_tells_no_secret
from tests.providers.conftest import Authority, Servers, answering, http

CREDENTIALS = Credentials(
    method="cloud",
    email="sync@example.test",
    password=Secret("a password of a test"),
    application_id="an-id",
    application_key=Secret("a key of a test"),
)
PAIR = {"accessKey": "access-of-a-test", "secretKey": "c2VjcmV0LW9mLWEtdGVzdA=="}


class Stage:
    """An adapter before a server that gives one answer to everything."""

    def __init__(self, clients: HttpClients, clock: ManualClock, authority: Authority, servers: Servers) -> None:
        self.clients, self.clock, self.authority, self.servers = clients, clock, authority, servers
        self.place: Place

    async def cloud(self, document: Any, *, status: str = "200 OK") -> Cloud:
        response = http(json.dumps(document).encode(), status=status)
        port = await self.servers.open(answering(response), self.authority.good())
        self.place = Place(base_url=f"https://localhost:{port}", region="us")
        clouds = MimecastClouds(self.clients, clock=self.clock)
        route = Route(ca_file=str(self.authority.ca_file))
        return clouds.cloud("cloud", route, service_url=self.place.base_url, trusted_suffixes=("localhost",))

    async def login(self, **answer: Any) -> Keys:
        cloud = await self.cloud({"meta": {"status": 200}, "data": [answer], "fail": []})
        return await cloud.authenticate(self.place, CREDENTIALS, refresh=None)

    def keys(self, **changes: str) -> Keys:
        values = {
            "access_key": PAIR["accessKey"],
            "secret_key": PAIR["secretKey"],
            "application_id": "an-id",
            "application_key": "a key of a test",
        } | changes
        return Keys(
            method="cloud",
            base_url=self.place.base_url,
            region="us",
            email=CREDENTIALS.email,
            identity="i",
            expires_at=None,
            values={name: Secret(value) for name, value in values.items() if value},
        )


@pytest.fixture
def stage(clients: HttpClients, clock: ManualClock, authority: Authority, servers: Servers) -> Stage:
    return Stage(clients, clock, authority, servers)


@pytest.mark.parametrize("duration", [None, 0, -1, True, "soon", 10**30, 1e300])
async def test_a_duration_that_says_nothing_means_never(stage: Stage, duration: Any) -> None:
    """No expiry is invented, and no number is too large to be read."""
    assert (await stage.login(**PAIR, duration=duration)).expires_at is None


async def test_a_duration_is_in_milliseconds(stage: Stage, clock: ManualClock) -> None:
    keys = await stage.login(**PAIR, duration=43_200_000)
    assert keys.expires_at == clock.now() + timedelta(hours=12)


@pytest.mark.parametrize(
    "pair",
    [
        {},
        {"accessKey": PAIR["accessKey"]},
        {"secretKey": PAIR["secretKey"]},
        PAIR | {"secretKey": "not base64!"},
        PAIR | {"secretKey": ""},
        PAIR | {"secretKey": "schlüssel"},
        PAIR | {"accessKey": ["x"]},
    ],
)
async def test_a_login_without_a_usable_pair_is_no_login(stage: Stage, pair: dict[str, Any]) -> None:
    """It is noticed now, not at the first signed call."""
    with pytest.raises(ProviderFault, match="lacks the pair of keys") as caught:
        await stage.login(**pair)
    assert caught.value.fault is Fault.ANSWER_MALFORMED
    assert_tells_no_secret(caught.value, {"a password of a test", PAIR["secretKey"]})


async def test_a_refresh_that_does_not_repeat_the_pair_keeps_it(stage: Stage) -> None:
    cloud = await stage.cloud({"meta": {"status": 200}, "data": [{"duration": 1000}], "fail": []})
    held = stage.keys()
    extended = await cloud.authenticate(stage.place, CREDENTIALS, refresh=held)
    assert extended.values == held.values
    assert extended.expires_at is not None


async def test_stored_keys_that_are_damaged_are_no_crash(stage: Stage) -> None:
    """The vault is ours, but it may have been restored from anything."""
    cloud = await stage.cloud({})
    for damaged in (stage.keys(secret_key="not base64!"), stage.keys(access_key="")):
        with pytest.raises(ProviderFault) as caught:
            await cloud.verify(damaged)
        assert caught.value.fault is Fault.KEYS_REFUSED


@pytest.mark.parametrize("listed", [None, [], "Basic-AD", [7]])
async def test_a_discovery_that_lists_no_types_refuses_none(stage: Stage, listed: Any) -> None:
    """Only a list that names others proves that ours is not allowed."""
    cloud = await stage.cloud({"data": [{"authenticate": listed, "region": {"api": "https://localhost:1"}}]})
    assert (await cloud.discover(CREDENTIALS)).authentication_types == ()


@pytest.mark.parametrize("region", [None, {}, "https://localhost", {"api": ""}, {"api": None}])
async def test_a_discovery_without_a_region_knows_no_account(stage: Stage, region: Any) -> None:
    cloud = await stage.cloud({"data": [{"region": region}]})
    with pytest.raises(ProviderFault, match=r"example\.test") as caught:
        await cloud.discover(CREDENTIALS)
    assert caught.value.fault is Fault.ADDRESS_UNKNOWN


def refused(code: str, message: str) -> dict[str, Any]:
    return {"meta": {"status": 200}, "data": [], "fail": [{"errors": [{"code": code, "message": message}]}]}


async def test_a_logout_of_unknown_keys_is_well(stage: Stage) -> None:
    """The service says so inside an HTTP 200."""
    cloud = await stage.cloud(refused("err_xdk_binding_not_found", "Access key not found"))
    await cloud.revoke(stage.keys())


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found"])
async def test_a_logout_that_fails_otherwise_is_no_end(stage: Stage, status: str) -> None:
    """Keys are forgotten only when it is known that they ended."""
    code = "err_new" if status.startswith("200") else "err_not_found"
    cloud = await stage.cloud(refused(code, "No such path"), status=status)
    with pytest.raises(ProviderFault):
        await cloud.revoke(stage.keys())
