"""A daemon that sends its audit trail on, in the test's own loop, and records for it to send."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from daemon.engine.forwarding import Forwarder
from daemon.ports import AuditRecord, Clock, JournalEntry
from daemon.sandbox import Sandbox
from tests.running import Running, running, write

BINDS_NOT = {
    "authentication_type": "application",
    "client_id": "client",
    "client_secret": "literal:unused",
    "automatic": "no",
}
"""A site that is configured and left alone."""


@dataclass
class Sending:
    """The daemon, and what the tests look at of it."""

    run: Running
    path: Path

    @property
    def forwarder(self) -> Forwarder:
        return self.run.daemon.supervisor._forwarder

    async def record(self, count: int) -> None:
        """So many more records, each with a number of its own."""
        journal, at = self.run.daemon.journal, self.run.clock.now()
        for number in range(count):
            entry = JournalEntry(
                at=at, site="default", actor="http:127.0.0.1", event="doctor_finished", before="configured",
                after="configured", request_id=f"r-{number}", detail={"text": f"line\nbreak {number} ü ]", "n": number},
            )  # fmt: skip
            await journal.append(entry)

    async def records(self) -> list[AuditRecord]:
        return await self.run.daemon.journal.audit(limit=1_000_000)

    async def problem(self) -> dict[str, Any] | None:
        """As the API shows it."""
        site = await self.run.asked("GET", "/api/v1/sites/default")
        found = [one for one in site["problems"] if one["code"] == "audit-forward-failing"]
        return found[0] if found else None

    async def metric(self, name: str) -> float:
        async with self.run.http.get(self.run.daemon.web.url + "/metrics") as answer:
            text = await answer.text()
        found = re.search(rf"^sitebind_audit_forward_{name} (\S+)$", text, re.MULTILINE)
        assert found is not None
        return float(found[1])

    async def configure(self, **options: str) -> None:
        """Another [daemon], and a reload that takes it."""
        write(self.path, sections(options))
        assert (await self.run.asked("POST", "/-/reload"))["outcome"] != "rejected"


def sections(daemon: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {"daemon": dict(daemon), "binding": BINDS_NOT}


@asynccontextmanager
async def sending(folder: Path, clock: Clock, **options: str) -> AsyncIterator[Sending]:
    """A daemon with these options in [daemon]; what is in the folder already is gone on with."""
    path = write(folder / "config.ini", sections(options))
    async with running(path, cast("Sandbox", None), clock) as run:
        await run.until(lambda: "default" in run.daemon.driver.snapshots and run.now().terms is not None)
        yield Sending(run, path)


def numbers(heard: Iterable[Mapping[str, Any]]) -> list[int]:
    """The sequence numbers of syslog messages, in the order in which they came."""
    return [int(found[1]) for one in heard if (found := re.search(r'@32473 seq="(\d+)"', one["data"]))]


def as_documents(lines: Iterable[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]
