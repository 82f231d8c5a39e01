"""Calls against servers that misbehave: every way of failing is its own fault, and none tells a secret."""

from __future__ import annotations

import asyncio
import gzip
import socket
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon.ports import ProviderFault, Route, Secret
from daemon.providers.http import HttpClients, Limits
from daemon.providers.sessions import Sessions
from states import Fault
from tests.clock import ManualClock
from tests.contracts.cloud import assert_tells_no_secret
from tests.providers.conftest import (
    LINGER_NOT,
    Authority,
    Proxy,
    Servers,
    Signer,
    answering,
    head_of,
    http,
    signed,
)

CANARY = f"canary-{uuid.uuid4().hex}"
SECRETS = {CANARY}


def route_with(authority: Authority, **changes: Any) -> Route:
    return replace(Route(ca_file=str(authority.ca_file)), **changes)


def through(port: int, authority: Authority, **changes: Any) -> Route:
    return route_with(authority, use_proxy=True, proxy_host="127.0.0.1", proxy_port=port, **changes)


async def fault_of(clients: HttpClients, route: Route, port: int, *, host: str = "localhost") -> ProviderFault:
    """Call with a secret in header and body, and give the fault after looking for the secret in it."""
    with pytest.raises(ProviderFault) as caught:
        await clients.client(route).call(
            "POST",
            f"https://{host}:{port}/api/test",
            endpoint="login",
            headers={"Authorization": f"Basic-Cloud {CANARY}"},
            request_id="call-4711",
            json={"password": CANARY},
        )
    assert_tells_no_secret(caught.value, SECRETS)
    assert caught.value.__context__ is None
    assert "request id call-4711" in caught.value.detail
    return caught.value


async def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# --- what an answer is -------------------------------------------------------------------------


async def test_an_answer_comes_whole_with_its_id(
    clients: HttpClients, authority: Authority, servers: Servers, observed: list[tuple[str, str, float]]
) -> None:
    """Status, JSON and the service's own id; the call was observed."""
    seen: list[bytes] = []
    answer = http(b'{"a": 1}', status="409 Conflict", headers="x-request-id: theirs\r\nSet-Cookie: a=b\r\n")
    port = await servers.open(answering(answer, seen), authority.good())
    client = clients.client(route_with(authority))
    for _ in range(2):
        found = await client.call("GET", f"https://localhost:{port}/x", endpoint="whoami", headers={})
        assert (found.status, found.json, found.request_id) == (409, {"a": 1}, "theirs")
    assert [call[:2] for call in observed] == [("whoami", "409")] * 2
    assert b"User-Agent: sitebind/" in seen[0]
    assert b"Cookie" not in seen[1]


async def test_a_form_is_sent_as_one(clients: HttpClients, authority: Authority, servers: Servers) -> None:
    """The characters that a secret may hold arrive as they were."""
    bodies: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await head_of(reader)
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        bodies.append(await reader.readexactly(length))
        await answering(http())(reader_of(b"\r\n\r\n"), writer)

    def reader_of(content: bytes) -> asyncio.StreamReader:
        reader = asyncio.StreamReader()
        reader.feed_data(content)
        return reader

    port = await servers.open(handle, authority.good())
    await clients.client(route_with(authority)).call(
        "POST", f"https://localhost:{port}/oauth/token", endpoint="token", headers={}, form={"s": "a+b &;=ü"}
    )
    assert bodies == [b"s=a%2Bb+%26%3B%3D%C3%BC"]


