"""A real rsyslog takes what a daemon records: over TCP and TLS, in every form, and through the fall of either side."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from daemon.engine.clock import SystemClock
from daemon.store.audit import LINES, read_file, verify_export
from daemon.store.outbox import position_in
from tests.acceptance.processes import Program, a_free_port, console_script
from tests.acceptance.processes import until as seen
from tests.clock import ManualClock
from tests.forwarding.conftest import Papers
from tests.forwarding.rsyslog import Rsyslog
from tests.forwarding.scene import Sending, as_documents, numbers, sections, sending
from tests.running import eventually, write

pytestmark = [pytest.mark.slow, pytest.mark.parts]


def kept(folder: Path) -> int | None:
    with closing(sqlite3.connect(folder / "sitebind.db")) as database:
        return position_in(database)


@pytest.mark.parametrize("way", ["tcp", "tls"])
async def test_every_record_arrives_once_in_order_as_it_was_written(
    tmp_path: Path, papers: Papers, clock: ManualClock, *, way: str
) -> None:
    """Also the record of the stop; and the next start goes on behind it, without a repeat."""
    receiver = Rsyslog(tmp_path / "receiver", papers.tls() if way == "tls" else None)
    options = {"audit_forward": f"{way}://localhost:{receiver.port}"}
    options |= {"audit_forward_ca": str(papers.ca)} if way == "tls" else {}
    with receiver.running():
        async with sending(tmp_path, clock, **options) as here:
            await here.record(30)
        async with sending(tmp_path, clock, **options) as here:
            await here.record(3)
        written = list(read_file(tmp_path / "sitebind.db"))
        await eventually(lambda: last_of(receiver) == len(written), "the stop")
    heard = receiver.heard()
    assert numbers(heard) == list(range(1, len(written) + 1))
    assert [one["msgid"] for one in heard] == [record.event for record in written]
    assert [one["at"] for one in heard] == [record.at for record in written]
    assert all(f'hash="{record.hash}"' in one["data"] for one, record in zip(heard, written, strict=True))
    assert {(one["program"], one["facility"]) for one in heard} == {("sitebind", "13")}
    assert {one["host"] for one in heard} == {here.run.daemon.front.site("default").server_name}
    assert kept(tmp_path) == len(written)


@pytest.mark.parametrize("form", ["cef", "ocsf", "jsonl"])
async def test_the_other_forms_arrive_as_an_export_writes_them(
    receiver: Rsyslog, tmp_path: Path, clock: ManualClock, *, form: str
) -> None:
    options = {"audit_forward": f"tcp://127.0.0.1:{receiver.port}", "audit_forward_format": form}
    with receiver.running():
        async with sending(tmp_path, clock, **options) as here:
            await here.record(5)
        written = list(read_file(tmp_path / "sitebind.db"))
        await eventually(lambda: receiver.count() == len(written), "all of them")
    texts = [one["text" if form == "cef" else "raw"].strip() for one in receiver.heard()]
    wanted = [LINES[form](record) for record in written]  # type: ignore[index]
    assert texts == wanted if form == "cef" else as_documents(texts) == as_documents(wanted)
    assert form != "jsonl" or verify_export(texts).records == len(written)


async def test_a_receiver_that_falls_and_comes_back_has_every_record(receiver: Rsyslog, tmp_path: Path) -> None:
    """Killed with whatever it had not written yet; what is sent again bears the same number and hash."""
    async with sending(tmp_path, SystemClock(), audit_forward=f"tcp://127.0.0.1:{receiver.port}") as here:
        with receiver.running() as program:
            busy = asyncio.create_task(here.record(400), name="busy")
            await eventually(lambda: receiver.count() > 50, "it takes some")
            program.kill()
        await busy
        await eventually(lambda: here.forwarder.problem() is not None, "it is missed")
        problem = await here.problem()
        assert problem is not None
        assert "wait for it" in problem["text"]
        with receiver.running():
            last = len(await here.records())
            await eventually(lambda: last_of(receiver) == last, "all of them")
            await eventually(lambda: here.forwarder.problem() is None, "it works again")
            heard = numbers(receiver.heard())
    assert set(range(1, last + 1)) <= set(heard)
    distinct = {(number, one["data"]) for number, one in zip(numbers(receiver.heard()), receiver.heard(), strict=True)}
    assert len(distinct) == len(set(numbers(receiver.heard())))


async def test_a_daemon_that_is_killed_goes_on_where_it_was(receiver: Rsyslog, tmp_path: Path) -> None:
    """Killed while it sends many records, and again when some are known to be delivered. Nothing is lost."""
    async with sending(tmp_path, ManualClock()) as here:
        await asyncio.gather(*(here.record(200) for _ in range(10)))
    options = {"audit_forward": f"tcp://127.0.0.1:{receiver.port}", "listen": f"127.0.0.1:{a_free_port()}"}
    path = write(tmp_path / "config.ini", sections(options))
    command = [*console_script(), "run", "--config", path]
    with receiver.running():
        with Program(command) as program:
            await asyncio.to_thread(seen, lambda: receiver.count() > 500, "it sends")
            program.kill()
        with Program(command) as program:
            await asyncio.to_thread(seen, lambda: (kept(tmp_path) or 0) > 500, "some are delivered")
            program.kill()
        delivered, before, ended = kept(tmp_path) or 0, receiver.count(), last_in(tmp_path)
        with Program(command) as program:
            await asyncio.to_thread(seen, lambda: ended < last_of(receiver) == last_in(tmp_path), "the rest")
            assert program.stop() == 0
    heard = numbers(receiver.heard())
    assert set(heard) == set(range(1, last_in(tmp_path) + 1))
    assert min(heard[before:]) == delivered + 1
    assert kept(tmp_path) == last_in(tmp_path)


def last_of(receiver: Rsyslog) -> int:
    """The number of the newest record that it wrote."""
    newest = receiver.last()
    return numbers([newest])[0] if newest else 0


def last_in(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "sitebind.db")) as database:
        return int(database.execute("SELECT max(seq) FROM audit").fetchone()[0])


async def test_a_certificate_of_a_stranger_is_refused_and_what_to_do_is_said(
    tmp_path: Path, papers: Papers, clock: ManualClock
) -> None:
    """Nothing is sent; the right CA, given while the daemon runs, lets all of it go."""
    receiver = Rsyslog(tmp_path / "receiver", papers.tls())
    options = {"audit_forward": f"tls://localhost:{receiver.port}"}
    with receiver.running():
        async with sending(tmp_path, clock, **options, audit_forward_ca=str(papers.stranger)) as here:
            await eventually(here.forwarder.problem, "it is refused")
            problem = await here.problem()
            assert problem is not None
            assert "the tests' own CA" in problem["text"]
            assert "audit_forward_ca" in problem["remedy"]
            assert receiver.heard() == []
            assert await here.metric("position") == 0
            assert await here.metric("waiting") == len(await here.records())
            await here.configure(**options, audit_forward_ca=str(papers.ca))
            await eventually(lambda: receiver.count() == len_of(here), "it is sent")
            assert await here.problem() is None


def len_of(here: Sending) -> int:
    return here.run.daemon.journal.last_seq


async def test_a_receiver_that_wants_our_certificate_gets_it(
    tmp_path: Path, papers: Papers, clock: ManualClock
) -> None:
    """Without one it is said that one may be wanted."""
    receiver = Rsyslog(tmp_path / "receiver", papers.tls(demand=True))
    options = {"audit_forward": f"tls://localhost:{receiver.port}", "audit_forward_ca": str(papers.ca)}
    certificate, key = papers.sender
    with receiver.running():
        async with sending(tmp_path, clock, **options) as here:
            await eventually(here.forwarder.problem, "it is refused")
            problem = await here.problem()
            assert problem is not None
            assert "audit_forward_certificate" in problem["remedy"]
            files = {"audit_forward_certificate": str(certificate), "audit_forward_key": str(key)}
            await here.configure(**options, **files)
            await eventually(lambda: receiver.count() >= len_of(here), "it is sent")
