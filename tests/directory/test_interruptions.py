"""Servers that fall silent, restart or go away, and callers that give up: each in its time, and the loop goes on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from daemon.ports import Found, ProviderFault
from daemon.providers.ldap_connection import LdapLimits
from daemon.providers.ldap_directory import LdapDirectory
from states import Fault
from tests.directory.conftest import SHORT, Adapters, access_to
from tests.directory.samba import HOST, Samba
from tests.directory.stalls import TURN, Stalls, shortest

pytestmark = [pytest.mark.parts, pytest.mark.root]

SLACK = 1.0
"""Seconds that a busy machine may add."""


@contextlib.contextmanager
def full_port() -> Iterator[int]:
    """A port whose queue is full: a connection to it is neither made nor refused."""
    with socket.socket() as server, contextlib.ExitStack() as stack:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield server.getsockname()[1]


@contextlib.asynccontextmanager
async def mute_port() -> AsyncIterator[int]:
    """A port that takes connections and never says a word."""

    async def stay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(stay, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def timed_fault(directory: LdapDirectory) -> tuple[ProviderFault, float, float]:
    """The fault of a lookup, how long it took, and how long the loop was held up."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with Stalls() as stalls:
        with pytest.raises(ProviderFault) as raised:
            await directory.find("ada@example.test")
    return raised.value, loop.time() - began, stalls.longest


async def test_a_server_that_is_silent_at_connecting_is_given_up_in_time(adapters: Adapters, samba: Samba) -> None:
    with full_port() as port:
        silent = access_to(samba, server=f"127.0.0.1:{port}")
        fault, took, stall = await timed_fault(adapters.directory(silent, limits=SHORT))
    assert fault.fault is Fault.DIRECTORY_UNREACHABLE
    assert f"127.0.0.1:{port}: it did not answer within 0.4 s" in fault.detail
    assert SHORT.connect <= took < SHORT.connect + SLACK
    assert stall < TURN


@pytest.mark.parametrize("security", ["ldaps", "starttls"])
async def test_a_server_that_is_silent_at_tls_is_given_up_in_time(
    adapters: Adapters, samba: Samba, security: str
) -> None:
    async with mute_port() as port:
        silent = access_to(samba, server=f"127.0.0.1:{port}", security=security)
        fault, took, stall = await timed_fault(adapters.directory(silent, limits=SHORT))
    assert fault.fault is Fault.TIMED_OUT
    assert "the TLS handshake took longer than 0.4 s" in fault.detail
    assert SHORT.tls <= took < SHORT.tls + SLACK
    assert stall < TURN


async def test_a_server_that_is_silent_at_the_sign_in_is_given_up_in_time(adapters: Adapters, samba: Samba) -> None:
    async with mute_port() as port:
        silent = access_to(samba, server=f"127.0.0.1:{port}", security="none")
        fault, took, stall = await timed_fault(adapters.directory(silent, limits=SHORT))
    assert fault.fault is Fault.TIMED_OUT
    assert "did not answer within 0.6 s during the sign-in" in fault.detail
    assert SHORT.search <= took < SHORT.search + SLACK
    assert stall < TURN


async def test_a_server_that_is_silent_at_a_search_is_given_up_and_the_next_call_connects_anew(
    adapters: Adapters, samba: Samba
) -> None:
    directory = adapters.directory(access_to(samba), limits=SHORT)
    await directory.find("ada@example.test")
    samba.freeze()
    try:
        fault, took, stall = await timed_fault(directory)
    finally:
        samba.thaw()
    assert fault.fault is Fault.TIMED_OUT
    assert "did not answer within 0.6 s during a search" in fault.detail
    assert SHORT.search <= took < SHORT.search + SLACK
    assert stall < TURN
    assert (await directory.find("ada@example.test")).objects


async def test_many_callers_of_a_dead_server_wait_for_it_once(adapters: Adapters, samba: Samba) -> None:
    async with mute_port() as port:
        directory = adapters.directory(access_to(samba, server=f"127.0.0.1:{port}"), limits=SHORT)
        began = asyncio.get_running_loop().time()
        ended = await asyncio.gather(
            *(directory.find(f"user{one}@example.test") for one in range(40)), return_exceptions=True
        )
    assert all(isinstance(one, ProviderFault) and one.fault is Fault.TIMED_OUT for one in ended)
    assert asyncio.get_running_loop().time() - began < 2 * SHORT.tls + SLACK


