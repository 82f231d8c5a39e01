"""A clinic: one bound site of a real daemon before the sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from daemon.providers.http import HttpClients, Limits
from daemon.sandbox import Sandbox
from states import State
from tests.clock import ManualClock
from tests.doctor.clinic import Clinic
from tests.doctor.microsoft import MICROSOFT_SIDES
from tests.providers.conftest import Authority, Servers, names_that_do_not_resolve
from tests.running import running, sandboxed, site_options, write

Opened = Callable[..., AbstractAsyncContextManager[Clinic]]

__all__ = ["names_that_do_not_resolve"]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def sandbox(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Sandbox]:
    async with sandboxed(tmp_path, clock) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    opened = Servers()
    yield opened
    await opened.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is believed after seconds: answers on loopback take milliseconds, but the machine may be busy."""
    defaults = HttpClients.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "limits", Limits(connect=2.0, total=4.0))


@pytest.fixture
def clinic(tmp_path: Path, sandbox: Sandbox, clock: ManualClock, servers: Servers, authority: Authority) -> Opened:
    """Open a clinic for a site that signs in by `method`; with `bound` it was bound before.

    `microsoft` names the Microsoft side that it has, of `MICROSOFT_SIDES`; without it has none.
    """

    @asynccontextmanager
    async def opened(
        *, method: str = "cloud", bound: bool = True, microsoft: str = "", **binding: str
    ) -> AsyncIterator[Clinic]:
        options = site_options(sandbox, method=method, automatic="no", **binding)
        if microsoft:
            options["account"] = MICROSOFT_SIDES[microsoft](sandbox)
        path = write(tmp_path / "config.ini", options)
        async with running(path, sandbox, clock) as run:
            await run.reach(State.CONFIGURED)
            if bound:
                await run.rebind()
                assert run.now().state is State.BOUND
            yield Clinic(run=run, options=options, servers=servers, authority=authority)

    return opened
