"""What is handed to somebody else says nothing secret: the archive for a support case, and every form of the trail."""

from __future__ import annotations

import asyncio
import io
import logging
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.audit_values import ForwardFormat, Receiver
from daemon.cli import main
from daemon.engine.log import configure_logging
from daemon.engine.log_tail import TAIL
from daemon.ports import ExportFormat
from daemon.store.audit import LINES, export_file
from states import State
from tests.canaries.hunt import hunt
from tests.canaries.scene import Scene, loud, scene
from tests.clock import ManualClock
from tests.forwarding.listener import listening
from tests.running import eventually

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def kept_log() -> Iterator[None]:
    """The daemon's own handler, as `sitebind run` sets it, and no longer than a test."""
    before = tuple(logging.getLogger().handlers)
    configure_logging(form="text", level="debug", stream=io.StringIO())
    yield
    logging.getLogger().handlers[:] = before


async def archive_of(here: Scene, target: Path, *more: str) -> dict[str, bytes | str]:
    """The archive's files, and the archive as it is."""
    arguments = ["diagnostics", "--config", str(here.run.path), "--output", str(target), *more]
    made = asyncio.create_task(asyncio.to_thread(main, arguments), name="diagnostics")
    # The doctor waits before it asks again who did not answer well: then time must pass.
    await here.in_time(made.done)
    assert await made == 0
    found: dict[str, bytes | str] = {"the file itself": target.read_bytes()}
    with tarfile.open(target) as tar:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            found[member.name.partition("/")[2]] = content.read()
    return found


@pytest.mark.parametrize("method, trouble", [("cloud", "wrong-password"), ("application", "service-error")])
async def test_the_archive_for_a_support_case_holds_no_secret(tmp_path: Path, method: str, trouble: str) -> None:
    """After binds that went well and badly, with the log at its most talkative and the doctor's report."""
    async with scene(tmp_path, ManualClock(), method=method) as here:
        loud()
        await here.run.reach(State.BOUND)
        await here.bind()
        here.run.sandbox.script.start(trouble)
        await here.bind()
        await here.note_keys()
        secrets = [*here.secrets.all(), *here.issued.values()]
        parts = await archive_of(here, tmp_path / "case.tar.gz")
        assert {"log.txt", "audit.json", "doctor/default.json", "binds/default.json", "metrics.txt"} <= parts.keys()
        assert b"bind step" in bytes(parts["log.txt"])  # type: ignore[arg-type]
        assert hunt(secrets, parts) == []
        TAIL.add(here.secrets.vault_key.text)
        planted = await archive_of(here, tmp_path / "case.tar.gz", "--no-doctor")
        assert {find.place for find in hunt(secrets, planted)} == {"log.txt"}


@pytest.mark.parametrize("form", list(LINES))
async def test_no_form_of_the_trail_holds_a_secret(tmp_path: Path, form: ExportFormat) -> None:
    """From the file and over the API, after a bind that went well and one that did not."""
    async with scene(tmp_path, ManualClock()) as here:
        await here.run.reach(State.BOUND)
        here.run.sandbox.script.start("wrong-password")
        assert (await here.bind())["state"] == "failed"
        secrets = [*here.secrets.all(), *here.issued.values()]
        url = f"{here.run.daemon.web.url}/api/v1/audit/export?format={form}"
        async with here.run.http.get(url) as answer:
            exported = await answer.read()
        lines = "\n".join(export_file(here.run.daemon.journal.path, form))
        assert "bind_failed" in lines
        assert b"bind_failed" in exported
        assert hunt(secrets, {"file": lines, "API": exported}) == []


async def test_nothing_that_is_sent_on_holds_a_secret(tmp_path: Path) -> None:
    """Every byte that a receiver gets, in each form, after a bind that went well and one that did not."""
    async with scene(tmp_path, ManualClock()) as here, listening() as listener:
        await here.run.reach(State.BOUND)
        here.run.sandbox.script.start("wrong-password")
        assert (await here.bind())["state"] == "failed"
        daemon, receiver = here.run.daemon, Receiver(host="127.0.0.1", port=listener.port, tls=False)
        forms: tuple[ForwardFormat, ...] = ("syslog", "cef", "ocsf", "jsonl")
        for number, form in enumerate(forms):
            settings = replace(daemon.front.settings, audit_forward=receiver, audit_forward_format=form)
            daemon.supervisor._forwarder.apply(settings)
            await eventually(lambda n=number: len(listener.taken) > n and b"bind_failed" in listener.taken[n])
            await eventually(lambda: daemon.supervisor._forwarder._waiting() == 0)
        secrets = [*here.secrets.all(), *here.issued.values()]
        assert hunt(secrets, {form: bytes(listener.taken[number]) for number, form in enumerate(forms)}) == []
