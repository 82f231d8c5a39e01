"""Every trouble has an effect that a client sees, ends when it should, and refuses senseless parameters."""

from __future__ import annotations

import errno
import json
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from daemon.sandbox import BadTrouble, Endpoint, Script, Trouble
from daemon.sandbox import tenant as known_mailboxes
from daemon.sandbox import world as known
from tests.sandbox.cloud_troubles import IN_THE_CLOUD
from tests.sandbox.exchange_client import on_premises
from tests.sandbox.exchange_troubles import ON_PREMISES

if TYPE_CHECKING:
    from tests.sandbox.conftest import Client

ACCOUNT = "/api/account/get-account"


async def login_says(client: Client, status: int, code: str) -> None:
    reply = await client.login()
    assert (reply.status, reply.code) == (status, code)


async def no_password_is_right(client: Client) -> None:
    await login_says(client, 401, "err_xdk_invalid_credentials")
    assert (await client.token()).document["error"] == "invalid_client"


async def the_account_is_locked(client: Client) -> None:
    await login_says(client, 401, "err_xdk_account_locked")


async def two_steps_are_demanded(client: Client) -> None:
    await login_says(client, 401, "err_xdk_two_step_required")


async def nothing_may_be_read(client: Client) -> None:
    keys, token = await client.bind(), await client.bearer()
    assert (await client.account(keys)).status == 403
    assert (await client.profile(keys)).status == 403
    assert (await client.services(token, "POST", ACCOUNT, json={"data": []})).code == "app_forbidden"


async def the_profile_alone_may_be_read(client: Client) -> None:
    keys = await client.bind()
    assert (await client.account(keys)).status == 403
    assert (await client.profile(keys)).first["role"] == "Synchronization Engine Administrator"


async def no_region_is_known(client: Client) -> None:
    assert "region" not in (await client.discover()).first


async def the_application_is_unknown(client: Client) -> None:
    reply = await client.discover()
    assert (reply.status, reply.code) == (200, "err_developer_key")
    await login_says(client, 200, "err_developer_key")
    assert (await client.token()).document["error"] == "invalid_client"


async def the_region_is_wrong(client: Client) -> None:
    await login_says(client, 403, "err_audit_log_incorrect_region")


async def no_password_sign_in_is_allowed(client: Client) -> None:
    assert not {"Basic-Cloud", "Basic-AD"} & set((await client.discover()).first["authenticate"])
    await login_says(client, 401, "err_xdk_authentication_type_not_supported")


async def the_caller_is_slowed_down(client: Client) -> None:
    for reply in (await client.discover(), await client.token()):
        assert reply.status == 429
        assert reply.headers["X-RateLimit-Reset"] == "2000"
        assert reply.headers["X-RateLimit-Remaining"] == "0"


async def the_service_fails_in_two_ways(client: Client) -> None:
    assert [(await client.discover()).status for _ in range(3)] == [500, 503, 500]


async def the_body_is_empty(client: Client) -> None:
    reply = await client.discover()
    assert (reply.status, reply.raw) == (200, b"")


async def the_body_is_not_json(client: Client) -> None:
    reply = await client.discover()
    assert reply.status == 200
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(reply.raw)


async def the_body_has_no_known_shape(client: Client) -> None:
    reply = await client.discover()
    assert reply.status == 200
    assert not isinstance(reply.document["data"], list)


async def the_body_is_huge_and_not_announced(client: Client) -> None:
    url = client.sandbox.global_url + "/api/login/discover-authentication"
    async with client.session.post(url) as response:
        assert "Content-Length" not in response.headers
        size = 0
        async for chunk in response.content.iter_any():
            size += len(chunk)
    assert size > 40 * 2**20


async def the_connection_is_reset(client: Client) -> None:
    with pytest.raises(aiohttp.ClientOSError) as caught:
        await client.discover()
    assert caught.value.errno == errno.ECONNRESET


async def half_a_body_arrives(client: Client) -> None:
    with pytest.raises(aiohttp.ClientPayloadError):
        await client.discover()


async def the_clocks_disagree(client: Client) -> None:
    assert (await client.discover()).headers["Date"] == "Wed, 04 Mar 2026 06:06:07 GMT"
    await login_says(client, 401, "err_xdk_request_expired")


