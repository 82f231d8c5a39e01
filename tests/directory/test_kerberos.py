"""Kerberos at a real Active Directory: signed and sealed without TLS, bound to it with, and whose ticket it is."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from daemon.ports import DIRECTORY_LAYERS, DirectoryAccess, DirectoryObject, Examination, ProviderFault, Secret
from daemon.providers import kerberos_cache
from daemon.providers.ldap_connection import LdapLimits
from states import Fault
from tests.directory.company import CROWD, PASSWORD
from tests.directory.conftest import Adapters, access_to
from tests.directory.dns_zone import DnsZone
from tests.directory.realm import REALM, Realm, is_kept
from tests.directory.samba import DOMAIN, HOST, Samba
from tests.directory.stalls import TURN, shortest

pytestmark = [pytest.mark.parts, pytest.mark.root]

AS_SERVICE = f"signed in as svc.sitebind@{REALM} by Kerberos"
SEALED = "all that follows is signed and sealed"


@pytest.fixture
def realm(samba: Samba, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Realm:
    found = Realm(tmp_path, monkeypatch)
    found.served_by(samba.address)
    return found


@pytest.fixture
def access(samba: Samba, realm: Realm) -> DirectoryAccess:
    return by_kerberos(samba)


def by_kerberos(samba: Samba, **changes: object) -> DirectoryAccess:
    return access_to(samba, **{"sign_in": "kerberos", "security": "none", "server": HOST} | changes)


def sign_in_of(examination: Examination) -> tuple[Fault | None, str]:
    """The layer `directory sign-in`, which was reached."""
    [layer] = (layer for layer in examination.layers if layer.name == "directory sign-in")
    return layer.fault.fault if layer.fault else None, layer.detail


async def test_without_tls_everything_is_signed_and_sealed(adapters: Adapters, access: DirectoryAccess) -> None:
    examination = await adapters.directory(access).examine()
    assert tuple(layer.name for layer in examination.layers) == DIRECTORY_LAYERS
    assert [(layer.fault, layer.status) for layer in examination.layers] == [(None, "passed")] * 5
    assert "Kerberos signs and seals after the sign-in" in examination.layers[1].detail
    assert examination.layers[2].detail == f"{AS_SERVICE}; {SEALED}"
    assert 'is the user "Ada Lovelace"' in examination.layers[4].detail


async def test_nobody_on_the_way_reads_the_password_or_an_answer(
    adapters: Adapters, samba: Samba, access: DirectoryAccess
) -> None:
    async with DnsZone() as zone, eavesdropper(samba.address, 389) as (port, heard):
        zone.a[HOST] = "127.0.0.1"
        adapters.nameservers = [f"127.0.0.1:{zone.port}"]
        directory = adapters.directory(by_kerberos(samba, server=f"{HOST}:{port}"))
        assert (await directory.find("ada@example.test")).objects
    assert len(heard) > 2000
    assert b"GSSAPI" in heard
    for word in (PASSWORD.encode(), b"proxyAddresses", b"ada@example.test", b"Lovelace"):
        assert word not in heard


@asynccontextmanager
async def eavesdropper(host: str, port: int) -> AsyncIterator[tuple[int, bytearray]]:
    """A port that leads there, and everything that went by."""
    heard, writers = bytearray(), list[asyncio.StreamWriter]()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            heard.extend(data)
            writer.write(data)
        writer.close()

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(host, port)
        writers.extend((writer, there[1]))
        await asyncio.gather(carry(reader, there[1]), carry(there[0], writer))

    async with await asyncio.start_server(join, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], heard
        for writer in writers:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()


async def test_large_answers_come_sealed_and_the_loop_runs_on(adapters: Adapters, access: DirectoryAccess) -> None:
    directory = adapters.directory(access, limits=LdapLimits(page=1000))
    [group] = (await directory.find("crowd@example.test")).objects
    members: list[DirectoryObject] = []

    async def list_them() -> None:
        members[:] = [member async for member in directory.members(group)]

    assert await shortest(list_them) < TURN
    assert len(members) == CROWD


async def test_many_lookups_share_one_sealed_connection(adapters: Adapters, access: DirectoryAccess) -> None:
    directory = adapters.directory(access)
    found = await asyncio.gather(*(directory.find(f"c{one:05}@alias.test") for one in range(100)))
    assert [each.objects[0].primary_address for each in found] == [f"crowd{one:05}@example.test" for one in range(100)]
    assert adapters.calls.count(("ldap", "0")) == len(adapters.calls)


async def test_a_restart_of_the_server_costs_a_new_sign_in(
    adapters: Adapters, samba: Samba, access: DirectoryAccess
) -> None:
    directory = adapters.directory(access)
    await directory.find("ada@example.test")
    samba.restart()
    assert (await directory.find("ada@example.test")).objects


async def test_servers_that_dns_names_are_signed_in_at_by_their_names(
    adapters: Adapters, samba: Samba, realm: Realm
) -> None:
    examination = await adapters.directory(by_kerberos(samba, server="")).examine()
    assert sign_in_of(examination) == (None, f"{AS_SERVICE}; {SEALED}")


class TestInsideTls:
    @pytest.fixture
    def willing(self, samba: Samba) -> Iterator[None]:
        """Samba refuses Kerberos inside TLS unless it is told otherwise, which an Active Directory need not be."""
        samba.restart(strong="allow_sasl_over_tls")
        yield
        samba.restart()

    @pytest.mark.parametrize("security", ["ldaps", "starttls"])
    async def test_the_sign_in_is_bound_to_the_connection(
        self, adapters: Adapters, samba: Samba, realm: Realm, willing: None, security: str
    ) -> None:
        examination = await adapters.directory(by_kerberos(samba, security=security)).examine()
        assert [layer.fault for layer in examination.layers] == [None] * 5
        assert examination.layers[2].detail == f"{AS_SERVICE}, bound to the TLS connection"

    @pytest.mark.parametrize("security", ["ldaps", "starttls"])
    async def test_a_server_that_refuses_it_there_is_told_apart_from_a_wrong_password(
        self, adapters: Adapters, samba: Samba, realm: Realm, security: str
    ) -> None:
        fault, detail = sign_in_of(await adapters.directory(by_kerberos(samba, security=security)).examine())
        assert fault is Fault.DIRECTORY_KERBEROS_REFUSED
        assert "the server takes no Kerberos sign-in inside TLS" in detail
        assert "LDAP code 8" in detail
        assert "set [directory] security = none" in fault.remedy.replace("Set", "set")


class TestWhoseTicket:
    async def test_a_keytab_stands_for_the_password(
        self, adapters: Adapters, samba: Samba, realm: Realm, tmp_path: Path
    ) -> None:
        keytab = samba.keytab("svc.sitebind", tmp_path / "svc.keytab")
        access = by_kerberos(samba, password=None, keytab=str(keytab))
        assert sign_in_of(await adapters.directory(access).examine()) == (None, f"{AS_SERVICE}; {SEALED}")

    async def test_a_keytab_that_is_missing_or_another_users_is_named(
        self, adapters: Adapters, samba: Samba, realm: Realm, tmp_path: Path
    ) -> None:
        other = samba.keytab("victim", tmp_path / "victim.keytab")
        for path in (tmp_path / "missing.keytab", other):
            access = by_kerberos(samba, password=None, keytab=str(path))
            fault, detail = sign_in_of(await adapters.directory(access).examine())
            assert fault is Fault.KERBEROS_UNAVAILABLE
            assert f"of svc.sitebind@{REALM} with the keytab {path}" in detail
            assert "the keytab cannot be read, or holds no key of this user" in detail

    async def test_the_processs_own_ticket_is_taken_where_nothing_else_is_set(
        self, adapters: Adapters, samba: Samba, realm: Realm
    ) -> None:
        own = by_kerberos(samba, user="", password=None)
        fault, detail = sign_in_of(await adapters.directory(own).examine())
        assert fault is Fault.KERBEROS_UNAVAILABLE
        assert "with this process's own ticket" in detail
        assert "set [directory] user and password, or keytab" in detail
        realm.take_ticket(f"svc.sitebind@{REALM}", PASSWORD)
        assert sign_in_of(await adapters.directory(own).examine()) == (None, f"{AS_SERVICE}; {SEALED}")

    async def test_a_configured_user_never_signs_in_with_a_ticket_of_somebody_else(
        self, adapters: Adapters, samba: Samba, realm: Realm
    ) -> None:
        realm.take_ticket(f"victim@{REALM}", PASSWORD)
        before = realm.cache.read_bytes()
        assert sign_in_of(await adapters.directory(by_kerberos(samba)).examine())[1].startswith(AS_SERVICE)
        wrong = by_kerberos(samba, user=f"victim@{REALM}", password=Secret("wrong"))
        assert sign_in_of(await adapters.directory(wrong).examine())[0] is Fault.DIRECTORY_SIGN_IN_REFUSED
        assert realm.cache.read_bytes() == before

    async def test_no_ticket_of_a_keytab_outlives_the_sign_in(
        self, adapters: Adapters, samba: Samba, realm: Realm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A ticket of a password is kept by the library itself, in a cache that ends with the sign-in."""
        monkeypatch.setattr(secrets, "token_hex", lambda length: "known")
        keytab = samba.keytab("svc.sitebind", tmp_path / "svc.keytab")
        access = by_kerberos(samba, password=None, keytab=str(keytab))
        assert sign_in_of(await adapters.directory(access).examine())[0] is None
        assert not is_kept("MEMORY:sitebind-known")

    def test_a_cache_is_kept_for_so_long_and_no_longer(self, realm: Realm) -> None:
        with kerberos_cache.passing() as name:
            assert not is_kept(name)
            realm.take_ticket(f"svc.sitebind@{REALM}", PASSWORD, cache=name)
            assert is_kept(name)
        assert not is_kept(name)


