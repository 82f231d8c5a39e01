"""The metrics' own listener, and `web-config.yml` as Prometheus' exporters have it."""

from __future__ import annotations

import base64
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import bcrypt
import pytest

from daemon.ports import Secret
from daemon.web import passwords, web_config
from daemon.web.listening import CannotListen
from daemon.web.server import WebServer
from daemon.web.web_config import WebConfigRefused, read_web_config
from tests.web.certificates import made as certificate
from tests.web.described import described_session
from tests.web.memory_engine import MemoryEngine
from tests.web.serving import Measured, made

HASH = bcrypt.hashpw(b"p\xc3\xa4ss", bcrypt.gensalt(4)).decode()
USERS = f"basic_auth_users:\n  prometheus: {HASH}\n"

Start = Callable[..., Any]


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
async def start(engine: MemoryEngine, measured: Measured, tmp_path: Path) -> AsyncIterator[Start]:
    """A server with a metrics listener whose web-config.yml holds a text."""
    async with AsyncExitStack() as stack:

        async def begin(text: str | None = None, host: str = "127.0.0.1") -> WebServer:
            file = tmp_path / "web-config.yml"
            if text is not None:
                file.write_text(text)
            engine.settings = replace(
                engine.settings, metrics_listen=(host, 0), metrics_web_config=file if text is not None else None
            )
            server = made(engine, measured)
            await server.start()
            stack.push_async_callback(server.stop)
            return server

        yield begin


async def status(
    server: WebServer, path: str = "/metrics", *, context: ssl.SSLContext | None = None, **headers: str
) -> int:
    assert server.metrics_address is not None
    scheme, kind = ("http", True) if context is None else ("https", context)
    url = f"{scheme}://127.0.0.1:{server.metrics_address[1]}{path}"
    async with described_session() as session, session.get(url, ssl=kind, headers=headers) as answer:
        return answer.status


async def test_it_serves_the_metrics_and_health_and_nothing_else(start: Start) -> None:
    """Whoever reaches it can do nothing."""
    server = await start()
    assert await status(server) == 200
    assert await status(server, "/-/healthy") == 200
    for path in ("/api/v1/sites", "/rebind", "/-/reload", "/api/v1/tokens", "/openapi.json"):
        assert await status(server, path) in (401, 403, 404)


async def test_without_a_file_the_rules_are_those_of_the_first_listener(engine: MemoryEngine, start: Start) -> None:
    """Free on loopback, by token elsewhere."""
    engine.token = Secret("right")
    server = await start(host="0.0.0.0")
    assert await status(server) == 401
    assert await status(server, Authorization="Bearer right") == 200
    assert await status(server, "/-/healthy") == 200


async def test_users_get_in_by_their_passwords(engine: MemoryEngine, start: Start) -> None:
    """Nobody else does, from wherever they call; a token with the scope metrics does."""
    engine.token = Secret("right")
    server = await start(USERS)
    assert await status(server) == 401
    assert await status(server, **basic("prometheus", "päss")) == 200
    for user, password in (("prometheus", "pass"), ("prometheus", ""), ("nobody", "päss"), ("", ""), ("a:b", "c")):
        assert await status(server, **basic(user, password)) == 401
    for header in ("Basic", "Basic ===", "Basic w4Q", "Digest x"):
        assert await status(server, Authorization=header) == 401
    assert await status(server, Authorization="Bearer right") == 200
    assert await status(server, "/-/healthy") == 200


