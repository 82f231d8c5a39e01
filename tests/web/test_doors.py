"""Who gets in: Host, Origin, token and listener, and callers that do not play by HTTP's rules."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace

import pytest

from daemon.ports import Secret
from daemon.web import requests, server
from daemon.web.auth import is_loopback
from daemon.web.server import UnsafeListener
from tests.web.described import DescribedClient, described_session
from tests.web.memory_engine import MemoryEngine
from tests.web.serving import Measured, Serve, made


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8787", "localhost.evil.example", "127.0.0.1.evil.example", "localhost@evil",
     "[::1].evil", "localhost:evil", "0.0.0.0", "127.0.0.2", "[::2]", "local host", " "],
)  # fmt: skip
async def test_a_strangers_name_for_us_is_refused(api: DescribedClient, host: str) -> None:
    """DNS rebinding: the page's own name points at our address."""
    for path in ("/-/healthy", "/metrics", "/api/v1/sites"):
        reply = await api.get(path, headers={"Host": host})
        assert (reply.status, reply.code) == (421, "host-not-allowed")
    assert (await api.post("/rebind", headers={"Host": host})).status == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1234", "localhost.", "127.0.0.1:80", "[::1]:8787"])
async def test_our_own_names_are_answered_on_any_port(api: DescribedClient, host: str) -> None:
    """A tunnel or a container may lead to us from another port."""
    assert (await api.get("/-/healthy", headers={"Host": host})).status == 200


async def test_the_allowed_names_follow_the_settings(engine: MemoryEngine, api: DescribedClient) -> None:
    """A reload counts for the next request."""
    headers = {"Host": "sync1.corp.example"}
    assert (await api.get("/-/healthy", headers=headers)).status == 421
    engine.settings = replace(engine.settings, allowed_hosts=("Sync1.corp.example",))
    assert (await api.get("/-/healthy", headers=headers)).status == 200
    assert (await api.get("/-/healthy", headers={"Host": "localhost"})).status == 421
    engine.settings = replace(engine.settings, allowed_hosts=("localhost",))
    assert (await api.get("/-/healthy", headers=headers)).status == 421


async def raw(api: DescribedClient, *pieces: bytes) -> bytes:
    """Everything that the daemon answers to these bytes."""
    host, port = api.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    for piece in pieces:
        writer.write(piece)
        for _ in range(50):  # the daemon runs on this very loop: let it take the piece
            await asyncio.sleep(0)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_a_whole_url_in_the_request_line_is_held_to_the_same_names(api: DescribedClient) -> None:
    """The Host header alone does not decide."""
    line = b"GET http://%s/api/v1/sites HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert (await raw(api, line % b"evil.example")).startswith(b"HTTP/1.1 421 ")
    assert (await raw(api, line % b"localhost")).startswith(b"HTTP/1.1 200 ")


async def test_a_request_without_host_is_400(api: DescribedClient) -> None:
    """HTTP/1.0 knows requests without a name for us."""
    answer = await raw(api, b"GET /-/healthy HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.0 400 ")
    assert b'"code":"host-missing"' in answer


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Origin": "ftp://{host}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://{host}", "Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_what_a_page_of_another_origin_asks_for_is_refused(
    engine: MemoryEngine, api: DescribedClient, headers: dict[str, str]
) -> None:
    """Reading too, and nothing is done."""
    host = api.url.removeprefix("http://")
    sent = {name: value.replace("{host}", host) for name, value in headers.items()}
    for method, path in (("GET", "/api/v1/sites"), ("POST", "/rebind")):
        reply = await api.call(method, path, headers=sent)
        assert (reply.status, reply.code) == (403, "cross-origin")
    assert engine.seen == []


async def test_our_own_page_may_ask(api: DescribedClient) -> None:
    """Same origin, also behind a proxy that speaks TLS for us; and an address typed by hand."""
    host = api.url.removeprefix("http://")
    for headers in (
        {"Origin": api.url, "Sec-Fetch-Site": "same-origin"},
        {"Origin": f"https://{host}"},
        {"Sec-Fetch-Site": "none"},
    ):
        assert (await api.post("/rebind", headers=headers)).status == 202


OPEN_ON_LOOPBACK = [
    ("GET", "/api/v1/sites"), ("GET", "/api/v1/audit"), ("GET", "/metrics"), ("GET", "/openapi.json"),
    ("POST", "/rebind"), ("POST", "/-/reload"), ("POST", "/api/v1/sites/default/rebind"),
]  # fmt: skip


