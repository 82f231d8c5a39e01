"""Which TLS is spoken, and whose certificates are believed: against real servers of each kind."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from daemon.ports import ProviderFault, Route
from daemon.providers.http import HttpClients
from states import Fault
from tests.providers.conftest import Authority, Proxy, Servers, answering, http, signed

V = ssl.TLSVersion


def limited(context: ssl.SSLContext, lowest: ssl.TLSVersion, highest: ssl.TLSVersion) -> ssl.SSLContext:
    """A context for these versions only; OpenSSL offers the old ones at its lowest security level alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the old versions are what is tested
        context.minimum_version, context.maximum_version = lowest, highest
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


@contextmanager
def old_server(context: ssl.SSLContext) -> Iterator[int]:
    """A server that says goodbye to clients which it does not understand, as asyncio's own does not; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                caller, _ = listening.accept()
                with caller, suppress(OSError):
                    if caller.recv(1, socket.MSG_PEEK) == b"!":
                        return
                    context.wrap_socket(caller, server_side=True).close()

        thread = threading.Thread(target=serve, name="old server")
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            with socket.create_connection(listening.getsockname()) as last:
                last.sendall(b"!")
            thread.join()


async def old_client(authority: Authority, port: int) -> str:
    """What a client that accepts everything agrees on with the server: the server itself works."""
    context = ssl.create_default_context(cafile=str(authority.ca_file))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # Python 3.13 asks for more than our certificates have
    _, writer = await asyncio.open_connection("localhost", port, ssl=limited(context, V.TLSv1, V.TLSv1_3))
    version: str = writer.get_extra_info("ssl_object").version()
    writer.transport.abort()
    return version


@pytest.mark.parametrize("through_a_proxy", [False, True])
@pytest.mark.parametrize("highest", [V.TLSv1_2, V.TLSv1_3])
async def test_tls_1_2_is_enough_and_1_3_is_taken_where_it_is_offered(
    clients: HttpClients, authority: Authority, servers: Servers, *, highest: ssl.TLSVersion, through_a_proxy: bool
) -> None:
    """The report names the version; calls and the `connect` step judge alike."""
    port = await servers.open(answering(http()), limited(authority.good(), V.TLSv1, highest))
    route = Route(ca_file=str(authority.ca_file))
    if through_a_proxy:
        route = replace(route, use_proxy=True, proxy_host="127.0.0.1", proxy_port=await servers.open(Proxy().handle))
    client = clients.client(route)
    wanted = {V.TLSv1_2: "TLSv1.2", V.TLSv1_3: "TLSv1.3"}[highest]
    assert wanted in await client.reach(f"https://localhost:{port}")
    answer = await client.call("GET", f"https://localhost:{port}/", endpoint="login", headers={})
    assert answer.status == 200


@pytest.mark.parametrize("version", [V.TLSv1, V.TLSv1_1])
async def test_what_is_older_than_tls_1_2_is_not_spoken(
    clients: HttpClients, authority: Authority, version: ssl.TLSVersion
) -> None:
    """Another client still reaches the server; this one says why it does not."""
    client = clients.client(Route(ca_file=str(authority.ca_file)))
    with old_server(limited(authority.good(), version, version)) as port:
        assert await old_client(authority, port) == version.name.replace("_", ".")
        for attempt in (
            lambda: client.call("GET", f"https://localhost:{port}/", endpoint="login", headers={}),
            lambda: client.reach(f"https://localhost:{port}"),
        ):
            with pytest.raises(ProviderFault, match=r"only TLS versions older than 1\.2") as caught:
                await attempt()
            assert caught.value.fault is Fault.TLS_FAILED


async def test_a_ca_file_is_believed_in_addition_to_the_systems_roots(
    clients: HttpClients, authority: Authority, servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One server of the system's CA, one of the file's CA, and one of neither."""
    made = {}
    for name in ("the system's CA", "a stranger's CA"):
        (folder := tmp_path / name).mkdir()
        made[name] = Authority(folder, name)
    system, stranger = made.values()
    monkeypatch.setenv("SSL_CERT_FILE", str(system.ca_file))  # where OpenSSL looks for the system's roots
    ports = {name: await servers.open(answering(http()), a.good()) for name, a in
             {"system": system, "file": authority, "stranger": stranger}.items()}  # fmt: skip

    for ca_file, believed in (("", {"system"}), (str(authority.ca_file), {"system", "file"})):
        client = clients.client(Route(ca_file=ca_file))
        for name in believed:
            await client.reach(f"https://localhost:{ports[name]}")
        for name in ports.keys() - believed:
            with pytest.raises(ProviderFault) as caught:
                await client.reach(f"https://localhost:{ports[name]}")
            assert caught.value.fault is Fault.CERTIFICATE_UNTRUSTED


async def test_a_chain_without_its_root_is_believed_by_the_intermediate_in_the_file(
    clients: HttpClients, servers: Servers, authority: Authority, tmp_path: Path
) -> None:
    """Administrators put what the firewall shows into the file, which is often not the root."""
    intermediate = signed("Inspecting Firewall Sub CA", by=None)
    path = tmp_path / "ca.pem"
    path.write_bytes(intermediate.certificate.public_bytes(serialization.Encoding.PEM))
    port = await servers.open(answering(http()), authority.context(signed("localhost", by=intermediate)))
    assert "Inspecting Firewall Sub CA" in await clients.client(Route(ca_file=str(path))).reach(
        f"https://localhost:{port}"
    )


async def test_http_is_offered_by_name_and_nothing_newer(
    clients: HttpClients, authority: Authority, servers: Servers
) -> None:
    """A service that could speak HTTP/2 speaks what we speak; the walk to it offers the same as the call."""
    context, agreed = authority.good(), asyncio.Queue[str | None]()
    context.set_alpn_protocols(["h2", "http/1.1"])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        agreed.put_nowait(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await answering(http())(reader, writer)

    client = clients.client(Route(ca_file=str(authority.ca_file)))
    url = f"https://localhost:{await servers.open(serve, context)}"
    await client.call("GET", url, endpoint="e", headers={})
    await client.reach(url)
    assert [await agreed.get(), await agreed.get()] == ["http/1.1", "http/1.1"]
