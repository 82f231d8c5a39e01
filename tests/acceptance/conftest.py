"""What the acceptance tests stand on: a simulated Mimecast, and an installation that binds to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.sandbox import small_world
from tests.acceptance.installation import Installation
from tests.acceptance.processes import a_free_port
from tests.acceptance.simulated import Simulated


@pytest.fixture
def simulated(tmp_path: Path) -> Iterator[Simulated]:
    folder = tmp_path / "mimecast"
    folder.mkdir()
    with Simulated(folder, small_world()) as running:
        yield running


@pytest.fixture
def installation(tmp_path: Path, simulated: Simulated) -> Installation:
    folder = tmp_path / "site"
    folder.mkdir()
    return Installation(folder, simulated, a_free_port())