TROUBLES = {
    "disabled": (Fault.DIRECTORY_ACCOUNT_BLOCKED, "the account is disabled, locked or expired (Kerberos error 18"),
    "expired": (Fault.DIRECTORY_ACCOUNT_BLOCKED, "the account is disabled, locked or expired (Kerberos error 18"),
    "locked": (Fault.DIRECTORY_ACCOUNT_BLOCKED, "the account is disabled, locked or expired (Kerberos error 18"),
    "notnow": (Fault.DIRECTORY_ACCOUNT_BLOCKED, "(Kerberos error 18"),
    "mustchange": (Fault.DIRECTORY_PASSWORD_EXPIRED, "has to be changed before the next sign-in (Kerberos error 23"),
    "oldpassword": (Fault.DIRECTORY_PASSWORD_EXPIRED, "the password has expired"),
    "nobody": (Fault.DIRECTORY_SIGN_IN_REFUSED, "the realm knows no such user (Kerberos error 6"),
}


@pytest.mark.parametrize("user", TROUBLES)
async def test_an_account_in_trouble_is_told_in_words(
    adapters: Adapters, samba: Samba, realm: Realm, user: str
) -> None:
    fault, words = TROUBLES[user]
    access = by_kerberos(samba, user=f"{user}@{DOMAIN}")
    assert (found := sign_in_of(await adapters.directory(access).examine()))[0] is fault
    assert words in found[1]
    assert f"of {user}@{REALM} for {HOST}:389" in found[1]


