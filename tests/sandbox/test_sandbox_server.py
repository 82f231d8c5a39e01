"""The sandbox as a whole: certificates, TLS, the note for a second terminal, start and bounded stop."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import stat
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
from cryptography import x509

from daemon.sandbox import Ports, Sandbox, small_world
from daemon.sandbox.authority import ensure_certificates

if TYPE_CHECKING:
    from tests.sandbox.conftest import Client, Clock

TODAY = datetime.now(UTC)


async def handshake(url: str, tls: ssl.SSLContext, *, name: str = "localhost") -> str | None:
    """Shake hands and say which version of TLS was agreed."""
    port = int(url.rpartition(":")[2])
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)
    version = writer.get_extra_info("ssl_object").version()
    writer.close()
    await writer.wait_closed()
    return str(version)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
async def test_openssl_accepts_the_certificate_even_when_strict(sandbox: Sandbox, name: str) -> None:
    tls = ssl.create_default_context(cafile=str(sandbox.ca_file))
    tls.verify_flags |= ssl.VERIFY_X509_STRICT
    for url in (sandbox.global_url, sandbox.regional_url, sandbox.services_url):
        assert await handshake(url, tls, name=name) == "TLSv1.3"


async def test_tls_below_1_2_is_refused_and_1_2_is_not(sandbox: Sandbox) -> None:
    tls = ssl.create_default_context(cafile=str(sandbox.ca_file))
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    assert await handshake(sandbox.global_url, tls) == "TLSv1.2"
    old = ssl.create_default_context(cafile=str(sandbox.ca_file))
    old.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await handshake(sandbox.global_url, old)


async def test_a_client_that_does_not_know_the_ca_refuses(sandbox: Sandbox) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        await handshake(sandbox.global_url, ssl.create_default_context())


def test_certificates_are_kept_while_valid_and_renewed_in_time(tmp_path: Path) -> None:
    """The CA outlives the server's certificate, so that a client need not learn it anew."""
    made = ensure_certificates(tmp_path, today=TODAY)
    ca, server = made.ca_file.read_bytes(), made.server.certificate.read_bytes()
    ensure_certificates(tmp_path, today=TODAY + timedelta(days=1))
    assert (made.ca_file.read_bytes(), made.server.certificate.read_bytes()) == (ca, server)
    ensure_certificates(tmp_path, today=TODAY + timedelta(days=340))
    assert made.ca_file.read_bytes() == ca
    assert made.server.certificate.read_bytes() != server


@pytest.mark.parametrize("victim", ["ca.pem", "ca.key", "server.pem", "server.key"])
def test_a_damaged_or_missing_file_is_made_anew(tmp_path: Path, victim: str) -> None:
    for damage in (Path.unlink, lambda path: path.write_text("rubbish")):
        made = ensure_certificates(tmp_path, today=TODAY)
        damage(tmp_path / victim)
        ensure_certificates(tmp_path, today=TODAY)
        server = x509.load_pem_x509_certificate(made.server.certificate.read_bytes())
        server.verify_directly_issued_by(x509.load_pem_x509_certificate(made.ca_file.read_bytes()))


def test_a_server_certificate_of_another_ca_is_replaced(tmp_path: Path) -> None:
    """A CA that was exchanged by hand leaves no server certificate behind that nobody can verify."""
    first = ensure_certificates(tmp_path / "a", today=TODAY)
    second = ensure_certificates(tmp_path / "b", today=TODAY)
    for one, two in (
        (first.server.certificate, second.server.certificate),
        (first.server.key, second.server.key),
    ):
        one.write_bytes(two.read_bytes())
    ensure_certificates(tmp_path / "a", today=TODAY)
    assert first.server.certificate.read_bytes() != second.server.certificate.read_bytes()


def test_keys_can_be_read_by_their_owner_only(tmp_path: Path) -> None:
    ensure_certificates(tmp_path / "fresh", today=TODAY)
    assert stat.S_IMODE((tmp_path / "fresh").stat().st_mode) == 0o700
    keys = list((tmp_path / "fresh").glob("*.key"))
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    assert len(keys) == 4