async def discovery_points_elsewhere(client: Client) -> None:
    assert (await client.discover()).first["region"]["api"] == "https://attacker.example"


def certificate_says(words: str) -> Callable[[Client], Awaitable[None]]:
    async def seen(client: Client) -> None:
        with pytest.raises(aiohttp.ClientConnectorCertificateError) as caught:
            await client.login()
        assert words in str(caught.value)
        assert (await client.discover()).status == 200

    return seen


SEEN: dict[Trouble, Callable[[Client], Awaitable[None]]] = {
    Trouble.WRONG_PASSWORD: no_password_is_right,
    Trouble.LOCKED_ACCOUNT: the_account_is_locked,
    Trouble.TWO_STEP: two_steps_are_demanded,
    Trouble.MISSING_ROLE: nothing_may_be_read,
    Trouble.MINIMAL_ROLE: the_profile_alone_may_be_read,
    Trouble.UNKNOWN_DOMAIN: no_region_is_known,
    Trouble.BAD_APPLICATION: the_application_is_unknown,
    Trouble.WRONG_REGION: the_region_is_wrong,
    Trouble.FORBIDDEN_AUTHENTICATION_TYPE: no_password_sign_in_is_allowed,
    Trouble.THROTTLED: the_caller_is_slowed_down,
    Trouble.SERVICE_ERROR: the_service_fails_in_two_ways,
    Trouble.EMPTY_BODY: the_body_is_empty,
    Trouble.MALFORMED_BODY: the_body_is_not_json,
    Trouble.WRONG_SHAPE: the_body_has_no_known_shape,
    Trouble.HUGE_BODY: the_body_is_huge_and_not_announced,
    Trouble.RESET: the_connection_is_reset,
    Trouble.HALF_BODY: half_a_body_arrives,
    Trouble.CLOCK_SKEW: the_clocks_disagree,
    Trouble.UNTRUSTED_BASE: discovery_points_elsewhere,
    Trouble.EXPIRED_CERTIFICATE: certificate_says("expired"),
    Trouble.FORGED_CERTIFICATE: certificate_says("unable to get local issuer certificate"),
    **IN_THE_CLOUD,
}
# These touch what was there before them, or only the time; they have tests of their own below.
APART = {Trouble.EXPIRED_BINDING, Trouble.REVOKED_KEYS, Trouble.SLOW}


def test_every_trouble_is_looked_at_here() -> None:
    assert set(SEEN) | set(ON_PREMISES) | APART == set(Trouble)


@pytest.mark.parametrize("trouble", SEEN, ids=lambda trouble: trouble.label)
async def test_a_trouble_is_seen_by_the_client_and_gone_when_healed(client: Client, trouble: Trouble) -> None:
    """Started and healed over the control, as the command line does it."""
    assert (await client.control("trouble", name=trouble.label)).status == 200
    await SEEN[trouble](client)
    assert (await client.control("heal", name=trouble.label)).document["healed"] == [trouble.label]
    assert (await client.discover()).first["region"] == {"api": client.sandbox.regional_url}
    assert (await client.account(await client.bind())).status == 200
    assert (await client.token()).status == 200


@pytest.mark.parametrize("trouble", ON_PREMISES, ids=lambda trouble: trouble.label)
async def test_a_trouble_of_exchange_is_seen_on_premises_and_gone_when_healed(client: Client, trouble: Trouble) -> None:
    """Those that touch the cloud too look different here."""
    client.sandbox.script.start(trouble.label)
    await ON_PREMISES[trouble](client)
    assert client.sandbox.script.heal(trouble.label) == (trouble.label,)
    exchange = on_premises(client)
    assert (await exchange.settings(known_mailboxes.DEMO_MAILBOX)).first("Value").startswith(exchange.url)
    assert (await exchange.inbox(of=known_mailboxes.DEMO_PROBE)).first("ResponseCode") == "NoError"


async def test_expired_bindings_work_again_after_a_refresh_each(client: Client) -> None:
    one, two, token = await client.bind(), await client.bind(), await client.bearer()
    client.sandbox.script.start("expired-binding")
    assert (await client.account(one)).status == 418
    assert (await client.services(token, "GET", "/identity/whoami")).code == "token_expired"
    await client.login(refresh=one.access)
    assert [(await client.account(keys)).status for keys in (one, two)] == [200, 418]
    assert (await client.services(await client.bearer(), "GET", "/identity/whoami")).status == 200
    client.sandbox.script.heal()
    assert (await client.account(two)).status == 200


