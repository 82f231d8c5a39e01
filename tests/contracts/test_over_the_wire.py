"""The contract of both API versions once more, "over the wire": the sandbox is a process of its own and time is real.

It is started once, as a user starts it, and steered over its HTTP control alone. What can only be arranged inside of
the sandbox's process stands at the end of test_mimecast_v1.py and test_mimecast_v2.py, each with its reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.cli.sandbox_control import NOTE, Control
from daemon.engine.clock import SystemClock
from daemon.ports import Clock, Cloud, Route
from daemon.providers.clouds import MimecastClouds
from tests.acceptance.sandboxes import serve
from tests.contracts import test_mimecast_v1 as v1
from tests.contracts import test_mimecast_v2 as v2
from tests.contracts.service import OverTheWire, Service

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OverTheWire]:
    here = tmp_path_factory.mktemp("sandbox-of-its-own")
    program, _ = serve(here)
    with program:
        folder = here / "sandbox"
        yield OverTheWire(Control(folder), _addresses(folder))
        assert program.stop() == 0


def _addresses(folder: Path) -> dict[str, str]:
    note: dict[str, str] = json.loads((folder / NOTE).read_text())
    return note


@pytest.fixture
def service(served: OverTheWire) -> Service:
    return served.as_new()


@pytest.fixture
def clock() -> Clock:
    return SystemClock()


class TestMimecastV1OverTheWire(v1.MimecastV1):
    @pytest.fixture
    def cloud(self, clouds: MimecastClouds, service: Service, route: Route) -> Cloud:
        return v1.cloud_at(clouds, service, route)


class TestMimecastV1WithDomainSignInOverTheWire(v1.MimecastV1WithDomainSignIn):
    @pytest.fixture
    def cloud(self, clouds: MimecastClouds, service: Service, route: Route) -> Cloud:
        return v1.cloud_at(clouds, service, route)


class TestMimecastV2OverTheWire(v2.MimecastV2):
    @pytest.fixture
    def cloud(self, clouds: MimecastClouds, service: Service, route: Route) -> Cloud:
        return v2.cloud_at(clouds, service, route)
