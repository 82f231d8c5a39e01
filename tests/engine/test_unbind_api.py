"""Unbinding over real sockets: revoke, wipe, then say so; what is killed or refused on the way finds its end."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from daemon.engine.driver import Driver
from daemon.ports import JournalUnavailable, Keys, VaultLocked
from daemon.sandbox import Sandbox
from daemon.sandbox.world import DEMO_EMAIL
from daemon.store.vault import SealedVault
from states import Event, State
from states.events import UnbindFinished
from tests.clock import ManualClock
from tests.engine.conftest import DAEMON
from tests.running import Running, running, site_options, write

TOKEN = "let-me-in-please-0123456789"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
UNBIND = "/api/v1/sites/default/unbind"


@pytest.fixture
def config(tmp_path: Path, sandbox: Sandbox) -> Path:
    options = {**DAEMON, "api_token": f"literal:{TOKEN}"}
    return write(tmp_path / "config.ini", {"daemon": options, **site_options(sandbox)})


async def unbind(run: Running, *, status: int = 200, wait: int = 30, **body: Any) -> Any:
    return await run.asked("POST", f"{UNBIND}?wait={wait}", headers=HEADERS, json=body, status=status)


def codes(site: Any) -> set[str]:
    return {problem["code"] for problem in site["problems"]}


def sealed_bytes(run: Running) -> list[bytes]:
    """What the database holds of every sealed record."""
    with closing(sqlite3.connect(run.daemon.journal.path)) as connection:
        return [one for row in connection.execute("SELECT nonce, sealed FROM vault") for one in row]


def places_of(pieces: list[bytes], folder: Path) -> list[str]:
    """The files below the folder that hold any of the pieces."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert files
    return sorted({file.name for file in files if any(piece in file.read_bytes() for piece in pieces)})


async def secrets_of(run: Running, bind_id: str) -> list[bytes]:
    keys = await run.daemon.vault.get(bind_id)
    assert keys is not None
    return [keys.values[name].reveal().encode() for name in ("access_key", "secret_key")]


async def test_after_an_unbind_no_key_material_is_left_in_any_file(run: Running) -> None:
    """The keys in the clear never lay in one; their sealed bytes did, and are gone from all of them."""
    await run.reach(State.BOUND)
    folder = run.daemon.journal.path.parent
    sealed, clear = sealed_bytes(run), await secrets_of(run, "default-1")
    assert len(sealed) == 2
    assert places_of(sealed, folder) != [], "the search finds what is there"
    site = await unbind(run, reason="the server is retired")
    assert (site["state"], site["binding"], site["reason"]) == ("configured", None, "unbound by operator")
    assert places_of([*sealed, *clear], folder) == []
    assert list(run.sandbox.world.keys) == []
    assert await run.daemon.vault.ids() == {}