async def test_revoked_keys_are_unknown_and_new_ones_work(client: Client) -> None:
    keys, token = await client.bind(), await client.bearer()
    client.sandbox.script.start("revoked-keys")
    reply = await client.account(keys)
    assert (reply.status, reply.code) == (401, "err_xdk_invalid_signature")
    assert reply.headers["X-RateLimit-Limit"] == "5000"
    late = await client.services(token, "GET", "/identity/whoami")
    assert late.code == "token_verification_failed"
    assert (await client.account(await client.bind())).status == 200


async def test_slow_answers_late_and_rightly(client: Client) -> None:
    client.sandbox.script.start("slow", seconds=0.2, times=1)
    before = time.monotonic()
    assert (await client.discover()).status == 200
    assert time.monotonic() - before >= 0.2


async def test_a_counted_trouble_ends_by_itself(client: Client) -> None:
    client.sandbox.script.start("throttled", times=2, seconds=0.5)
    replies = [await client.discover() for _ in range(3)]
    assert [reply.status for reply in replies] == [429, 429, 200]
    assert replies[0].headers["X-RateLimit-Reset"] == "500"


async def test_an_aimed_trouble_leaves_the_other_endpoints_alone(client: Client) -> None:
    client.sandbox.script.start("service-error", endpoint="login")
    assert (await client.discover()).status == 200
    assert (await client.login()).status == 500


async def test_troubles_add_up_and_heal_together(client: Client) -> None:
    client.sandbox.script.start("locked-account")
    client.sandbox.script.start("unknown-domain")
    await the_account_is_locked(client)
    await no_region_is_known(client)
    assert client.sandbox.script.heal() == ("locked-account", "unknown-domain")
    assert (await client.login()).status == 200


async def test_a_trouble_started_before_the_sandbox_is_in_force(client: Client) -> None:
    """A certificate chosen while the sandbox was down is shown after the next start."""
    sandbox = client.sandbox
    await sandbox.stop()
    sandbox.script.start("expired-certificate")
    await sandbox.start()
    tls = ssl.create_default_context(cafile=str(sandbox.ca_file))
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await client.send("POST", sandbox.regional_url + "/api/login/login", ssl=tls)


@pytest.mark.parametrize(
    "name,options,words",
    [
        ("wrong-pasword", {}, 'did you mean "wrong-password"'),
        ("zzz", {}, "there are: wrong-password, "),
        ("locked-account", {"endpoint": "account"}, "it can touch: login"),
        ("expired-certificate", {"endpoint": "login"}, "no single endpoint"),
        ("expired-certificate", {"times": 1}, "counts calls only"),
        ("slow", {"times": 0}, "from 1 on"),
        ("slow", {"seconds": 0.0}, "between 0 and 86400"),
        ("slow", {"seconds": 1e9}, "between 0 and 86400"),
        ("reset", {"seconds": 1.0}, "takes no seconds"),
    ],
)
def test_a_senseless_trouble_is_refused_with_the_right_words(name: str, options: dict[str, Any], words: str) -> None:
    script = Script()
    with pytest.raises(BadTrouble, match=words):
        script.start(name, **options)
    assert not script.active


def test_a_trouble_started_again_starts_anew() -> None:
    script = Script()
    script.start("reset", times=1)
    script.start("reset", times=2)
    hits = [script.strikes(Trouble.RESET, Endpoint.LOGIN) is not None for _ in range(3)]
    assert hits == [True, True, False]


def test_every_trouble_has_one_line_of_help() -> None:
    for trouble in Trouble:
        assert trouble.explanation.endswith(".")
        assert "\n" not in trouble.explanation


async def test_wrong_password_leaves_what_is_held_alone(client: Client) -> None:
    """The old binding is still good while a new sign-in is refused."""
    keys = await client.bind()
    client.sandbox.script.start("wrong-password")
    assert (await client.login()).status == 401
    assert (await client.account(keys)).first["accountCode"] == known.DEMO_ACCOUNT_CODE
