"""The sign-in at a proxy: what its refusal says, and how long a refused one rests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daemon.ports import ProviderFault, Route, Secret
from daemon.providers.failure import proxy_refused, schemes_in, target_of
from daemon.providers.http import HttpClients
from daemon.providers.proxy_refusals import PAUSE, ProxyRefusals
from states import Fault
from tests.clock import ManualClock
from tests.providers.conftest import Authority, Proxy, Servers, answering, http

ROUTE = Route(
    use_proxy=True,
    proxy_host="proxy.example.test",
    proxy_port=3128,
    proxy_username="svc",
    proxy_password=Secret("wrong"),
)

CHALLENGES = {
    'Basic realm="x"': ["Basic"],
    "Negotiate": ["Negotiate"],
    'Negotiate, NTLM, Basic realm="a, b"': ["Negotiate", "NTLM", "Basic"],
    'Digest realm="x", nonce="Basic, y", qop="auth", Basic realm="\\"z"': ["Digest", "Basic"],
    "basic realm = x , Basic": ["Basic"],
    "Negotiate TlRMTVNTUAAB==": ["Negotiate"],
    "": [],
    '="x", <script>': [],
}


@pytest.mark.parametrize("header", CHALLENGES)
def test_every_scheme_of_a_header_is_found(header: str) -> None:
    """One header may list several challenges, and their parameters are no schemes."""
    assert schemes_in([header]) == CHALLENGES[header]


@pytest.mark.parametrize(
    "route, headers, says",
    [
        (ROUTE, ["Basic realm=x"], "did not accept the name and password (it offers Basic, sitebind speaks Basic)"),
        (
            ROUTE,
            ["NTLM", "Basic"],
            "did not accept the name and password (it offers NTLM, Basic, sitebind speaks Basic)",
        ),
        (ROUTE, [], "did not accept the name and password (it names no scheme, sitebind speaks Basic)"),
        (
            replace(ROUTE, proxy_username=""),
            ["Basic"],
            "(it offers Basic, sitebind speaks Basic), and none is configured",
        ),
        (ROUTE, ["NTLM"], "it offers NTLM, but sitebind signs in with Basic only: have the proxy offer Basic"),
        (ROUTE, ["Negotiate, NTLM"], "it offers Negotiate, NTLM, but sitebind signs in with Basic only"),
        (replace(ROUTE, proxy_username="jürgen"), ["Basic"], "characters beyond ASCII in them are sent as UTF-8"),
        (replace(ROUTE, proxy_source="HTTPS_PROXY"), ["Basic"], "proxy.example.test:3128 (from HTTPS_PROXY) answered"),
    ],
)
def test_a_refused_sign_in_says_what_is_offered_and_what_is_spoken(route: Route, headers: list[str], says: str) -> None:
    """The reader learns whether the name, the password or the scheme is the trouble."""
    fault = proxy_refused(target_of(route, "api.example.test", 443), status=407, schemes=headers)
    assert fault.fault is Fault.PROXY_AUTHENTICATION
    assert says in fault.detail
    assert "wrong" not in fault.detail


async def test_a_refused_sign_in_rests(clock: ManualClock) -> None:
    """For every site that shares it, until the time is over, it changes, or it is accepted after all."""
    refusals = ProxyRefusals(clock.monotonic)
    refusals.check(ROUTE, proxy="p")
    refusals.note(ROUTE, Fault.PROXY_AUTHENTICATION)
    with pytest.raises(ProviderFault, match="not tried again for 15 min") as caught:
        refusals.check(replace(ROUTE, no_proxy=("other.example.test",)), proxy="p")
    assert caught.value.fault is Fault.PROXY_AUTHENTICATION
    for other in ({"proxy_password": Secret("right")}, {"proxy_username": "other"}, {"proxy_port": 8080}):
        refusals.check(replace(ROUTE, **other), proxy="p")  # type: ignore[arg-type]
    await clock.advance(PAUSE)
    refusals.check(ROUTE, proxy="p")
    refusals.note(ROUTE, Fault.PROXY_AUTHENTICATION)
    refusals.note(ROUTE, Fault.TIMED_OUT)
    with pytest.raises(ProviderFault):
        refusals.check(ROUTE, proxy="p")
    refusals.note(ROUTE, None)
    refusals.check(ROUTE, proxy="p")


async def test_where_no_sign_in_was_given_nothing_has_to_rest(clock: ManualClock) -> None:
    refusals, nameless = ProxyRefusals(clock.monotonic), replace(ROUTE, proxy_username="", proxy_password=None)
    refusals.note(nameless, Fault.PROXY_AUTHENTICATION)
    refusals.check(nameless, proxy="p")


async def test_calls_rest_and_the_connect_step_always_tries(
    clients: HttpClients, authority: Authority, servers: Servers
) -> None:
    """After a person mended the proxy, one bind is enough for everything to go on."""
    proxy = Proxy(refusal=http(b"", status="407 No", headers="Proxy-Authenticate: Basic\r\n"))
    port = await servers.open(answering(http()), authority.good())
    route = replace(
        ROUTE, proxy_host="127.0.0.1", proxy_port=await servers.open(proxy.handle), ca_file=str(authority.ca_file)
    )
    client, url = clients.client(route), f"https://localhost:{port}"

    async def call() -> int:
        return (await client.call("GET", f"{url}/", endpoint="login", headers={})).status

    for asked in (1, 1):
        with pytest.raises(ProviderFault) as caught:
            await call()
        assert caught.value.fault is Fault.PROXY_AUTHENTICATION
        assert len(proxy.seen) == asked
    for asked in (2, 3):
        with pytest.raises(ProviderFault):
            await client.reach(url)
        assert len(proxy.seen) == asked
    proxy.refusal = b""
    await client.reach(url)
    assert await call() == 200
