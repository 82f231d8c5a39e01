"""Which servers are tried, in which order, and which one is taken when some are down."""

from __future__ import annotations

import asyncio
import random
import re
import socket
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
import sansldap
from dns.resolver import BaseResolver
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.engine.clock import SystemClock
from daemon.ports import DirectoryAccess, ProviderFault
from daemon.providers.domain_controllers import DomainControllers, Server, domain_of, in_order
from daemon.providers.name_service import NameService, Record
from daemon.providers.netlogon import site_of_this_host
from states import Fault
from tests.directory.conftest import Adapters, access_to
from tests.directory.dns_zone import DnsZone
from tests.directory.samba import DOMAIN, HOST, Samba

real = [pytest.mark.parts, pytest.mark.root]
PLAIN = DirectoryAccess(platform="active-directory", base_dn="OU=Staff,DC=corp,DC=test")


def controllers(zone: DnsZone | None = None) -> DomainControllers:
    nameservers = [f"127.0.0.1:{zone.port}"] if zone else []
    return DomainControllers(SystemClock().monotonic, nameservers=nameservers, chance=random.Random(4711))


@pytest.mark.parametrize(
    "server, security, host, port",
    [
        ("dc1.corp.test", "ldaps", "dc1.corp.test", 636),
        ("dc1.corp.test", "starttls", "dc1.corp.test", 389),
        ("dc1.corp.test", "none", "dc1.corp.test", 389),
        (" dc1.corp.test:3269 ", "ldaps", "dc1.corp.test", 3269),
        ("10.0.0.5:6360", "ldaps", "10.0.0.5", 6360),
        ("2001:db8::5", "ldaps", "2001:db8::5", 636),
        ("[2001:db8::5]", "ldaps", "2001:db8::5", 636),
        ("[2001:db8::5]:6360", "ldaps", "2001:db8::5", 6360),
    ],
)
async def test_a_configured_server_is_taken_as_it_is(server: str, security: str, host: str, port: int) -> None:
    access = DirectoryAccess(platform="active-directory", server=server, security=security)  # type: ignore[arg-type]
    assert await controllers().servers(access, seconds=1) == [Server(host, port)]


@pytest.mark.parametrize(
    "dn, domain",
    [
        ("DC=corp,DC=example,DC=test", "corp.example.test"),
        ("ou=Staff, dc = Corp ,DC=Test", "corp.test"),
        ("OU=Staff", ""),
        ("", ""),
        ("DC=co rp,DC=test", ""),
        ("o=Example,c=GB", ""),
    ],
)
def test_a_base_tells_its_domain(dn: str, domain: str) -> None:
    assert domain_of(dn) == domain


def test_priorities_come_in_order_and_weights_share_the_load() -> None:
    records = [Record(10, 0, "spare"), Record(0, 90, "heavy"), Record(0, 10, "light")]
    chance = random.Random(1)
    orders = Counter(tuple(record.host for record in in_order(records, chance)) for _ in range(400))
    assert {order[-1] for order in orders} == {"spare"}
    assert 300 < orders["heavy", "light", "spare"] < 400


async def test_dns_names_the_servers_with_the_port_of_the_protection() -> None:
    async with DnsZone() as zone:
        zone.srv["_ldap._tcp.dc._msdcs.corp.test"] = [(10, 100, 389, "dc2.corp.test"), (0, 100, 389, "dc1.corp.test")]
        found = await controllers(zone).servers(PLAIN, seconds=2)
    assert [str(server) for server in found] == ["dc1.corp.test:636", "dc2.corp.test:636"]
    assert found[0].found == "from DNS for corp.test"


@pytest.mark.parametrize("records", [[], [(0, 0, 0, ".")]])
async def test_a_domain_without_records_says_what_to_do(records: list[tuple[int, int, int, str]]) -> None:
    async with DnsZone() as zone:
        zone.srv["_ldap._tcp.dc._msdcs.corp.test"] = records
        with pytest.raises(ProviderFault) as raised:
            await controllers(zone).servers(PLAIN, seconds=2)
    assert raised.value.fault is Fault.NAME_NOT_RESOLVED
    assert "_ldap._tcp.dc._msdcs.corp.test has no SRV record" in raised.value.detail
    assert "set [directory] server" in raised.value.detail


