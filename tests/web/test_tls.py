"""TLS of the listener: versions, client certificates, and certificates that change while the daemon runs."""

from __future__ import annotations

import asyncio
import logging
import shutil
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from daemon.ports import Secret
from daemon.web import tls
from daemon.web.listening import CannotListen
from daemon.web.server import WebServer
from tests.web.certificates import Pair
from tests.web.certificates import made as certificate
from tests.web.described import described_session
from tests.web.memory_engine import MemoryEngine
from tests.web.serving import Measured, made


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return certificate(tmp_path)


@pytest.fixture
async def server(
    engine: MemoryEngine, measured: Measured, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[WebServer]:
    monkeypatch.setattr(tls, "LOOK_EVERY", 0.0)
    engine.settings = replace(engine.settings, tls_certificate=pair.certificate, tls_key=pair.key)
    server = made(engine, measured)
    await server.start()
    yield server
    await server.stop()


async def status(server: WebServer, context: ssl.SSLContext, **options: Any) -> int:
    """Of a fresh connection."""
    connector = aiohttp.TCPConnector(ssl=context, force_close=True)
    async with (
        described_session(connector=connector) as session,
        session.request(options.pop("method", "GET"), server.url + options.pop("path", "/-/healthy"), **options) as got,
    ):
        return got.status


async def test_the_address_says_https_and_answers_there_only(server: WebServer, pair: Pair) -> None:
    """Plain HTTP on the same port is not served."""
    assert server.url.startswith("https://127.0.0.1:")
    assert await status(server, pair.believing()) == 200
    reader, writer = await asyncio.open_connection(*server.bound_address)
    writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"HTTP" not in await reader.read()
    writer.close()
    await writer.wait_closed()


async def test_the_pages_cookie_is_for_tls_and_for_this_host_alone(server: WebServer, pair: Pair) -> None:
    """A browser sends it nowhere else, and takes none in its place that was set over plain HTTP."""
    connector = aiohttp.TCPConnector(ssl=pair.believing())
    async with described_session(connector=connector) as session, session.get(f"{server.url}/sign-in") as answer:
        name, *attributes = answer.headers["Set-Cookie"].split("; ")
        assert name.startswith("__Host-sitebind-")
        assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes)
        assert "not encrypted" not in await answer.text()


async def test_less_than_tls_1_2_is_not_spoken(server: WebServer, pair: Pair) -> None:
    """1.2 and 1.3 are."""
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = pair.believing()
        context.minimum_version = context.maximum_version = version
        assert await status(server, context) == 200
    old = pair.believing()
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="deprecated"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(aiohttp.ClientConnectorError):
        await status(server, old)


async def test_one_time_credentials_are_taken_over_tls(
    engine: MemoryEngine, server: WebServer, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From wherever they come."""
    monkeypatch.setattr("daemon.web.peer.is_loopback", lambda host: False)
    engine.token = Secret("right")
    asked = {"json": {"email": "a@b.example", "password": "p"}, "headers": {"Authorization": "Bearer right"}}
    assert await status(server, pair.believing(), method="POST", path="/rebind", **asked) == 202


async def test_a_renewed_certificate_is_used_without_a_restart(server: WebServer, pair: Pair, tmp_path: Path) -> None:
    """By the next connection; open ones go on."""
    fresh = certificate(tmp_path / "fresh")
    before = pair.believing()
    async with described_session() as kept:
        async with kept.get(f"{server.url}/-/healthy", ssl=before) as answer:
            assert answer.status == 200
        shutil.copy(fresh.certificate, pair.certificate)
        shutil.copy(fresh.key, pair.key)
        assert await status(server, fresh.believing()) == 200
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await status(server, before)
        async with kept.get(f"{server.url}/-/healthy", ssl=before) as answer:
            assert answer.status == 200


async def test_a_half_renewed_certificate_leaves_the_earlier_one_in_force(
    server: WebServer, pair: Pair, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Said once, however many connect; when the key follows, the new one is taken."""
    fresh, before = certificate(tmp_path / "fresh"), pair.believing()
    shutil.copy(fresh.certificate, pair.certificate)
    with caplog.at_level(logging.ERROR, "sitebind.web.tls"):
        assert [await status(server, before) for _ in range(3)] == [200, 200, 200]
    [record] = [record for record in caplog.records if record.name == "sitebind.web.tls"]
    assert "does not belong to the certificate" in record.getMessage()
    shutil.copy(fresh.key, pair.key)
    assert await status(server, fresh.believing()) == 200


async def test_a_client_ca_lets_only_its_own_in(
    engine: MemoryEngine, measured: Measured, pair: Pair, tmp_path: Path
) -> None:
    """Callers without a certificate do not get as far as HTTP."""
    client, other = certificate(tmp_path, "client"), certificate(tmp_path, "other")
    engine.settings = replace(
        engine.settings, tls_certificate=pair.certificate, tls_key=pair.key, tls_client_ca=client.certificate
    )
    server = made(engine, measured)
    await server.start()
    assert await status(server, pair.believing(own=client)) == 200
    for own in (None, other):
        with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
            await status(server, pair.believing(own=own))
    await server.stop()


async def test_files_that_cannot_be_used_keep_the_daemon_from_starting_in_words(
    engine: MemoryEngine, measured: Measured, pair: Pair, tmp_path: Path
) -> None:
    """Each with the file and the reason; a passphrase is never asked for on the terminal."""
    locked, other = certificate(tmp_path, "locked", passphrase=b"x"), certificate(tmp_path, "other")
    (tmp_path / "text").write_text("no certificate")
    cases = {
        "there|no such file": (tmp_path / "gone", pair.key, None),
        "passphrase": (locked.certificate, locked.key, None),
        "does not belong": (pair.certificate, other.key, None),
        "cannot be used": (tmp_path / "text", pair.key, None),
        "holds no certificates of CAs": (pair.certificate, pair.key, tmp_path / "text"),
    }
    for words, (chain, key, ca) in cases.items():
        engine.settings = replace(engine.settings, tls_certificate=chain, tls_key=key, tls_client_ca=ca)
        server = made(engine, measured)
        with pytest.raises(CannotListen, match=words):
            await server.start()
        with pytest.raises(RuntimeError):
            _ = server.url