async def test_the_note_tells_a_second_terminal_where_and_vanishes_at_stop(certificates: Path, clock: Clock) -> None:
    note = certificates / "sandbox.json"
    async with Sandbox(directory=certificates, world=small_world(), now=clock) as sandbox:
        told = json.loads(note.read_text())
        assert told["global_url"] == sandbox.global_url
        assert told["regional_url"] == sandbox.regional_url
        assert told["services_url"] == sandbox.services_url
        assert Path(told["ca_file"]).is_absolute()
    assert not note.exists()


async def test_a_stopped_sandbox_says_so_and_starts_again_on_the_same_ports(client: Client) -> None:
    first = client.sandbox
    ports = Ports(*(int(url.rpartition(":")[2]) for url in (first.global_url, first.regional_url, first.services_url)))
    await first.stop()
    await first.stop()
    with pytest.raises(RuntimeError, match="does not run"):
        _ = first.global_url
    again = Sandbox(directory=first._directory, world=first.world, now=client.clock, ports=ports)
    async with again:
        assert int(again.regional_url.rpartition(":")[2]) == ports.regional_host
        with pytest.raises(RuntimeError, match="runs already"):
            await again.start()


async def test_a_taken_port_is_an_error_that_leaves_nothing_open(sandbox: Sandbox, tmp_path: Path) -> None:
    taken = int(sandbox.services_url.rpartition(":")[2])
    second = Sandbox(directory=tmp_path, world=small_world(), ports=Ports(0, 0, taken))
    with pytest.raises(OSError, match=str(taken)):
        await second.start()
    with pytest.raises(RuntimeError, match="does not run"):
        _ = second.regional_url
    assert not (tmp_path / "sandbox.json").exists()


def stopwatch() -> Callable[[], float]:
    started = time.monotonic()
    return lambda: time.monotonic() - started


async def test_stopping_is_quick_while_a_slow_answer_is_open(client: Client) -> None:
    """An answer that would take an hour does not hold the sandbox up."""
    script = client.sandbox.script
    script.start("slow", seconds=3600.0, times=1)
    struck = asyncio.Event()
    script.on_change = struck.set
    url = client.sandbox.global_url + "/api/login/discover-authentication"
    opened = asyncio.create_task(client.send("POST", url), name="open request")
    await struck.wait()
    passed = stopwatch()
    await client.sandbox.stop()
    assert passed() < 3
    with pytest.raises(aiohttp.ClientError):
        await opened


async def test_stopping_is_quick_while_nobody_reads_a_huge_body(client: Client) -> None:
    client.sandbox.script.start("huge-body")
    url = client.sandbox.global_url + "/api/login/discover-authentication"
    async with client.session.post(url) as response:
        passed = stopwatch()
        await client.sandbox.stop()
        assert passed() < 3
        with pytest.raises(aiohttp.ClientError):
            await response.read()


async def test_stopping_is_quick_while_a_silent_client_is_connected(sandbox: Sandbox) -> None:
    """A peer that never answers the end of TLS does not hold the sandbox up."""
    tls = ssl.create_default_context(cafile=str(sandbox.ca_file))
    address = ("127.0.0.1", int(sandbox.regional_url.rpartition(":")[2]))

    def connect() -> ssl.SSLSocket:
        return tls.wrap_socket(socket.create_connection(address), server_hostname="localhost")

    with await asyncio.to_thread(connect):
        passed = stopwatch()
        await sandbox.stop()
        assert passed() < 3


async def test_many_sites_bind_at_once(clock: Clock, certificates: Path) -> None:
    """200 sites share a user whose number of bindings was raised for them."""
    from tests.sandbox.conftest import Client

    world = small_world(keys_per_user=200)
    async with Sandbox(directory=certificates, world=world, now=clock) as sandbox:
        tls = ssl.create_default_context(cafile=str(sandbox.ca_file))
        connector = aiohttp.TCPConnector(ssl=tls, limit=20)
        async with aiohttp.ClientSession(connector=connector) as session:
            client = Client(sandbox, session, clock)

            async def bind() -> int:
                return (await client.account(await client.bind())).status

            assert await asyncio.gather(*(bind() for _ in range(200))) == [200] * 200
            assert len(list(world.keys)) == 200