async def test_an_answer_cannot_be_printed(clients: HttpClients, authority: Authority, servers: Servers) -> None:
    """A login's answer holds keys."""
    port = await servers.open(answering(http(f'{{"secretKey": "{CANARY}"}}'.encode())), authority.good())
    client = clients.client(route_with(authority))
    answer = await client.call("GET", f"https://localhost:{port}/x", endpoint="login", headers={})
    assert CANARY not in repr(answer)
    assert answer.json == {"secretKey": CANARY}


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe", b"[" * 200_000, b"9" * 6_000])
async def test_what_is_not_json_is_none(
    clients: HttpClients, authority: Authority, servers: Servers, body: bytes
) -> None:
    """Not even JSON that is made to exhaust the reader raises anything."""
    port = await servers.open(answering(http(body)), authority.good())
    client = clients.client(route_with(authority))
    answer = await client.call("GET", f"https://localhost:{port}/x", endpoint="login", headers={})
    assert answer.json is None
    assert answer.body == body


async def test_no_call_is_made_in_the_clear(clients: HttpClients, authority: Authority, servers: Servers) -> None:
    """Every call carries a secret."""
    seen: list[bytes] = []
    port = await servers.open(answering(http(), seen))
    for url in (f"http://localhost:{port}/x", "https://", "ftp://x", "nonsense", "https://[::1/"):
        with pytest.raises(ProviderFault, match="must read like https") as caught:
            await clients.client(Route()).call("GET", url, endpoint="login", headers={})
        assert caught.value.fault is Fault.REQUEST_REFUSED
    assert seen == []


# --- what goes wrong on the way ----------------------------------------------------------------


async def test_a_name_that_does_not_resolve(clients: HttpClients, authority: Authority) -> None:
    fault = await fault_of(clients, route_with(authority), 443, host="no-such-host.invalid")
    assert fault.fault is Fault.NAME_NOT_RESOLVED
    assert "no-such-host.invalid" in fault.detail


async def test_a_port_where_nobody_listens(
    clients: HttpClients, authority: Authority, observed: list[tuple[str, str, float]]
) -> None:
    fault = await fault_of(clients, route_with(authority), await closed_port())
    assert fault.fault is Fault.UNREACHABLE
    assert "refused" in fault.detail
    assert observed[0][:2] == ("login", "unreachable")


async def test_a_server_that_does_not_speak_tls(clients: HttpClients, authority: Authority, servers: Servers) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.test ESMTP\r\n")
        await writer.drain()

    fault = await fault_of(clients, route_with(authority), await servers.open(talk))
    assert fault.fault is Fault.TLS_FAILED
    assert "does not speak TLS" in fault.detail


async def test_a_handshake_that_is_cut(clients: HttpClients, authority: Authority, servers: Servers) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        writer.transport.abort()

    fault = await fault_of(clients, route_with(authority), await servers.open(cut))
    assert fault.fault is Fault.TLS_FAILED
    assert "during the handshake" in fault.detail


def stranger() -> Signer:
    return signed("localhost", by=signed("Inspecting Firewall CA", by=None))


CERTIFICATES = {
    "unknown issuer": (lambda root: stranger(), "Inspecting Firewall CA"),
    "expired": (lambda root: signed("localhost", by=root, days=(-9, -2)), "expired"),
    "not yet valid": (lambda root: signed("localhost", by=root, days=(5, 9)), "not yet valid"),
    "of another host": (lambda root: signed("other", by=root, host="other.test"), "the tests' own CA"),
}


@pytest.mark.parametrize("which", CERTIFICATES)
async def test_a_certificate_that_does_not_prove_the_host(
    clients: HttpClients, authority: Authority, servers: Servers, which: str
) -> None:
    """The fault names reason, issuer and end, so that an inspecting firewall is recognized."""
    make, says = CERTIFICATES[which]
    seen: list[bytes] = []
    port = await servers.open(answering(http(), seen), authority.context(make(authority.root)))
    fault = await fault_of(clients, route_with(authority), port)
    assert fault.fault is Fault.CERTIFICATE_UNTRUSTED
    assert says in fault.detail
    assert "issued by" in fault.detail
    assert seen == []


async def test_the_file_of_authorities_is_read_again_when_it_changes(
    clients: HttpClients, authority: Authority, servers: Servers, clock: ManualClock, tmp_path: Path
) -> None:
    """A renewed CA needs no restart."""
    path = tmp_path / "ca.pem"
    route = Route(ca_file=str(path))
    port = await servers.open(answering(http()), authority.good())
    missing = await fault_of(clients, route, port)
    assert missing.fault is Fault.CA_FILE_UNREADABLE
    assert "No such file" in missing.detail
    path.write_text("not a certificate")
    assert "no certificate in PEM form" in (await fault_of(clients, route, port)).detail
    path.write_bytes(authority.ca_file.read_bytes())
    client = clients.client(route)
    await client.call("GET", f"https://localhost:{port}/x", endpoint="login", headers={})
    other = Authority(tmp_path)
    assert other.ca_file == path
    await clock.advance(2)
    assert (await fault_of(clients, route, port)).fault is Fault.CERTIFICATE_UNTRUSTED


async def test_a_connection_that_is_reset(clients: HttpClients, authority: Authority, servers: Servers) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        writer.transport.abort()

    fault = await fault_of(clients, route_with(authority), await servers.open(reset, authority.good()))
    assert fault.fault is Fault.CONNECTION_LOST
    assert "before an answer came" in fault.detail


async def test_an_answer_that_is_cut_short(clients: HttpClients, authority: Authority, servers: Servers) -> None:
    half = http(b'{"meta": {').replace(b"Content-Length: 10", b"Content-Length: 99")
    fault = await fault_of(clients, route_with(authority), await servers.open(answering(half), authority.good()))
    assert fault.fault is Fault.CONNECTION_LOST
    assert "in the middle of the answer" in fault.detail


async def test_an_answer_that_does_not_come(clients: HttpClients, authority: Authority, servers: Servers) -> None:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    clients.limits = Limits(total=0.1)
    fault = await fault_of(clients, route_with(authority), await servers.open(hold, authority.good()))
    assert fault.fault is Fault.TIMED_OUT
    assert "0.1 s" in fault.detail


async def test_a_handshake_that_does_not_come(clients: HttpClients, authority: Authority, servers: Servers) -> None:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    clients.limits = Limits(connect=0.1)
    fault = await fault_of(clients, route_with(authority), await servers.open(hold))
    assert fault.fault is Fault.TIMED_OUT


async def test_an_answer_that_is_not_http(clients: HttpClients, authority: Authority, servers: Servers) -> None:
    fault = await fault_of(
        clients, route_with(authority), await servers.open(answering(b"hello\r\n\r\n"), authority.good())
    )
    assert fault.fault is Fault.ANSWER_MALFORMED


@pytest.mark.parametrize("packed", [False, True])
async def test_an_answer_that_is_far_too_large(
    clients: HttpClients, authority: Authority, servers: Servers, packed: bool
) -> None:
    """Also one that is small on the wire and unpacks to something large."""
    body = b" " * (2**20 + 1)
    headers = "Content-Encoding: gzip\r\n" if packed else ""
    answer = http(gzip.compress(body) if packed else body, headers=headers)
    fault = await fault_of(clients, route_with(authority), await servers.open(answering(answer), authority.good()))
    assert fault.fault is Fault.ANSWER_TOO_LARGE


async def test_a_redirect_is_not_followed(clients: HttpClients, authority: Authority, servers: Servers) -> None:
    """A captive portal must not get the password."""
    seen: list[bytes] = []
    headers = "Location: https://portal.example.test/login?token=1\r\n"
    answer = http(status="302 Found", headers=headers)
    fault = await fault_of(
        clients, route_with(authority), await servers.open(answering(answer, seen), authority.good())
    )
    assert fault.fault is Fault.ANSWER_MALFORMED
    assert '"portal.example.test"' in fault.detail
    assert "captive portal" in fault.detail
    assert len(seen) == 1


async def test_after_closing_no_call_is_made(clients: HttpClients, authority: Authority) -> None:
    await clients.close()
    fault = await fault_of(clients, route_with(authority), 443)
    assert "is stopping" in fault.detail


async def test_routes_beyond_the_limit_lose_their_idle_connections(
    clients: HttpClients, authority: Authority, servers: Servers
) -> None:
    """A call in flight is finished all the same."""
    come, go = asyncio.Event(), asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        come.set()
        await go.wait()
        writer.write(http())
        await writer.drain()
        writer.close()

    clients.sessions = Sessions(routes=1)
    slow = await servers.open(wait, authority.good())
    fast = await servers.open(answering(http()), authority.good())
    first = clients.client(route_with(authority))
    second = clients.client(route_with(authority, no_proxy=("other",)))
    call = asyncio.create_task(
        first.call("GET", f"https://localhost:{slow}/", endpoint="login", headers={}), name="in flight"
    )
    await come.wait()
    await second.call("GET", f"https://localhost:{fast}/", endpoint="login", headers={})
    assert len(clients.sessions._kept) == 1
    third = clients.client(route_with(authority, no_proxy=("third",)))
    await third.call("GET", f"https://localhost:{fast}/", endpoint="login", headers={})
    assert len(clients.sessions._kept) == 1
    go.set()
    assert (await call).status == 200


# --- through a proxy ---------------------------------------------------------------------------


async def test_a_proxy_opens_the_way_and_its_password_goes_no_further(
    clients: HttpClients, authority: Authority, servers: Servers
) -> None:
    """The service's server never sees Proxy-Authorization; `@` and `:` in the password are no trouble."""
    proxy, seen = Proxy(), list[bytes]()
    port = await servers.open(answering(http(), seen), authority.good())
    route = through(
        await servers.open(proxy.handle),
        authority,
        proxy_username="CORP\\svc",
        proxy_password=Secret("p:w@rd"),
    )
    client = clients.client(route)
    await client.call("GET", f"https://localhost:{port}/x", endpoint="login", headers={})
    assert b"Proxy-Authorization: Basic Q09SUFxzdmM6cDp3QHJk\r\n" in proxy.seen[0]
    assert proxy.seen[0].startswith(f"CONNECT localhost:{port} ".encode())
    assert b"proxy-auth" not in seen[0].lower()
    said = await client.reach(f"https://localhost:{port}")
    assert said.startswith("proxy 127.0.0.1 is 127.0.0.1;")
    assert b"Q09SUFxzdmM6cDp3QHJk" in proxy.seen[1]


REFUSALS = {
    "407": (Fault.PROXY_AUTHENTICATION, "Proxy-Authenticate: Basic realm=x\r\n", "did not accept the name"),
    "407 other": (
        Fault.PROXY_AUTHENTICATION,
        "Proxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n",
        "offers Negotiate, NTLM, but sitebind signs in with Basic only",
    ),
    "401": (Fault.PROXY_AUTHENTICATION, "", "did not accept the name"),
    "403": (Fault.PROXY_REFUSED, "", "does not allow this destination"),
    "405": (Fault.PROXY_REFUSED, "", "answered 405"),
    "503": (Fault.UNREACHABLE, "X-Squid-Error: ERR_DNS_FAIL 0\r\n", "(ERR_DNS_FAIL)"),
    "502": (Fault.UNREACHABLE, "", "could not reach the service itself"),
}


@pytest.mark.parametrize("which", REFUSALS)
async def test_a_proxy_that_refuses_is_understood(
    clients: HttpClients, authority: Authority, servers: Servers, which: str
) -> None:
    """The same fault from a call as from the `connect` step; a proxy's 401 is no wrong mailbox password."""
    expected, headers, says = REFUSALS[which]
    status = which.split(maxsplit=1)[0]
    proxy = Proxy(refusal=http(b"", status=f"{status} No", headers=headers))
    route = through(await servers.open(proxy.handle), authority, proxy_username="svc", proxy_password=Secret(CANARY))
    fault = await fault_of(clients, route, 443)
    assert fault.fault is expected
    assert says in fault.detail
    with pytest.raises(ProviderFault) as caught:
        await clients.client(route).reach("https://localhost:443")
    assert caught.value.fault is expected
    assert says in caught.value.detail
    assert_tells_no_secret(caught.value, SECRETS)


async def test_a_proxy_that_wants_a_sign_in_where_none_is_configured(
    clients: HttpClients, authority: Authority, servers: Servers
) -> None:
    proxy = Proxy(refusal=http(b"", status="407 No", headers="Proxy-Authenticate: Basic\r\n"))
    fault = await fault_of(clients, through(await servers.open(proxy.handle), authority), 443)
    assert fault.fault is Fault.PROXY_AUTHENTICATION
    assert "none is configured" in fault.detail


async def test_a_proxy_that_is_not_there(clients: HttpClients, authority: Authority) -> None:
    fault = await fault_of(clients, through(await closed_port(), authority), 443)
    assert fault.fault is Fault.PROXY_UNREACHABLE


async def test_a_proxy_whose_name_does_not_resolve(clients: HttpClients, authority: Authority) -> None:
    route = replace(through(3128, authority), proxy_host="no-such-proxy.invalid")
    fault = await fault_of(clients, route, 443)
    assert fault.fault is Fault.PROXY_NAME_NOT_RESOLVED
    assert "no-such-proxy.invalid" in fault.detail


async def test_a_name_that_basic_cannot_carry_is_refused(clients: HttpClients, authority: Authority) -> None:
    route = through(3128, authority, proxy_username="a:b", proxy_password=Secret(CANARY))
    assert (await fault_of(clients, route, 443)).fault is Fault.PROXY_AUTHENTICATION


async def test_a_certificate_that_is_refused_behind_a_proxy_is_named_too(
    clients: HttpClients, authority: Authority, servers: Servers
) -> None:
    port = await servers.open(answering(http()), authority.context(stranger()))
    route = through(await servers.open(Proxy().handle), authority)
    fault = await fault_of(clients, route, port)
    assert fault.fault is Fault.CERTIFICATE_UNTRUSTED
    assert "Inspecting Firewall CA" in fault.detail


async def test_a_host_of_no_proxy_is_reached_directly(
    clients: HttpClients, authority: Authority, servers: Servers
) -> None:
    port = await servers.open(answering(http()), authority.good())
    route = through(await closed_port(), authority, no_proxy=("localhost",))
    client = clients.client(route)
    answer = await client.call("GET", f"https://localhost:{port}/x", endpoint="login", headers={})
    assert answer.status == 200


async def test_the_environment_names_no_proxy(
    clients: HttpClients, authority: Authority, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the configuration decides."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{await closed_port()}")
    port = await servers.open(answering(http()), authority.good())
    client = clients.client(route_with(authority))
    assert (await client.call("GET", f"https://localhost:{port}/", endpoint="login", headers={})).status == 200


# --- the connect step --------------------------------------------------------------------------


async def reach_fault(clients: HttpClients, route: Route, port: int, host: str = "localhost") -> ProviderFault:
    with pytest.raises(ProviderFault) as caught:
        await clients.client(route).reach(f"https://{host}:{port}")
    assert caught.value.__context__ is None
    return caught.value


async def test_connecting_tells_its_steps_apart(clients: HttpClients, authority: Authority, servers: Servers) -> None:
    """Name, TCP, TLS, certificate: each its own fault."""

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.abort()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    route = route_with(authority)
    found = await reach_fault(clients, route, 443, host="no-such-host.invalid")
    assert found.fault is Fault.NAME_NOT_RESOLVED
    assert (await reach_fault(clients, route, 443, host="a" * 70 + ".test")).fault is Fault.NAME_NOT_RESOLVED
    assert (await reach_fault(clients, route, await closed_port())).fault is Fault.UNREACHABLE
    assert (await reach_fault(clients, route, await servers.open(cut))).fault is Fault.TLS_FAILED
    untrusted = await servers.open(hold, authority.context(stranger()))
    found = await reach_fault(clients, route, untrusted)
    assert found.fault is Fault.CERTIFICATE_UNTRUSTED
    assert "Inspecting Firewall CA" in found.detail
    clients.limits = Limits(connect=0.1)
    found = await reach_fault(clients, route, await servers.open(hold))
    assert found.fault is Fault.TIMED_OUT
    assert "the TLS handshake" in found.detail


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"x" * 2**17, b""])
async def test_what_is_no_proxy_is_recognized(
    clients: HttpClients, authority: Authority, servers: Servers, said: bytes
) -> None:
    """A wrong port leads to something that does not answer CONNECT."""
    route = through(await servers.open(answering(said)), authority)
    found = await reach_fault(clients, route, 443)
    assert found.fault is Fault.PROXY_UNREACHABLE
    assert "does not answer CONNECT" in found.detail


async def test_a_proxy_that_never_answers_connect(clients: HttpClients, authority: Authority, servers: Servers) -> None:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    clients.limits = Limits(connect=0.1)
    found = await reach_fault(clients, through(await servers.open(hold), authority), 443)
    assert found.fault is Fault.TIMED_OUT
    assert "CONNECT" in found.detail


async def test_connecting_finds_the_proxys_own_troubles(clients: HttpClients, authority: Authority) -> None:
    route = through(await closed_port(), authority)
    assert (await reach_fault(clients, route, 443)).fault is Fault.PROXY_UNREACHABLE
    nameless = replace(route, proxy_host="no-such-proxy.invalid")
    assert (await reach_fault(clients, nameless, 443)).fault is Fault.PROXY_NAME_NOT_RESOLVED
