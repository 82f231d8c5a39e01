"""The connection to a receiver: when something counts as sent, and every way in which it does not work, in words."""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from daemon.audit_values import Receiver
from daemon.ports import ProviderFault
from daemon.providers.audit_receiver import AuditReceivers, ReceiverLimits
from states import Fault
from tests.forwarding.conftest import Papers
from tests.forwarding.listener import listening
from tests.providers.conftest import signed
from tests.running import eventually

MANY = b"x" * 8_000_000
"""More than the kernel keeps for two ends."""


def plain(port: int) -> Receiver:
    return Receiver(host="127.0.0.1", port=port, tls=False)


def impatient(stalled: float = 60.0) -> AuditReceivers:
    return AuditReceivers(ReceiverLimits(connect=5.0, stalled=stalled))


async def tried(receiver: Receiver, data: bytes = b"5 hello", *, stalled: float = 60.0) -> ProviderFault:
    """Why it was not sent."""
    with pytest.raises(ProviderFault) as caught:
        async with impatient(stalled).connected(receiver, lost=lambda: None) as connection:
            await connection.send(data)
    assert caught.value.__context__ is None
    return caught.value


async def test_what_is_sent_has_left_this_machine() -> None:
    """And when we end it, the receiver that ended it in turn has read everything."""
    async with (
        listening() as listener,
        impatient().connected(plain(listener.port), lost=lambda: None) as connection,
    ):
        await connection.send(MANY)
        assert not connection.ended
        assert await connection.finish(seconds=30)
        assert bytes(listener.taken[0]) == MANY


async def test_that_the_receiver_ended_it_is_known_before_the_loop_hears_of_it() -> None:
    """After a stall of this process much time has passed at once: none of it may count as time that it stood."""
    async with listening() as listener, impatient().connected(plain(listener.port), lost=lambda: None) as connection:
        await connection.send(b"5 hello")
        assert connection.stands
        (theirs,) = listener.open
        theirs.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        assert (connection.stands, connection.ended) == (False, False)


async def test_sending_waits_for_a_receiver_that_does_not_read() -> None:
    """However much of it the two kernels hold; then it goes on."""
    async with (
        listening(reads=False) as listener,
        impatient().connected(plain(listener.port), lost=lambda: None) as connection,
    ):
        sending = asyncio.create_task(connection.send(MANY), name="sending")
        done, _ = await asyncio.wait({sending}, timeout=0.3)
        assert not done
        listener.read_on()
        await sending
        await eventually(lambda: len(listener.taken[0]) == len(MANY), "all of it")


async def test_a_receiver_that_stops_reading_is_given_up() -> None:
    async with listening(reads=False) as listener:
        fault = await tried(plain(listener.port), MANY, stalled=0.2)
    assert fault.fault is Fault.TIMED_OUT
    assert "has taken nothing for 0.2 s" in fault.detail


async def test_a_receiver_that_does_not_end_in_turn_has_not_confirmed() -> None:
    async with (
        listening(reads=False) as listener,
        impatient().connected(plain(listener.port), lost=lambda: None) as connection,
    ):
        await connection.send(b"5 hello")
        assert not await connection.finish(seconds=0.1)


async def test_an_end_is_told_when_it_comes_and_nothing_counts_as_sent_behind_it() -> None:
    lost = asyncio.Event()
    async with (
        listening(says=b"welcome\n") as listener,
        impatient().connected(plain(listener.port), lost=lost.set) as connection,
    ):
        await connection.send(b"5 hello")
        await eventually(lambda: listener.taken[0], "it arrives")
        listener.cut()
        await lost.wait()
        assert connection.ended
        with pytest.raises(ProviderFault, match="cut by the receiver"):
            connection.check()
        with pytest.raises(ProviderFault, match="cut by the receiver"):
            await connection.send(b"5 again")


async def test_an_end_in_the_middle_of_sending_is_no_success() -> None:
    async with (
        listening(reads=False) as listener,
        impatient().connected(plain(listener.port), lost=lambda: None) as connection,
    ):
        sending = asyncio.create_task(connection.send(MANY), name="sending")
        await eventually(lambda: listener.open, "accepted")
        listener.cut()
        with pytest.raises(ProviderFault, match="connection was cut"):
            await sending


async def test_nobody_listens() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    fault = await tried(plain(port))
    assert (fault.fault, str(port) in fault.detail) == (Fault.UNREACHABLE, True)
    assert "Connection refused" in fault.detail


async def test_a_name_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_arguments: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    fault = await tried(Receiver(host="siem.invalid", port=6514))
    assert fault.fault is Fault.NAME_NOT_RESOLVED
    assert "siem.invalid does not resolve" in fault.detail


async def test_a_receiver_that_does_not_speak_tls() -> None:
    async with listening(says=b"220 welcome\r\n") as listener:
        fault = await tried(Receiver(host="localhost", port=listener.port))
    assert fault.fault is Fault.TLS_FAILED
    assert "does not speak TLS" in fault.detail


@pytest.mark.parametrize(
    "broken, fault, said",
    [
        ("ca is away", Fault.CA_FILE_UNREADABLE, "audit_forward_ca .* No such file"),
        ("ca is none", Fault.CA_FILE_UNREADABLE, "audit_forward_ca .* PEM"),
        ("key is away", Fault.SECRET_UNREADABLE, "audit_forward_certificate .* No such file"),
        ("key is another's", Fault.SECRET_UNREADABLE, "the key does not belong to the certificate"),
        ("key is locked", Fault.SECRET_UNREADABLE, "the key is locked by a passphrase"),
    ],
)
async def test_files_that_cannot_be_used(
    papers: Papers, tmp_path: Path, *, broken: str, fault: Fault, said: str
) -> None:
    """Told with the option that names them, and nothing of what stands in them."""
    certificate, key = papers.sender
    none, locked = tmp_path / "none.pem", tmp_path / "locked.key"
    none.write_text("nothing of the kind")
    locked.write_bytes(
        signed("sitebind", by=None).key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
        )
    )
    good = Receiver(host="localhost", port=1, ca=str(papers.ca), certificate=str(certificate), key=str(key))
    change = {
        "ca is away": {"ca": str(tmp_path / "away.pem")},
        "ca is none": {"ca": str(none)},
        "key is away": {"key": str(tmp_path / "away.key")},
        "key is another's": {"key": str(papers.receiver[1])},
        "key is locked": {"key": str(locked)},
    }[broken]
    async with listening() as listener:
        found = await tried(replace(good, port=listener.port, **change))
    assert found.fault is fault
    assert re.search(said, found.detail), found.detail