async def test_a_wrong_password_is_tried_once_and_a_changed_one_at_once(
    adapters: Adapters, samba: Samba, realm: Realm
) -> None:
    wrong = adapters.directory(by_kerberos(samba, password=Secret("not the password")))
    for again in ("the password (or the key in the keytab) is wrong (Kerberos error 24", "it is not tried again for"):
        with pytest.raises(ProviderFault) as raised:
            await wrong.find("ada@example.test")
        assert raised.value.fault is Fault.DIRECTORY_SIGN_IN_REFUSED
        assert again in raised.value.detail
        assert "not the password" not in raised.value.detail
    assert (await adapters.directory(by_kerberos(samba)).find("ada@example.test")).objects


@pytest.mark.parametrize("name", ["alias.ad.example.test", "127.0.0.53"])
async def test_a_server_by_alias_or_address_is_not_known_to_kerberos(
    adapters: Adapters, samba: Samba, realm: Realm, name: str
) -> None:
    async with DnsZone() as zone:
        zone.a["alias.ad.example.test"] = samba.address
        adapters.nameservers = [f"127.0.0.1:{zone.port}"]
        server = samba.address if re.match(r"\d", name) else name
        fault, detail = sign_in_of(await adapters.directory(by_kerberos(samba, server=server)).examine())
    assert fault is Fault.KERBEROS_SERVER_UNKNOWN
    assert "the realm knows no LDAP server by this name" in detail
    assert "by its own full name" in fault.remedy


@pytest.mark.parametrize("changes", [{"password": None}, {"user": ""}, {"user": "", "password": None, "keytab": "k"}])
async def test_half_a_sign_in_is_none(
    adapters: Adapters, samba: Samba, realm: Realm, changes: dict[str, object]
) -> None:
    fault, detail = sign_in_of(await adapters.directory(by_kerberos(samba, **changes)).examine())
    assert fault is Fault.DIRECTORY_SIGN_IN_REFUSED
    assert "user and password, or user and keytab, or none of them" in detail
