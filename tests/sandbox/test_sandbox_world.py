"""Roles, allowances, clock and plausibility: what the world behind API 1.0 allows to whom."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from daemon.sandbox import Sandbox
from daemon.sandbox import world as known

if TYPE_CHECKING:
    from tests.sandbox.conftest import Client, Clock


@pytest.mark.parametrize(
    "address,account,profile",
    [
        (known.DEMO_EMAIL, 200, "Basic Administrator"),
        (known.DEMO_MINIMAL_EMAIL, 403, "Synchronization Engine Administrator"),
        (known.DEMO_HELP_DESK_EMAIL, 403, "Help Desk"),
    ],
)
async def test_the_role_decides_who_reads_the_account_and_all_read_their_profile(
    client: Client, address: str, account: int, profile: str
) -> None:
    keys = await client.bind(address)
    assert (await client.account(keys)).status == account
    own = (await client.profile(keys, address)).first
    assert (own["role"], own["companyName"]) == (profile, known.DEMO_COMPANY)
    assert own["accountCode"] == known.DEMO_ACCOUNT_CODE


async def test_without_a_role_neither_account_nor_profile_can_be_read(client: Client) -> None:
    keys = await client.bind(known.DEMO_NO_ROLE_EMAIL)
    assert (await client.account(keys)).status == 403
    assert (await client.profile(keys)).status == 403


async def test_a_profile_of_somebody_else_needs_rights_and_an_address_of_the_account(client: Client) -> None:
    strong, weak = await client.bind(), await client.bind(known.DEMO_MINIMAL_EMAIL)
    assert (await client.profile(strong, known.DEMO_HELP_DESK_EMAIL)).first["role"] == "Help Desk"
    for reply in (await client.profile(weak, known.DEMO_EMAIL), await client.profile(strong, "x@y.test")):
        assert (reply.status, reply.code) == (403, "err_xdk_operation_forbidden_for_address")


async def test_the_rate_limit_headers_count_down_and_reset_in_milliseconds(client: Client, clock: Clock) -> None:
    """800 for a known key, 5000 for an unknown one, on 200 and on 401."""
    keys = await client.bind()
    first = (await client.account(keys)).headers
    clock.pass_by(seconds=1)
    second = (await client.account(keys)).headers
    assert [first["X-RateLimit-Limit"], first["X-RateLimit-Remaining"]] == ["800", "799"]
    assert [second["X-RateLimit-Remaining"], second["X-RateLimit-Reset"]] == ["798", "4000"]
    unknown = await client.account(type(keys)("unknown", keys.secret))
    assert (unknown.status, unknown.headers["X-RateLimit-Limit"]) == (401, "5000")


async def test_above_the_limit_a_call_is_a_429_until_the_interval_ends(client: Client, clock: Clock) -> None:
    keys = await client.bind()
    held = client.sandbox.world.keys.find(keys.access)
    assert held is not None
    held.allowance.limit = 1
    assert [(await client.account(keys)).status for _ in range(2)] == [200, 429]
    clock.pass_by(seconds=5)
    assert (await client.account(keys)).status == 200


async def test_the_date_header_follows_the_service_clock(client: Client, sandbox: Sandbox) -> None:
    assert (await client.discover()).headers["Date"] == "Wed, 04 Mar 2026 05:06:07 GMT"


async def test_a_changed_password_counts_at_once_and_leaves_bindings_alone(client: Client) -> None:
    keys = await client.bind()
    client.sandbox.world.set_password(known.DEMO_EMAIL, "new")
    assert (await client.login()).status == 401
    assert (await client.login(password="new")).status == 200
    assert (await client.account(keys)).status == 200


def test_an_account_in_the_wrong_region_is_no_plausible_world() -> None:
    with pytest.raises(known.ImplausibleWorld, match="region 'de'"):
        known.empty_world(key_lifetime=timedelta(hours=1)).add_account(
            known.Account(code="CUSA1", name="X", region="de", domains=("x.test",), admin_email="a@x.test")
        )


def test_a_user_of_an_unknown_account_is_no_plausible_world() -> None:
    with pytest.raises(known.ImplausibleWorld, match="unknown account"):
        known.empty_world().add_user(known.User(address="a@x.test", password="p", account_code="none"))


def test_nothing_secret_shows_in_a_repr() -> None:
    """A failing assertion or a log line of a world must not spell a password."""
    shown = repr(known.small_world())
    for secret in (
        known.DEMO_PASSWORD,
        known.DEMO_CLIENT_SECRET,
        known.DEMO_APPLICATION_KEY,
        known.DEMO_PASSPHRASE,
    ):
        assert secret not in shown