async def test_a_password_is_computed_once_and_a_wrong_one_each_time(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scrape every few seconds must not cost a tenth of a second of computing; guessing must."""
    computed: list[str] = []
    compare = passwords._compare
    monkeypatch.setattr(passwords, "_compare", lambda *given: computed.append(given[0]) or compare(*given))
    server = await start(USERS)
    for _ in range(5):
        assert await status(server, **basic("prometheus", "päss")) == 200
        assert await status(server, **basic("prometheus", "wrong")) == 401
    assert computed == ["päss", "wrong", "wrong", "wrong", "wrong", "wrong"]


async def test_the_file_is_read_again_and_a_bad_one_changes_nothing(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A removed user is out at once, though its password was remembered."""
    monkeypatch.setattr(web_config, "LOOK_EVERY", 0.0)
    server, file = await start(USERS), tmp_path / "web-config.yml"
    assert await status(server, **basic("prometheus", "päss")) == 200
    with caplog.at_level(logging.ERROR, "sitebind.web.metrics"):
        file.write_text("basic_auth_user: {}\n")
        assert await status(server, **basic("prometheus", "päss")) == 200
    assert "basic_auth_user" in caplog.text
    file.write_text(USERS.replace("prometheus", "other"))
    assert await status(server, **basic("prometheus", "päss")) == 401
    assert await status(server, **basic("other", "päss")) == 200
    with caplog.at_level(logging.ERROR, "sitebind.web.metrics"):
        file.write_text("tls_server_config: {cert_file: a, key_file: b}\n")
        assert await status(server, **basic("other", "päss")) == 200
    assert "with a restart only" in caplog.text


async def test_tls_with_a_client_certificate(engine: MemoryEngine, start: Start, tmp_path: Path) -> None:
    """Whoever shows one needs nothing else, also where a token would be asked for."""
    engine.token = Secret("right")
    engine.settings = replace(engine.settings, require_token=True)
    pair, client = certificate(tmp_path), certificate(tmp_path, "client")
    server = await start(
        "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n  min_version: TLS13\n"
        "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: client.pem\n"
    )
    assert await status(server, context=pair.believing(own=client)) == 200
    with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
        await status(server, context=pair.believing())
    old = pair.believing(own=client)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(aiohttp.ClientError):
        await status(server, context=old)


@pytest.mark.parametrize(
    "text, words",
    [
        ("a: b", "'a' is not supported here; supported are tls_server_config, basic_auth_users"),
        ("http_server_config: {http2: true}", "'http_server_config' is not supported"),
        ("rate_limit: {burst: 1}", "'rate_limit' is not supported"),
        ("[1]", "the file must hold fields"),
        ("a: [", "is not YAML at line 1"),
        ("tls_server_config: {cert_file: a}", "needs cert_file and key_file"),
        ("tls_server_config: {cert_file: a, key_file: b, cipher_suites: [x]}", "'cipher_suites' is not supported"),
        ("tls_server_config: {cert_file: a, key_file: 1}", "key_file must be text"),
        ("tls_server_config: {cert_file: a, key_file: b, min_version: TLS10}", "one of TLS12, TLS13"),
        ("tls_server_config: {cert_file: a, key_file: b, client_auth_type: RequestClientCert}", "is not supported"),
        ("tls_server_config: {cert_file: a, key_file: b, client_auth_type: RequireAndVerifyClientCert}",
         "needs client_ca_file"),
        ("tls_server_config: {cert_file: a, key_file: b, client_ca_file: c}", "needs client_auth_type"),
        ("basic_auth_users: [a]", "a bcrypt hash for each name"),
        ("basic_auth_users: {a: hunter2}", "basic_auth_users.a is no bcrypt hash; make one with"),
        (f"basic_auth_users: {{'a:b': '{HASH}'}}", "a name is text without a colon"),
        (f"basic_auth_users: {{a: '{HASH.replace('$04$', '$31$')}'}}", "has cost 31"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused_in_words(tmp_path: Path, text: str, words: str) -> None:
    """A field that is left out silently could leave a door open; no secret is quoted."""
    file = tmp_path / "web.yml"
    file.write_text(text)
    with pytest.raises(WebConfigRefused) as refused:
        read_web_config(file)
    assert words in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_an_empty_file_and_one_with_empty_sections_say_nothing(tmp_path: Path) -> None:
    """As the exporters take them."""
    file = tmp_path / "web.yml"
    for text in ("", "tls_server_config:\nbasic_auth_users:\n", "tls_server_config: {}\nbasic_auth_users: {}\n"):
        file.write_text(text)
        assert (read_web_config(file).tls, read_web_config(file).users) == (None, {})


async def test_a_file_that_cannot_be_used_keeps_the_daemon_from_starting(start: Start, tmp_path: Path) -> None:
    """And the first listener does not stay open."""
    with pytest.raises(CannotListen, match=r"metrics_web_config: .*'a' is not supported"):
        await start("a: b")
    with pytest.raises(CannotListen, match=r"metrics_web_config: .*gone.pem cannot be read"):
        await start("tls_server_config: {cert_file: gone.pem, key_file: gone.key}")
