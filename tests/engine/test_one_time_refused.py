"""A sign-in that is given once, where it is of no use."""

from __future__ import annotations

from pathlib import Path

from daemon.sandbox import Sandbox
from states import State
from tests.clock import ManualClock
from tests.engine.conftest import DAEMON
from tests.running import running, site_options, write

TOKEN = "let-me-in-please-0123456789"


async def test_an_application_is_not_asked_for_a_password(tmp_path: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """It was ignored and kept in memory for nothing; now it is refused in words, and nothing is started."""
    options = {**DAEMON, "api_token": f"literal:{TOKEN}"}
    path = write(tmp_path / "config.ini", {"daemon": options, **site_options(sandbox, method="application")})
    async with running(path, sandbox, clock) as run:
        await run.reach(State.BOUND)
        body = {"email": "somebody@example.test", "password": "of no use"}
        headers = {"Authorization": f"Bearer {TOKEN}"}
        refused = await run.asked("POST", "/api/v1/sites/default/rebind", json=body, headers=headers, status=409)
        assert refused["code"] == "signs-in-as-application"
        assert run.now().attempt == 1
