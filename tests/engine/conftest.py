"""One sandbox and one configured site for the tests of the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from daemon.sandbox import Sandbox
from tests.clock import ManualClock
from tests.running import Running, running, sandboxed, site_options, write

DAEMON = {"log_level": "debug"}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def sandbox(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Sandbox]:
    async with sandboxed(tmp_path, clock) as sandbox:
        yield sandbox


@pytest.fixture
def config(tmp_path: Path, sandbox: Sandbox) -> Path:
    return write(tmp_path / "config.ini", {"daemon": DAEMON, **site_options(sandbox)})


@pytest.fixture
async def run(config: Path, sandbox: Sandbox, clock: ManualClock) -> AsyncIterator[Running]:
    async with running(config, sandbox, clock) as run:
        yield run