async def test_a_silent_nameserver_is_given_up_in_time() -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as mute:
        mute.bind(("127.0.0.1", 0))
        silent = DomainControllers(SystemClock().monotonic, nameservers=[f"127.0.0.1:{mute.getsockname()[1]}"])
        with pytest.raises(ProviderFault) as raised:
            await silent.servers(PLAIN, seconds=0.3)
    assert raised.value.fault is Fault.NAME_NOT_RESOLVED
    assert "no DNS server answered within 0.3 s" in raised.value.detail


async def test_without_server_and_domain_there_is_nothing_to_ask() -> None:
    with pytest.raises(ProviderFault) as raised:
        await controllers().servers(DirectoryAccess(platform="active-directory"), seconds=1)
    assert raised.value.fault is Fault.DIRECTORY_UNREACHABLE
    assert "[directory] server" in raised.value.detail


async def test_a_name_that_does_not_resolve_is_told() -> None:
    for host in ("nowhere.invalid", "a" * 80 + ".test"):
        with pytest.raises(ProviderFault) as raised:
            await NameService().addresses(host, seconds=5)
        assert raised.value.fault is Fault.NAME_NOT_RESOLVED


@pytest.mark.parametrize("content", ["", "search corp.test\n", None], ids=["empty", "without a server", "missing"])
async def test_a_system_without_a_name_server_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    """A container whose network is not set up: what to look at is named, and the names of this system still hold."""
    instead, read = tmp_path / "resolv.conf", BaseResolver.read_resolv_conf
    if content is not None:
        instead.write_text(content)
    monkeypatch.setattr(BaseResolver, "read_resolv_conf", lambda resolver, _: read(resolver, str(instead)))
    with pytest.raises(ProviderFault) as raised:
        await NameService().services("_ldap._tcp.corp.test", seconds=5)
    assert raised.value.fault is Fault.NAME_NOT_RESOLVED
    assert raised.value.detail == (
        "DNS could not be asked for SRV _ldap._tcp.corp.test: this host has no name server: "
        "/etc/resolv.conf is missing or names none"
    )
    assert raised.value.__context__ is None
    assert await NameService().addresses("localhost", seconds=5)


async def site_by(answer: bytes) -> str:
    """The site of this host, if a domain controller gives this answer."""

    class Answering(asyncio.DatagramProtocol):
        def datagram_received(self, question: bytes, addr: tuple[str, int]) -> None:
            transport.sendto(answer, addr)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Answering, local_addr=("127.0.0.1", 0))
    try:
        return await site_of_this_host("127.0.0.1", "corp.test", port=transport.get_extra_info("sockname")[1])
    finally:
        transport.close()


BEFORE = bytes(24) + b"\0" * 7


@pytest.mark.parametrize(
    "netlogon, site",
    [
        (BEFORE + b"\x04Site\0", "Site"),
        (BEFORE + b"\x06../../\0", ""),
        (BEFORE + b"\x04Si", ""),
        (bytes(24) + b"\xc0\x18" * 8, ""),
        (b"", ""),
    ],
    ids=["sound", "a path", "cut", "in a circle", "empty"],
)
async def test_a_site_is_believed_only_where_it_reads_as_one(netlogon: bytes, site: str) -> None:
    assert await site_by(ping_answer(netlogon)) == site


@given(answer=st.binary(min_size=1, max_size=300), wrapped=st.booleans())
@settings(max_examples=50)
def test_a_datagram_may_hold_anything(answer: bytes, wrapped: bool) -> None:
    site = asyncio.run(site_by(ping_answer(answer) if wrapped else answer))
    assert re.fullmatch(r"[A-Za-z0-9_-]{0,63}", site)


