"""What comes over the wire: referrals, ranges, garbage, floods, attacks; told apart, and never a traceback."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
import sansldap
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.ports import ProviderFault
from daemon.providers.ldap_connection import LdapLimits
from daemon.providers.ldap_directory import LdapDirectory
from daemon.providers.ldap_entry import Entry, entry_in
from daemon.providers.ldap_wire import Answer, Lost, Wire
from states import Fault
from tests.directory.certificates import Authority
from tests.directory.conftest import SHORT, Adapters
from tests.directory.scripted import BASE_DN, Reply, Scripted, serving, user
from tests.directory.stalls import TURN, shortest
from tests.directory.test_ldap_errors import access_to


async def fault_of(directory: LdapDirectory, wanted: str = "ada@corp.test") -> ProviderFault:
    with pytest.raises(ProviderFault) as raised:
        await directory.find(wanted)
    assert raised.value.__context__ is None
    return raised.value


async def test_referrals_are_skipped(plain: Adapters) -> None:
    script = Scripted(search=lambda request: Reply([user("ada")], references=["ldap://other.corp.test/DC=other"]))
    async with serving(script):
        found = await plain.directory(access_to(script)).find("ada@corp.test")
    assert [item.display_name for item in found.objects] == ["ada"]


async def test_a_base_in_another_domain_names_its_servers(plain: Adapters) -> None:
    script = Scripted(search=lambda request: Reply(code=10, text="0000202B: referral"))
    async with serving(script):
        fault = await fault_of(plain.directory(access_to(script)))
    assert fault.fault is Fault.DIRECTORY_BASE_UNKNOWN
    assert "another domain" in fault.detail


async def test_more_than_enough_is_no_fault(plain: Adapters) -> None:
    script = Scripted(search=lambda request: Reply([user("ada"), user("ada", number=2)], code=4))
    async with serving(script):
        found = await plain.directory(access_to(script)).find("ada@corp.test")
    assert len(found.objects) == 2


GARBAGE = {
    "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "indefinite": b"\x30\x80\x00\x00",
    "no message": b"\x30\x03\x01\x01\xff",
    "a request": bytes.fromhex("300c020102600702010304008000"),
    "a number never asked": bytes.fromhex("300c02014f650702010004000400"),
    "a length of five octets": b"\x30\x85\x00\x00\x00\x00\x01\x00",
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
async def test_what_is_no_ldap_is_told_as_that(plain: Adapters, garbage: bytes) -> None:
    script = Scripted(search=lambda request: garbage)
    async with serving(script):
        fault = await fault_of(plain.directory(access_to(script), limits=SHORT))
    assert fault.fault is Fault.ANSWER_MALFORMED
    assert f"127.0.0.1:{script.port}: the server sent something that is not LDAP" in fault.detail


async def test_a_message_without_end_is_cut_off(plain: Adapters) -> None:
    script = Scripted(search=lambda request: b"\x30\x84\x7f\xff\xff\xff" + bytes(200_000))
    async with serving(script):
        fault = await fault_of(plain.directory(access_to(script), limits=LdapLimits(largest=100_000)))
    assert fault.fault is Fault.ANSWER_MALFORMED
    assert "a message of more than 100000 bytes" in fault.detail


async def test_a_cut_connection_is_tried_once_more_and_then_told(plain: Adapters) -> None:
    script = Scripted(search=lambda request: None)
    async with serving(script):
        fault = await fault_of(plain.directory(access_to(script)))
    assert fault.fault is Fault.CONNECTION_LOST
    assert "the connection was cut during a search" in fault.detail
    assert script.connections == 2


@pytest.mark.parametrize(
    "code, fault", [(52, Fault.DIRECTORY_BUSY), (8, Fault.DIRECTORY_PROTECTION_REQUIRED), (2, Fault.CONNECTION_LOST)]
)
async def test_a_notice_of_disconnection_says_why(plain: Adapters, code: int, fault: Fault) -> None:
    notice = sansldap.ExtendedResponse(
        message_id=0,
        controls=[],
        result=sansldap.LDAPResult(sansldap.LDAPResultCode(code), "", "going down", None),
        name=sansldap.ExtendedOperations.LDAP_NOTICE_OF_DISCONNECTION.value,
        value=None,
    )
    data = notice.pack(sansldap.LDAPClient()._packing_options)
    script = Scripted(search=lambda request: data)
    async with serving(script):
        found = await fault_of(plain.directory(access_to(script)))
    assert found.fault is fault
    assert "going down" in found.detail


async def test_what_is_sent_in_the_clear_beside_start_tls_is_an_attack(plain: Adapters, authority: Authority) -> None:
    plain.ca_file = str(authority.ca_file)
    pair = authority.server("startls", names=("127.0.0.1",))
    script = Scripted(certificate=pair, before_tls=bytes.fromhex("300c02010161070a010004000400"))
    async with serving(script):
        fault = await fault_of(plain.directory(access_to(script, security="starttls")))
    assert fault.fault is Fault.ANSWER_MALFORMED
    assert "sent more before TLS than its answer" in fault.detail
    assert script.binds == []


async def test_a_server_that_says_nothing_of_itself_is_no_directory(plain: Adapters) -> None:
    script = Scripted(root=Reply())
    async with serving(script):
        fault = await fault_of(plain.directory(access_to(script)))
    assert fault.fault is Fault.DIRECTORY_UNSUITABLE


async def test_an_instance_of_ad_lds_is_told_apart(plain: Adapters) -> None:
    lds = {"supportedCapabilities": [b"1.2.840.113556.1.4.1851"], "namingContexts": [b"CN=App"]}
    script = Scripted(root=Reply([("", lds)]))
    async with serving(script):
        fault = await fault_of(plain.directory(access_to(script)))
    assert fault.fault is Fault.DIRECTORY_UNSUITABLE
    assert "AD LDS" in fault.detail


async def test_a_mailbox_by_exchanges_own_attributes_counts_as_mail_enabled(plain: Adapters) -> None:
    entry = user("ada", mail=[], msExchMailboxGuid=[b"1" * 16])
    script = Scripted(search=lambda request: Reply([entry]))
    async with serving(script):
        [found] = (await plain.directory(access_to(script)).find("ada")).objects
    assert (found.mail_enabled, found.addresses) == (True, ())


async def test_contacts_are_reached_where_their_mail_goes(plain: Adapters) -> None:
    contact = user("partner", objectClass=[b"contact"], mail=[], targetAddress=[b"SMTP:Partner@Elsewhere.test"])
    script = Scripted(search=lambda request: Reply([contact]))
    async with serving(script):
        [found] = (await plain.directory(access_to(script)).find("partner")).objects
    assert (found.kind, found.primary_address, found.enabled) == ("contact", "partner@elsewhere.test", None)


async def test_an_object_that_hides_its_id_is_left_out(plain: Adapters) -> None:
    hidden = user("ada", objectGUID=[])
    script = Scripted(search=lambda request: Reply([hidden]))
    async with serving(script):
        assert (await plain.directory(access_to(script)).find("ada")).objects == ()


OPTIONS = sansldap.LDAPClient()._packing_options
DONE = sansldap.SearchResultDone(
    message_id=1, controls=[], result=sansldap.LDAPResult(sansldap.LDAPResultCode.SUCCESS, "", "", None)
).pack(OPTIONS)


def entry(number: int, *, addresses: int) -> bytes:
    """An entry in answer to the first message, as bytes."""
    name, attributes = user(f"user{number}", number=number)
    attributes["proxyAddresses"] = [f"smtp:alias{number}.{one}@corp.test".encode() for one in range(addresses)]
    partial = [sansldap.PartialAttribute(key, values) for key, values in attributes.items()]
    message = sansldap.SearchResultEntry(message_id=1, controls=[], object_name=name, attributes=partial)
    return message.pack(OPTIONS)


async def answered(data: bytes) -> Answer | Lost:
    """What becomes of a search that is answered with `data`, after which the server hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(data)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        connection = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
        wire = Wire(*connection, largest=2**20)
        try:
            return await wire.send(lambda client: client.search_request(BASE_DN))
        except Lost as lost:
            return lost
        finally:
            await wire.close()


