"""A sandbox for clients that are not ours, with the machine's own clock: the libraries judge expiry by it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from daemon.sandbox import Sandbox, small_world


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One directory for the session: certificates are made once."""
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture
async def sandbox(certificates: Path) -> AsyncIterator[Sandbox]:
    """It runs on the loop of the test's thread; libraries that block must be called from another one."""
    async with Sandbox(directory=certificates, world=small_world()) as running:
        yield running