def ping_answer(netlogon: bytes) -> bytes:
    """What a domain controller answers to a ping, as a datagram."""
    options = sansldap.LDAPClient()._packing_options
    result = sansldap.LDAPResult(sansldap.LDAPResultCode.SUCCESS, "", "", None)
    partial = [sansldap.PartialAttribute("netlogon", [netlogon])]
    entry = sansldap.SearchResultEntry(message_id=1, controls=[], object_name="", attributes=partial)
    return entry.pack(options) + sansldap.SearchResultDone(message_id=1, controls=[], result=result).pack(options)


class TestAgainstSamba:
    pytestmark = real

    async def test_the_site_of_this_host_is_told_by_the_domain_controller(self, samba: Samba) -> None:
        assert await site_of_this_host(samba.address, DOMAIN) == "Default-First-Site-Name"

    async def test_nobody_who_answers_is_no_site(self, samba: Samba) -> None:
        assert await site_of_this_host("127.0.0.1", DOMAIN, port=9) == ""
        assert await site_of_this_host(samba.address, "other.test") == ""

    async def test_the_next_server_is_taken_when_one_is_down(self, adapters: Adapters, samba: Samba) -> None:
        async with DnsZone() as zone:
            zone.srv[f"_ldap._tcp.dc._msdcs.{DOMAIN}"] = [(0, 1, 389, "dc0.ad.example.test"), (1, 1, 389, HOST)]
            zone.a["dc0.ad.example.test"] = "127.0.0.99"
            zone.a[HOST] = samba.address
            adapters.nameservers = [f"127.0.0.1:{zone.port}"]
            directory = adapters.directory(access_to(samba))
            examination = await directory.examine()
            assert (await directory.find("ada@example.test")).objects
        server = examination.layers[0]
        assert server.fault is None
        assert f"connected to {HOST}:636" in server.detail
        assert "passed over: no connection to dc0.ad.example.test:636: Connection refused" in server.detail

    async def test_servers_of_our_site_come_first(self, samba: Samba) -> None:
        async with DnsZone() as zone:
            zone.srv[f"_ldap._tcp.dc._msdcs.{DOMAIN}"] = [(0, 1, 389, "far.ad.example.test"), (1, 1, 389, HOST)]
            zone.srv[f"_ldap._tcp.Default-First-Site-Name._sites.dc._msdcs.{DOMAIN}"] = [(0, 1, 389, HOST)]
            zone.a[HOST] = samba.address
            finder = controllers(zone)
            found = await finder.servers(access_to(samba), seconds=2)
            again = await finder.servers(access_to(samba), seconds=2)
        assert [server.host for server in found] == [HOST, "far.ad.example.test"]
        assert "of this host's site Default-First-Site-Name" in found[0].found
        assert again == found

    async def test_when_all_are_down_each_is_told(self, adapters: Adapters, samba: Samba) -> None:
        async with DnsZone() as zone:
            names = ("dc8.ad.example.test", "dc9.ad.example.test")
            zone.srv[f"_ldap._tcp.dc._msdcs.{DOMAIN}"] = [(one, 1, 389, name) for one, name in enumerate(names)]
            zone.a["dc8.ad.example.test"] = "127.0.0.98"
            adapters.nameservers = [f"127.0.0.1:{zone.port}"]
            examination = await adapters.directory(access_to(samba)).examine()
        [server] = examination.layers
        assert server.fault is not None
        assert "none of 2 servers served" in server.detail
        assert all(name in server.detail for name in names)

    async def test_of_many_that_are_down_only_a_few_are_tried(self, adapters: Adapters, samba: Samba) -> None:
        async with DnsZone() as zone:
            names = [f"dc{one}.ad.example.test" for one in range(10, 30)]
            zone.srv[f"_ldap._tcp.dc._msdcs.{DOMAIN}"] = [(one, 1, 389, name) for one, name in enumerate(names)]
            adapters.nameservers = [f"127.0.0.1:{zone.port}"]
            examination = await adapters.directory(access_to(samba)).examine()
        [server] = examination.layers
        assert server.fault is not None
        assert server.fault.fault is Fault.NAME_NOT_RESOLVED
        assert "none of 4 servers served" in server.detail
