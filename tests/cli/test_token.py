"""`sitebind token`, and the Unix socket as the command line's way in: against a real daemon with a real sandbox."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon.config.ini import read_config
from daemon.engine.clock import SystemClock
from daemon.store.audit import read_file
from daemon.store.journal import SqliteJournal
from tests.canaries.hunt import given, hunt
from tests.canaries.objects import remembering, reprs
from tests.running import Running, running, sandboxed, site_options, write
from tests.web.certificates import made as certificate
from tests.web.memory_engine import MemoryEngine
from tests.web.serving import Measured
from tests.web.serving import made as a_server

Ask = Callable[..., Any]


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[Running]:
    clock = SystemClock()
    async with sandboxed(tmp_path, clock) as sandbox:
        config = write(tmp_path / "config.ini", {"daemon": {"pace": "20"}, **site_options(sandbox)})
        async with running(config, sandbox, clock) as run:
            yield run


async def test_a_token_is_made_used_listed_and_revoked(run: Running, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the socket, without any token to begin with; the listener's port is not even known to the command line."""
    config = ("--config", run.path)
    with remembering() as objects:
        made = await ask(
            "token", "create", "ci", "--scope", "operate", "--scope", "metrics", "--expires", "90d", *config
        )
    assert made.code == 0, made.err
    assert "may      metrics, operate" in made.out.replace("  may        ", "  may      ")
    secret = made.out.strip().splitlines()[-1]
    assert hunt([given("the token", secret)], reprs(objects)) == []
    await run.asked("GET", "/api/v1/sites", headers={"Authorization": f"Bearer {secret}"})
    listed = json.loads((await ask("token", "list", "--json", *config)).out)["tokens"]
    assert [(token["name"], token["scopes"], token["valid"]) for token in listed] == [
        ("ci", ["metrics", "operate"], True)
    ]
    assert listed[0]["last_used_at"] is not None
    assert secret not in (await ask("token", "list", *config)).out
    monkeypatch.setenv("SITEBIND_TOKEN", secret)
    refused = await ask("token", "list", *config)
    assert (refused.code, "needs the scope admin" in refused.err) == (6, True)
    monkeypatch.delenv("SITEBIND_TOKEN")
    gone = await ask("token", "revoke", listed[0]["id"], *config)
    assert (gone.code, "is revoked" in gone.out) == (0, True)
    await run.asked("GET", "/api/v1/sites", status=401, headers={"Authorization": f"Bearer {secret}"})
    events = [event for event, _, _ in await run.audit("")]
    assert [event for event in events if event.startswith("token_")] == ["token_created", "token_revoked"]
    assert "There is no token" in (await ask("token", "list", *config)).out


async def test_when_a_token_was_used_survives_a_stop(run: Running, ask: Ask) -> None:
    """An orderly stop writes it; afterwards the database tells without the daemon."""
    made = json.loads((await ask("token", "create", "a", "--scope", "read", "--json", "--config", run.path)).out)
    await run.asked("GET", "/api/v1/sites", headers={"Authorization": f"Bearer {made['secret']}"})
    await run.daemon.supervisor._access.close()
    journal = run.daemon.journal
    rows = await journal.read(lambda db: db.execute("SELECT last_used_at FROM tokens").fetchall())
    assert rows[0][0] is not None


async def test_the_running_daemons_database_is_not_touched(run: Running, ask: Ask) -> None:
    """Its tokens are in its memory: it is asked instead."""
    database = run.path.parent / "sitebind.db"
    said = await ask("token", "create", "a", "--scope", "read", "--database", database)
    assert said.code == 5
    assert "in use by process" in said.err
    assert "Without --database the running daemon is asked" in said.err


async def test_a_stopped_daemons_database_is_worked_on_directly(ask: Ask, tmp_path: Path) -> None:
    """The first token of a machine that nobody can reach yet; audited like any other."""
    database = tmp_path / "sitebind.db"
    assert (await ask("token", "list", "--database", database)).code == 2
    journal = SqliteJournal(database)
    await journal.open()
    await journal.close()
    made = json.loads((await ask("token", "create", "a", "--scope", "admin", "--json", "--database", database)).out)
    assert made["secret"].startswith("sitebind_")
    assert made["id"] in (await ask("token", "list", "--database", database)).out
    assert (await ask("token", "revoke", "t-none", "--database", database)).code == 2
    assert (await ask("token", "revoke", made["id"], "--database", database)).code == 0
    assert [record.event for record in read_file(database)] == ["token_created", "token_revoked"]


async def test_the_socket_can_be_named(run: Running, ask: Ask) -> None:
    """`--url unix:PATH`, in either spelling."""
    socket = read_config(run.path).daemon.socket  # type: ignore[union-attr]
    for url in (f"unix:{socket}", f"unix://{socket}"):
        assert (await ask("healthcheck", "--url", url)).code == 0
    for url in ("unix:", "unix:" + "x" * 200):
        said = await ask("status", "--url", url)
        assert (said.code, "107 bytes" in said.err) == (2, True)
    said = await ask("status", "--url", f"unix:{run.path.parent}/none.sock")
    assert (said.code, "not reachable at unix:" in said.err) == (4, True)


async def test_without_a_socket_the_listener_is_asked_and_its_own_certificate_believed(
    ask: Ask, tmp_path: Path
) -> None:
    """Whatever name stands in the certificate; another one at that address is not believed."""
    engine, pair = MemoryEngine("default"), certificate(tmp_path)
    engine.settings = replace(engine.settings, tls_certificate=pair.certificate, tls_key=pair.key)
    server = a_server(engine, Measured())
    await server.start()
    config, port = tmp_path / "config.ini", server.bound_address[1]
    lines = f"[daemon]\nlisten = localhost:{port}\nsocket =\ntls_certificate = {{}}.pem\ntls_key = {{}}.key\n"
    config.write_text(lines.format("server", "server"))
    assert (await ask("healthcheck", "--config", config)).code == 0
    certificate(tmp_path, "other")
    config.write_text(lines.format("other", "other"))
    said = await ask("status", "--config", config)
    assert (said.code, "certificate verify failed" in said.err) == (4, True)
    await server.stop()


@pytest.mark.parametrize("text", ["90", "d", "0d", "1y", "1.5h"])
async def test_a_lifetime_needs_a_number_and_a_unit(ask: Ask, text: str) -> None:
    """Said as wrong usage."""
    said = await ask("token", "create", "a", "--scope", "read", "--expires", text)
    assert (said.code, "90d, 12h, 5m or 30s" in said.err) == (2, True)


async def test_a_command_and_a_scope_must_be_named(ask: Ask) -> None:
    """No token is made by accident, and none with a scope that nobody thought of."""
    assert (await ask("token")).code == 2
    assert (await ask("token", "create", "a")).code == 2
