"""Another vault key while the daemon runs: the binding goes on, and no start takes it for a changed configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.sandbox import Sandbox
from daemon.store import vault_key
from states import State
from tests.clock import ManualClock
from tests.engine.conftest import DAEMON
from tests.running import Running, running, site_options, write

TOKEN = "let-me-in-please-0123456789"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
PATH = "/api/v1/vault/rekey"


def configured(folder: Path, sandbox: Sandbox, **daemon: str) -> Path:
    options = {**DAEMON, "api_token": f"literal:{TOKEN}", **daemon}
    return write(folder / "config.ini", {"daemon": options, **site_options(sandbox)})


@pytest.fixture
def config(tmp_path: Path, sandbox: Sandbox) -> Path:
    return configured(tmp_path, sandbox)


async def goes_on(run: Running, logins: int) -> None:
    """Bound with the same keys, without another sign-in."""
    await run.asked("POST", "/-/reload")  # behind the one that belongs to a start
    await run.reach(State.BOUND)
    assert run.sandbox.calls["login"] == logins
    assert run.now().attempt == 1
    assert await run.daemon.vault.get("default-1") is not None
    reload = await run.asked("POST", "/-/reload")
    assert reload["outcome"] == "unchanged"


async def test_a_new_key_file_is_no_change_of_the_configuration(
    config: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """Not for the running daemon, and not at its next start."""
    async with running(config, sandbox, clock) as run:
        await run.reach(State.BOUND)
        file = vault_key.beside(run.daemon.journal.path)
        old = file.read_bytes()
        done = await run.asked("POST", PATH, headers=HEADERS, json={})
        assert (done["records"], done["not_opened"], done["notes"]) == (1, [], [])
        assert file.read_bytes() != old
        await goes_on(run, 1)
        (record,) = [r for r in await run.daemon.journal.audit(limit=100) if r.event == "vault_rekeyed"]
        assert (record.actor, record.site) == ("token:api_token@127.0.0.1", "")
    async with running(config, sandbox, clock) as run:
        await goes_on(run, 1)
        assert (await run.daemon.journal.verify()).intact


async def test_a_configured_key_is_exchanged_by_naming_the_new_one(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """First the key, then the option, then the restart."""
    for name in ("first", "second"):
        (tmp_path / name).write_text(f"the {name} passphrase of this vault\n")
        (tmp_path / name).chmod(0o400)
    config = configured(tmp_path, sandbox, vault_key="file:first")
    async with running(config, sandbox, clock) as run:
        await run.reach(State.BOUND)
        refused = await run.asked("POST", PATH, headers=HEADERS, json={}, status=409)
        assert refused["code"] == "vault-key-configured"
        missing = {"new_key": f"file:{tmp_path}/third"}
        refused = await run.asked("POST", PATH, headers=HEADERS, json=missing, status=409)
        assert (refused["code"], "third" in refused["detail"]) == ("vault-locked", True)
        same = {"new_key": f"file:{tmp_path}/first"}
        done = await run.asked("POST", PATH, headers=HEADERS, json={"new_key": f"file:{tmp_path}/second"})
        assert done["records"] == 1
        await goes_on(run, 1)
        assert (await run.asked("POST", PATH, headers=HEADERS, json=same))["records"] == 1
        await run.asked("POST", PATH, headers=HEADERS, json={"new_key": f"file:{tmp_path}/second"})
    configured(tmp_path, sandbox, vault_key="file:second")
    async with running(config, sandbox, clock) as run:
        await goes_on(run, 1)


async def test_binds_and_rekeys_at_once_leave_every_record_readable(run: Running) -> None:
    """Whatever comes first, each record has the key that is in force."""
    import asyncio

    await run.reach(State.BOUND)

    async def often() -> None:
        for _ in range(10):
            await run.asked("POST", PATH, headers=HEADERS, json={})

    async def bind() -> None:
        for _ in range(3):
            await run.rebind()

    await asyncio.gather(often(), bind())
    bind_id = run.now().binding
    assert bind_id is not None
    assert await run.daemon.vault.get(bind_id.bind_id) is not None
    assert run.now().state is State.BOUND