async def test_a_restart_between_two_calls_is_not_noticed(adapters: Adapters, samba: Samba) -> None:
    directory = adapters.directory(access_to(samba))
    await directory.find("ada@example.test")
    samba.restart()
    assert (await directory.find("ada@example.test")).objects


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_restart_in_the_middle_of_a_page_is_told_and_the_next_call_works(
    adapters: Adapters, samba: Samba, at_once: bool
) -> None:
    directory = adapters.directory(access_to(samba), limits=LdapLimits(page=200))
    [group] = (await directory.find("crowd@example.test")).objects
    arriving = directory.members(group)
    await anext(arriving)
    samba.stop(at_once=at_once)
    samba.start()
    with pytest.raises(ProviderFault) as raised:
        async for _ in arriving:
            pass
    assert raised.value.fault in {Fault.CONNECTION_LOST, Fault.DIRECTORY_BUSY}
    assert HOST in raised.value.detail
    assert "after 200 entries had come: ask again from the beginning" in raised.value.detail
    assert (await directory.find("ada@example.test")).objects


async def test_a_server_that_is_down_is_told(adapters: Adapters, samba: Samba) -> None:
    directory = adapters.directory(access_to(samba, server=samba.address))
    await directory.find("ada@example.test")
    samba.stop()
    try:
        with pytest.raises(ProviderFault) as raised:
            await directory.find("ada@example.test")
    finally:
        samba.start()
    assert raised.value.fault is Fault.DIRECTORY_UNREACHABLE
    assert "Connection refused" in raised.value.detail


async def test_a_cancelled_lookup_cuts_its_connection(adapters: Adapters, samba: Samba) -> None:
    directory = adapters.directory(access_to(samba))
    await directory.find("ada@example.test")
    connection = directory._session._signed.connection  # type: ignore[union-attr]
    samba.freeze()
    try:
        lookup = asyncio.create_task(directory.find("grace@example.test"))
        await asyncio.sleep(0)
        async with Stalls() as stalls:
            lookup.cancel()
            await asyncio.wait([lookup])
    finally:
        samba.thaw()
    assert lookup.cancelled()
    assert not connection.usable
    assert not connection._wire.is_open
    assert stalls.longest < TURN


async def test_a_cancelled_lookup_does_not_take_others_with_it(adapters: Adapters, samba: Samba) -> None:
    directory = adapters.directory(access_to(samba))
    await directory.find("ada@example.test")
    samba.freeze()
    others = [asyncio.create_task(directory.find(f"crowd{one:05}@example.test")) for one in range(20)]
    given_up = asyncio.create_task(directory.find("grace@example.test"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.wait([given_up])
    samba.thaw()
    found = await asyncio.gather(*others)
    assert all(len(each.objects) == 1 for each in found)


async def test_hundreds_of_lookups_share_one_connection_and_the_loop_runs_on(adapters: Adapters, samba: Samba) -> None:
    directory = adapters.directory(access_to(samba))
    await directory.find("ada@example.test")
    connection = directory._session._signed.connection  # type: ignore[union-attr]
    found: list[Found] = []

    async def look() -> None:
        found[:] = await asyncio.gather(*(directory.find(f"c{one:05}@alias.test") for one in range(300)))

    assert await shortest(look) < TURN
    assert [each.objects[0].primary_address for each in found] == [f"crowd{one:05}@example.test" for one in range(300)]
    assert directory._session._signed.connection is connection  # type: ignore[union-attr]


async def test_an_idle_connection_is_closed_and_made_again_when_needed(adapters: Adapters, samba: Samba) -> None:
    directory = adapters.directory(access_to(samba), limits=LdapLimits(idle=0.05))
    await directory.find("ada@example.test")
    wire = directory._session._signed.connection._wire  # type: ignore[union-attr]
    await asyncio.wait([wire._read], timeout=5)
    assert not wire.is_open
    assert (await directory.find("ada@example.test")).objects
