"""A vault that could not be opened at the start is opened by the next reload: nobody has to start the daemon again."""

from __future__ import annotations

from pathlib import Path

from daemon.sandbox import Sandbox
from states import State
from tests.clock import ManualClock
from tests.running import running


async def test_a_key_that_is_put_back_is_taken_by_a_reload(config: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    async with running(config, sandbox, clock) as run:
        await run.reach(State.BOUND)
        key = run.daemon.journal.path.with_name("sitebind.db.key")
    key.rename(key.with_name("away"))
    async with running(config, sandbox, clock) as run:
        await run.until(lambda: bool(run.now().findings))
        assert run.now().state is State.UNCONFIGURED
        assert "key file" in str(run.daemon.vault.problem())
        key.with_name("away").rename(key)
        answer = await run.asked("POST", "/-/reload")
        assert answer["outcome"] == "applied"
        assert run.daemon.vault.problem() is None
        await run.in_time(lambda: run.now().state is State.BOUND)
        assert run.now().attempt == 1