@pytest.mark.parametrize("method, path", OPEN_ON_LOOPBACK)
async def test_a_token_is_needed_only_where_the_settings_say_so(
    engine: MemoryEngine, api: DescribedClient, method: str, path: str
) -> None:
    """Free on loopback, until `require_token = yes`."""
    engine.token = Secret("right")
    assert (await api.call(method, path)).status in (200, 202)
    engine.settings = replace(engine.settings, require_token=True)
    missing = await api.call(method, path)
    assert (missing.status, missing.code) == (401, "token-required")
    assert missing.headers["WWW-Authenticate"] == 'Bearer realm="sitebind"'
    assert (await api.call(method, path, headers={"Authorization": "bearer right"})).status in (200, 202)


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer ", "Bearer", "Bearer right!", "Bearer r\u00efght"])
async def test_a_wrong_token_is_never_waved_through(engine: MemoryEngine, api: DescribedClient, header: str) -> None:
    """Even where none is needed: a typo must not go unnoticed."""
    engine.token = Secret("right")
    reply = await api.get("/api/v1/sites", headers={"Authorization": header})
    assert (reply.status, reply.code) == (401, "token-wrong")
    assert "right" not in reply.text
    engine.token = None
    assert (await api.get("/api/v1/sites", headers={"Authorization": header})).status == 401


async def test_a_path_that_is_not_there_needs_a_token_too(engine: MemoryEngine, serve: Serve) -> None:
    """Nothing is learned without it."""
    engine.token = Secret("right")
    engine.settings = replace(engine.settings, require_token=True)
    assert (await (await serve(engine)).get("/nowhere")).status == 401


async def test_off_loopback_everything_but_health_needs_the_token(engine: MemoryEngine, serve: Serve) -> None:
    """Also for a caller on the same host: a proxy there may speak for anybody."""
    engine.token = Secret("right")
    engine.settings = replace(engine.settings, host="0.0.0.0")
    api = await serve(engine)
    api.url = api.url.replace("0.0.0.0", "127.0.0.1")
    assert (await api.get("/-/healthy")).status == 200
    for method, path in OPEN_ON_LOOPBACK:
        assert (await api.call(method, path)).status == 401
        assert (await api.call(method, path, headers={"Authorization": "Bearer right"})).status in (200, 202)


async def test_a_listener_on_the_network_without_a_token_does_not_open(
    engine: MemoryEngine, measured: Measured
) -> None:
    """And it says what to do."""
    engine.settings = replace(engine.settings, host="0.0.0.0")
    listener = made(engine, measured)
    with pytest.raises(UnsafeListener, match="api_token"):
        await listener.start()
    with pytest.raises(RuntimeError, match="not open"):
        _ = listener.url
    await listener.stop()


async def test_a_port_that_is_taken_is_an_oserror_and_leaves_nothing_open(
    engine: MemoryEngine, measured: Measured
) -> None:
    """The second start can be tried again."""
    first, second = made(engine, measured), made(engine, measured)
    await first.start()
    engine.settings = replace(engine.settings, port=first.bound_address[1])
    with pytest.raises(OSError, match="address already in use"):
        await second.start()
    await first.stop()
    await second.start()
    with pytest.raises(RuntimeError, match="open already"):
        await second.start()
    await second.stop()


async def test_the_listener_answers_on_ipv6_too(engine: MemoryEngine, serve: Serve) -> None:
    """`[::1]` in the settings, in the address and in the Host header."""
    engine.settings = replace(engine.settings, host="[::1]", allowed_hosts=())
    api = await serve(engine)
    assert api.url.startswith("http://[::1]:")
    assert (await api.get("/-/healthy")).status == 200
    assert (await api.post("/rebind")).json["actor"] == "http:::1"