async def test_the_intent_comes_first_then_the_service_then_the_disk_then_the_result(
    run: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run.reach(State.BOUND)
    order: list[str] = []
    run.daemon.driver.listen(lambda step: order.append(step.event.trigger))
    wipe = SealedVault.wipe

    async def watched(vault: SealedVault, bind_id: str) -> None:
        order.append("revoked" if not list(run.sandbox.world.keys) else "still valid")
        await wipe(vault, bind_id)
        order.append("wiped")

    monkeypatch.setattr(SealedVault, "wipe", watched)
    await unbind(run, reason="the server is retired")
    assert order[:4] == ["unbind_requested", "revoked", "wiped", "unbind_finished"]
    requested = next(r for r in await run.daemon.journal.audit(limit=100) if r.event == "unbind_requested")
    assert requested.actor == "token:api_token@127.0.0.1"
    assert requested.detail["reason"] == "the server is retired"


async def test_nothing_binds_by_itself_afterwards(run: Running) -> None:
    """Not after a day and not after a restart's request; a person who asks gets a bind."""
    await run.reach(State.BOUND)
    await unbind(run)
    logins = run.sandbox.calls["login"]
    await run.manual.advance(24 * 3600)
    assert run.sandbox.calls["login"] == logins
    assert (await unbind(run, status=409))["code"] == "nothing-to-unbind"
    assert (await run.rebind()).state is State.BOUND


async def test_keys_that_are_gone_at_the_service_already_are_no_hindrance(run: Running) -> None:
    await run.reach(State.BOUND)
    run.sandbox.world.keys.revoke_all()
    assert (await unbind(run))["binding"] is None


async def test_without_the_service_the_keys_are_kept_and_the_reason_is_said(run: Running) -> None:
    """Then it is healed and asked for again."""
    await run.reach(State.BOUND)
    run.sandbox.script.start("service-error", endpoint="logout")
    site = await unbind(run)
    assert site["binding"] is not None
    assert "unbind-failed" in codes(site)
    assert set(await run.daemon.vault.ids()) == {"default-1"}
    assert len(list(run.sandbox.world.keys)) == 1
    run.sandbox.script.heal()
    assert (await unbind(run))["binding"] is None
    assert list(run.sandbox.world.keys) == []


async def test_local_only_wipes_without_the_service_and_says_what_is_left(run: Running) -> None:
    await run.reach(State.BOUND)
    sealed = sealed_bytes(run)
    run.sandbox.script.start("service-error")
    calls = run.sandbox.calls.get("logout", 0)
    site = await unbind(run, local_only=True)
    assert site["binding"] is None
    assert "the keys are still valid at the service" in site["reason"]
    assert run.sandbox.calls.get("logout", 0) == calls
    assert len(list(run.sandbox.world.keys)) == 1
    assert places_of(sealed, run.daemon.journal.path.parent) == []
    finished = next(r for r in await run.daemon.journal.audit(limit=100) if r.event == "unbind_finished")
    assert "still valid at the service" in finished.detail["left_behind"]


async def test_an_application_says_that_its_secret_stays_valid(
    tmp_path: Path, sandbox: Sandbox, clock: ManualClock
) -> None:
    """API 2.0 has no call that ends it, and it is not pretended that there were."""
    options = {**DAEMON, "api_token": f"literal:{TOKEN}"}
    path = write(tmp_path / "config.ini", {"daemon": options, **site_options(sandbox, method="application")})
    async with running(path, sandbox, clock) as run:
        await run.reach(State.BOUND)
        site = await unbind(run)
        assert site["binding"] is None
        assert "client id and secret are still valid at the service" in site["reason"]


async def test_unbinding_here_only_goes_on_although_the_service_refused_meanwhile(run: Running) -> None:
    """The first, remote one ends badly after the second was asked for: the second still ends well."""
    await run.reach(State.BOUND)
    run.sandbox.script.start("slow", seconds=0.2, endpoint="logout", times=1)
    run.sandbox.script.start("service-error", endpoint="logout")
    await unbind(run, wait=0, status=202)
    site = await unbind(run, local_only=True)
    assert site["binding"] is None


async def test_an_unbind_ends_an_open_bind_and_the_keys_of_both(run: Running) -> None:
    """The sign-in that was under way is finished, since its keys must be known to be revoked."""
    await run.reach(State.BOUND)
    run.sandbox.script.start("slow", seconds=0.3, endpoint="login", times=1)
    await run.asked("POST", "/rebind", status=202)
    await run.until(lambda: run.now().state is State.BINDING)
    logins = run.sandbox.calls["login"]
    while run.sandbox.calls["login"] == logins:
        await run.asked("GET", "/api/v1/sites/default")
    await unbind(run)
    await run.until(lambda: not run.now().revoke_pending and not list(run.sandbox.world.keys))
    assert run.now().state is State.CONFIGURED
    assert run.now().binding is None
    await vault_is_empty(run)


async def in_time(run: Running, true: Callable[[], bool], *, step: float = 60.0) -> None:
    """Let time pass until it is true; between two steps what travels over sockets arrives."""
    for _ in range(500):
        if true():
            return
        await run.manual.advance(step)
        await run.asked("GET", "/api/v1/sites/default")
    raise AssertionError(f"never came true: {run.now()}")


async def vault_is_empty(run: Running) -> None:
    while await run.daemon.vault.ids():
        await run.asked("GET", "/api/v1/sites/default")


@contextmanager
def results_are_lost(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As when the process is killed after the wipe and before the record of it."""
    post = Driver.post

    def losing(driver: Driver, site: str, event: Event) -> None:
        if not isinstance(event, UnbindFinished):
            post(driver, site, event)

    with monkeypatch.context() as patch:
        patch.setattr(Driver, "post", losing)
        yield


async def test_a_death_between_the_wipe_and_its_record_is_made_good_at_the_next_start(
    config: Path, sandbox: Sandbox, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The snapshot still says that keys are held; the next start ends the unbind without them."""
    with results_are_lost(monkeypatch):
        async with running(config, sandbox, clock) as run:
            await run.reach(State.BOUND)
            await unbind(run, wait=0, status=202)
            await vault_is_empty(run)
            assert "unbind-pending" in codes(await run.asked("GET", "/api/v1/sites/default"))
    async with running(config, sandbox, clock) as run:
        await run.until(lambda: run.now().binding is None)
        assert run.now().state is State.CONFIGURED
        assert run.now().unbound_by_operator
        events = [event for event, _, _ in await run.audit("default")]
        assert events.index("unbind_requested") < events.index("restarted") < events.index("unbind_finished")
        assert sandbox.calls["login"] == 1, "no sign-in followed from the missing keys"


async def test_a_wipe_that_cannot_be_finished_is_a_problem_until_it_is(
    run: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not said to be finished before nothing is left, and goes on by itself."""
    await run.reach(State.BOUND)
    wipe, held_up = SealedVault.wipe, [True]

    async def hindered(vault: SealedVault, bind_id: str) -> None:
        await wipe(vault, bind_id)
        if held_up[0]:
            raise JournalUnavailable("another program reads the database")

    monkeypatch.setattr(SealedVault, "wipe", hindered)
    await unbind(run, wait=0, status=202)
    await vault_is_empty(run)
    while "keys-not-wiped" not in codes(site := await run.asked("GET", "/api/v1/sites/default")):
        pass
    assert "unbind-pending" in codes(site)
    assert site["binding"] is not None
    held_up[0] = False
    await in_time(run, lambda: run.now().binding is None, step=10)
    assert "keys-not-wiped" not in codes(await run.asked("GET", "/api/v1/sites/default"))


# --- keys that nobody uses -----------------------------------------------------------------------


async def test_pending_keys_are_asked_about_again_at_once(run: Running) -> None:
    """They wait five minutes otherwise; whoever unbinds wants nothing left behind."""
    await run.reach(State.BOUND)
    run.sandbox.script.start("service-error", endpoint="logout")
    await run.rebind()
    await run.until(lambda: run.now().revoke_pending == ("default-1",))
    run.sandbox.script.heal()
    await unbind(run)
    await run.until(lambda: not run.now().revoke_pending)
    assert list(run.sandbox.world.keys) == []
    await vault_is_empty(run)


async def test_keys_stay_pending_until_the_service_confirms(run: Running) -> None:
    """An hour of errors, over a problem that names them; then the service is back, and they are gone."""
    await run.reach(State.BOUND)
    run.sandbox.script.start("service-error", endpoint="logout")
    await run.rebind()
    calls = run.sandbox.calls.get("logout", 0)
    began = run.manual.monotonic()
    await in_time(run, lambda: run.sandbox.calls.get("logout", 0) >= calls + 12)
    assert run.manual.monotonic() - began >= 12 * 300 - 300, "not more often than every five minutes"
    site = await run.asked("GET", "/api/v1/sites/default")
    assert "revoke-pending" in codes(site)
    assert len(list(run.sandbox.world.keys)) == 2
    run.sandbox.script.heal()
    await in_time(run, lambda: not run.now().revoke_pending)
    assert len(list(run.sandbox.world.keys)) == 1


@pytest.mark.parametrize("error", [VaultLocked("the key is missing"), JournalUnavailable("the disk is full")])
@pytest.mark.parametrize("service_answers", [True, False])
async def test_keys_that_could_not_be_stored_are_revoked(
    run: Running, monkeypatch: pytest.MonkeyPatch, error: Exception, service_answers: bool
) -> None:
    """At once, or as soon as the service answers again; meanwhile they are kept in memory and named."""
    await run.reach(State.BOUND)

    async def refusing(vault: SealedVault, bind_id: str, *, site: str, keys: Keys) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(SealedVault, "put", refusing)
        if not service_answers:
            run.sandbox.script.start("service-error", endpoint="logout")
        failed = await run.rebind()
        assert failed.trouble is not None
        assert failed.trouble.fault.code == "keys-not-stored"
        if not service_answers:
            await run.until(lambda: run.now().revoke_pending == ("default-2",))
            assert len(list(run.sandbox.world.keys)) == 2
            run.sandbox.script.heal()
        # The bind is tried again meanwhile, and the keys of each attempt are ended.
        await in_time(run, lambda: not run.now().revoke_pending and len(list(run.sandbox.world.keys)) == 1)
    assert [key.address for key in run.sandbox.world.keys] == [DEMO_EMAIL], "only those of the first bind are left"
    held = await run.daemon.vault.get("default-1")
    assert held is not None
    assert run.sandbox.world.keys.find(held.values["access_key"].reveal()) is not None


async def test_keys_that_could_not_be_stored_at_first_survive_a_restart_once_they_can(
    config: Path, sandbox: Sandbox, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(config, sandbox, clock) as run:
        await run.reach(State.BOUND)
        sandbox.script.start("service-error", endpoint="logout")

        async def refusing(vault: SealedVault, bind_id: str, *, site: str, keys: Keys) -> None:
            raise JournalUnavailable("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(SealedVault, "put", refusing)
            await run.rebind()
        await run.until(lambda: run.now().revoke_pending == ("default-2",))
        while "default-2" not in await run.daemon.vault.ids():
            await run.manual.advance(60)
            await run.asked("GET", "/api/v1/sites/default")
    sandbox.script.heal()
    async with running(config, sandbox, clock) as run:
        await run.until(lambda: run.now().terms is not None)
        await in_time(run, lambda: not run.now().revoke_pending and len(list(sandbox.world.keys)) == 1)