async def test_a_huge_page_in_one_piece_does_not_hold_up_the_loop() -> None:
    """A thousand entries with twenty addresses each."""
    data = b"".join(entry(number, addresses=20) for number in range(1, 1001)) + DONE
    answers: list[Answer | Lost] = []

    async def ask() -> None:
        answers.append(await answered(data))

    assert await shortest(ask) < TURN
    assert isinstance(answers[-1], Answer)
    assert len(answers[-1].entries) == 1000


SOUND = entry(1, addresses=3) + DONE


@given(
    cut=st.integers(min_value=0, max_value=len(SOUND)),
    changes=st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.integers(0, 255)), max_size=6),
)
@settings(max_examples=150)
def test_whatever_comes_ends_in_an_answer_or_in_a_lost_connection(cut: int, changes: list[tuple[int, int]]) -> None:
    data = bytearray(SOUND)
    for place, value in changes:
        data[place] = value
    ended = asyncio.run(answered(bytes(data[:cut] if cut else data)))
    assert isinstance(ended, Answer | Lost)
    if not changes and not cut:
        assert isinstance(ended, Answer)


names = st.text(st.characters(codec="utf-8"), max_size=40)
values = st.lists(st.binary(max_size=300), max_size=5)


@given(number=st.integers(1, 2**31 - 1), dn=names, attributes=st.dictionaries(names.map(str.lower), values, max_size=6))
def test_entries_are_read_as_sansldap_reads_them(number: int, dn: str, attributes: dict[str, list[bytes]]) -> None:
    attributes = {name.lower(): each for name, each in attributes.items()}
    partial = [sansldap.PartialAttribute(name, each) for name, each in attributes.items()]
    message = sansldap.SearchResultEntry(message_id=number, controls=[], object_name=dn, attributes=partial)
    expected = Entry(dn, {name: tuple(each) for name, each in attributes.items()})
    assert entry_in(message.pack(OPTIONS)) == (number, expected)


@given(
    cut=st.integers(min_value=0, max_value=200),
    changes=st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.integers(0, 255)), max_size=6),
)
def test_a_broken_entry_is_an_error_of_value_and_of_nothing_else(cut: int, changes: list[tuple[int, int]]) -> None:
    data = bytearray(entry(1, addresses=3))
    for place, value in changes:
        data[place % len(data)] = value
    with contextlib.suppress(ValueError):
        entry_in(bytes(data[: len(data) - cut]))


def test_another_message_is_no_entry() -> None:
    assert entry_in(DONE) is None