def test_what_counts_as_loopback() -> None:
    """Addresses of this host only; a name that merely begins so is none."""
    assert all(map(is_loopback, ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LocalHost."]))
    assert not any(map(is_loopback, ["0.0.0.0", "::", "10.0.0.1", "localhost.evil.example", ""]))


async def test_one_time_credentials_over_the_open_network_are_refused(
    engine: MemoryEngine, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller is told that the password was seen; tests know no other network than loopback."""
    monkeypatch.setattr("daemon.web.peer.is_loopback", lambda host: False)
    engine.token = Secret("right")
    api = await serve(engine)
    reply = await api.post(
        "/rebind", json={"email": "a@b.c", "password": "p"}, headers={"Authorization": "Bearer right"}
    )
    assert (reply.status, reply.code) == (403, "insecure-transport")
    assert engine.seen == []


async def test_a_body_that_does_not_come_is_given_up(api: DescribedClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """408 and the connection is closed."""
    monkeypatch.setattr(requests, "BODY_WITHIN", 0.05)
    head = b"POST /rebind HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
    answer = await raw(api, head)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"body-late"' in answer


async def test_headers_that_do_not_come_are_given_up(
    engine: MemoryEngine, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller that trickles its headers does not hold a connection for ever."""
    monkeypatch.setattr(server, "IDLE", 0.05)
    assert await raw(await serve(engine), b"GET /-/healthy HTTP/1.1\r\nHost: loc") == b""


@pytest.mark.parametrize("path", [b"/-/healthy", b"/rebind"])
async def test_headers_that_trickle_do_not_hold_a_connection(
    engine: MemoryEngine, serve: Serve, monkeypatch: pytest.MonkeyPatch, path: bytes
) -> None:
    """Slowloris: a byte now and then does not buy more time; the limit counts from the connection's beginning."""
    monkeypatch.setattr(server, "IDLE", 0.3)
    api = await serve(engine)
    reader, writer = await asyncio.open_connection(*api.url.removeprefix("http://").split(":"))
    writer.write(b"POST %s HTTP/1.1\r\nHost: localhost\r\n" % path)

    async def trickle() -> None:
        while not writer.is_closing():
            writer.write(b"X-A: b\r\n")
            await asyncio.sleep(0.02)

    trickling = asyncio.create_task(trickle(), name="trickling")
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
    trickling.cancel()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_a_body_that_trickles_is_given_up(api: DescribedClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is for the whole body, not for the wait between two bytes."""
    monkeypatch.setattr(requests, "BODY_WITHIN", 0.2)
    reader, writer = await asyncio.open_connection(*api.url.removeprefix("http://").split(":"))
    head = (
        b"POST /rebind HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n"
    )
    writer.write(head)

    async def trickle() -> None:
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.02)

    trickling = asyncio.create_task(trickle(), name="trickling")
    async with asyncio.timeout(5):
        assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    trickling.cancel()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_what_is_not_http_is_one_log_line_that_quotes_nothing(
    api: DescribedClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Anybody can send it, and a misspelt header may hold a token."""
    with caplog.at_level(logging.INFO):
        answer = await raw(api, b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization Bearer hunter2\r\n\r\n")
    assert answer.startswith(b"HTTP/1.0 400 ")
    [record] = caplog.records
    assert (record.levelno, record.exc_info) == (logging.INFO, None)
    assert "hunter2" not in record.getMessage()


async def test_a_body_that_is_framed_wrongly_is_refused(
    engine: MemoryEngine, api: DescribedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken chunks are the caller's mistake, whether they come with the headers or after them."""
    monkeypatch.setattr(requests, "BODY_WITHIN", 0.05)
    head = b"POST /rebind HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    for answer in (await raw(api, head + b"zz\r\n"), await raw(api, head, b"zz\r\n")):
        assert answer.split()[1] in (b"400", b"408")
    assert engine.seen == []


async def test_a_caller_that_hangs_up_is_no_defect_of_ours(
    api: DescribedClient, measured: Measured, caplog: pytest.LogCaptureFixture
) -> None:
    """No traceback in the log, and the request is counted as the caller's mistake."""
    host, port = api.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = b"POST /rebind HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n"
    writer.write(head + b"\r\n{")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    labels = {"method": "POST", "route": "/rebind", "code": "400"}
    async with asyncio.timeout(5):
        while not measured.registry.get_sample_value("sitebind_http_requests_total", labels):  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_headers_beyond_the_limit_are_refused(api: DescribedClient) -> None:
    """Too long, or too many."""
    long = b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 20_000 + b"\r\n\r\n"
    assert (await raw(api, long)).startswith(b"HTTP/1.0 400 ")
    many = b"".join(b"X-%d: x\r\n" % number for number in range(100))
    answer = await raw(api, b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n" + many + b"\r\n")
    assert answer.startswith(b"HTTP/1.0 400 ")


async def test_requests_keep_their_connection(api: DescribedClient) -> None:
    """A scraper opens one connection, not one a scrape."""
    two = b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
    answer = await raw(api, two % b"" + two % b"Connection: close\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 2


async def test_nothing_tells_what_we_are_made_of(engine: MemoryEngine, api: DescribedClient) -> None:
    """No version of ours or of a library in a header."""
    async with described_session() as session, session.get(f"{api.url}/-/healthy") as answer:
        assert answer.headers["Server"] == "sitebind"


async def test_an_empty_token_is_never_the_configured_one(api: DescribedClient) -> None:
    """Where none is configured, nothing that is sent is right."""
    assert (await api.get("/api/v1/sites", headers={"Authorization": "Bearer "})).code == "token-wrong"
