"""The Unix socket: its mode, what it replaces, and who the kernel says is calling."""

from __future__ import annotations

import asyncio
import grp
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from daemon.ports import Secret
from daemon.web.listening import CannotListen
from daemon.web.peer import Admins, Peer, origin_key
from daemon.web.server import WebServer
from tests.web.described import DescribedClient, described_session
from tests.web.memory_engine import MemoryEngine
from tests.web.serving import Measured, made

NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.sock"


@pytest.fixture
async def server(engine: MemoryEngine, measured: Measured, path: Path) -> AsyncIterator[WebServer]:
    engine.settings = replace(engine.settings, socket=path)
    server = made(engine, measured)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def api(server: WebServer, path: Path) -> AsyncIterator[DescribedClient]:
    async with described_session(connector=aiohttp.UnixConnector(str(path))) as session:
        yield DescribedClient(session, "http://localhost")


@pytest.mark.parametrize("mode", [0o660, 0o600, 0o666])
async def test_the_mode_is_the_configured_one_whatever_the_umask(
    engine: MemoryEngine, measured: Measured, path: Path, mode: int
) -> None:
    """And the socket is gone after the stop."""
    engine.settings = replace(engine.settings, socket=path, socket_mode=mode)
    server = made(engine, measured)
    before = os.umask(0o022)
    try:
        await server.start()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    await server.stop()
    assert not path.exists()


async def test_the_group_is_the_configured_one(engine: MemoryEngine, measured: Measured, path: Path) -> None:
    """By its name; one that does not exist keeps the daemon from starting, in words."""
    group = grp.getgrgid(os.getgid())
    engine.settings = replace(engine.settings, socket=path, socket_group=group.gr_name)
    server = made(engine, measured)
    await server.start()
    assert path.stat().st_gid == group.gr_gid
    await server.stop()
    for option in ("socket_group", "socket_admin_group"):
        engine.settings = replace(engine.settings, **{"socket_group": "", option: "no-such-group"})
        with pytest.raises(CannotListen, match=f"{option} = no-such-group: there is no such group"):
            await server.start()
        assert not path.exists()


async def test_the_daemons_own_user_administers_without_a_token(engine: MemoryEngine, api: DescribedClient) -> None:
    """The kernel vouches for it; the audit trail names the user; it is recorded before it is done."""
    assert (await api.get("/api/v1/tokens")).json == {"tokens": []}
    [entry] = engine.access.journal.entries
    assert (entry.event, entry.actor) == ("admin_used", f"unix:uid={os.geteuid()}")
    assert entry.detail == {"call": "GET /api/v1/tokens"}
    assert (await api.post("/rebind")).json["actor"] == f"unix:uid={os.geteuid()}"


async def test_one_time_credentials_are_taken_over_the_socket(engine: MemoryEngine, api: DescribedClient) -> None:
    """They never leave the machine."""
    reply = await api.post("/rebind", json={"email": "a@b.example", "password": "once"})
    assert reply.status == 202
    assert engine.seen[0][3] is not None


async def test_a_token_over_the_socket_counts_alone(engine: MemoryEngine, api: DescribedClient) -> None:
    """Also for who could do more without it; a wrong one is refused."""
    made = await api.post("/api/v1/tokens", json={"name": "a", "scopes": ["read"]})
    headers = {"Authorization": f"Bearer {made.json['secret']}"}
    assert (await api.get("/api/v1/sites", headers=headers)).status == 200
    assert (await api.get("/api/v1/tokens", headers=headers)).code == "scope-missing"
    assert (await api.get("/api/v1/sites", headers={"Authorization": "Bearer x"})).code == "token-wrong"


async def test_every_name_of_ours_works_over_the_socket_and_a_strangers_does_not(
    engine: MemoryEngine, api: DescribedClient
) -> None:
    """`localhost` also where the allowed names leave it out."""
    engine.settings = replace(engine.settings, allowed_hosts=("sync1.corp.example",))
    assert (await api.get("/-/healthy")).status == 200
    assert (await api.get("/-/healthy", headers={"Host": "evil.example"})).status == 421


CALL = """
import http.client, json, os, socket, sys
path, uid, gid, groups, calls = sys.argv[1], *map(json.loads, sys.argv[2:])
os.setgroups(groups); os.setgid(gid); os.setuid(uid)
for method, target in calls:
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(path)
    connection.request(method, target)
    answer = connection.getresponse()
    print(json.dumps([answer.status, json.loads(answer.read())]))
"""
CALLS = [["GET", "/api/v1/sites"], ["POST", "/rebind"], ["GET", "/api/v1/tokens"]]


async def as_user(path: Path, uid: int, *, gid: int = NOBODY, groups: tuple[int, ...] = ()) -> list[tuple[int, str]]:
    """Status, and code or actor, of each call from a process of that user. Needs root, as containers and CI have it."""
    assert os.geteuid() == 0, "this test starts processes of other users: run the suite as root, or in the container"
    arguments = [str(path), *map(json.dumps, (uid, gid, groups, CALLS))]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CALL, *arguments, stdout=subprocess.PIPE, cwd="/"
    )
    out, _ = await process.communicate()
    said = [json.loads(line) for line in out.splitlines()]
    return [(status, body.get("code") or body.get("actor") or "") for status, body in said]


@pytest.fixture
async def open_socket(engine: MemoryEngine, measured: Measured) -> AsyncIterator[Path]:
    """A socket that every user can reach; `socket_admin_group` is the group with the number 1 (daemon)."""
    folder = Path("/tmp") / f"sitebind-{os.getpid()}"
    folder.mkdir(mode=0o755)
    path = folder / "s.sock"
    group = grp.getgrgid(1).gr_name
    engine.settings = replace(engine.settings, socket=path, socket_mode=0o666, socket_admin_group=group)
    server = made(engine, measured)
    await server.start()
    yield path
    await server.stop()
    folder.rmdir()


@pytest.mark.root
async def test_another_user_reads_and_operates_and_does_not_administer(open_socket: Path) -> None:
    """As on loopback, under its own name in the audit trail."""
    assert await as_user(open_socket, NOBODY) == [
        (200, ""),
        (202, f"unix:uid={NOBODY}"),
        (403, "token-not-configured"),
    ]


@pytest.mark.root
@pytest.mark.parametrize("gid, groups", [(1, ()), (NOBODY, (1,))])
async def test_members_of_the_admin_group_administer(open_socket: Path, gid: int, groups: tuple[int, ...]) -> None:
    """Whether it is their first group or a further one."""
    assert [status for status, _ in await as_user(open_socket, NOBODY, gid=gid, groups=groups)] == [200, 202, 200]


@pytest.mark.root
async def test_require_token_holds_over_the_socket_too(engine: MemoryEngine, open_socket: Path) -> None:
    """For those who do not administer."""
    engine.token = Secret("right")
    engine.settings = replace(engine.settings, require_token=True)
    assert [status for status, _ in await as_user(open_socket, NOBODY)] == [401, 401, 401]
    assert [status for status, _ in await as_user(open_socket, 0)] == [200, 202, 200]


def test_root_and_the_daemons_user_always_administer() -> None:
    """Others only by the group, and no group means nobody else."""
    assert Admins().include(Peer(0, frozenset()))
    assert Admins().include(Peer(os.geteuid(), frozenset()))
    assert not Admins().include(Peer(NOBODY, frozenset({0, 1})))
    assert Admins(group=1).include(Peer(NOBODY, frozenset({1})))


def test_an_ipv6_caller_counts_as_its_network() -> None:
    """One host commands a whole /64."""
    assert origin_key("2001:db8::1") == origin_key("2001:db8::ffff") == "address:2001:db8::/64"
    assert origin_key("fe80::1%eth0") == "address:fe80::/64"
    assert origin_key("10.0.0.1") != origin_key("10.0.0.2")
    assert origin_key("unknown") == "address:unknown"


# --- what stands there already -----------------------------------------------------------------


async def test_a_socket_that_was_left_behind_is_replaced(server: WebServer, api: DescribedClient, path: Path) -> None:
    """A daemon that was killed cleans nothing up; another one then starts all the same."""
    await server.stop()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    await server.start()
    assert (await api.get("/-/healthy")).status == 200


async def test_a_socket_in_use_is_never_taken_away(
    engine: MemoryEngine, measured: Measured, server: WebServer, api: DescribedClient
) -> None:
    """The second daemon does not start, and the first goes on."""
    other = made(engine, measured)
    with pytest.raises(CannotListen, match="another process answers there"):
        await other.start()
    with pytest.raises(RuntimeError, match="not open"):
        _ = other.url
    assert (await api.get("/-/healthy")).status == 200


async def test_a_file_in_its_place_is_never_removed(engine: MemoryEngine, measured: Measured, path: Path) -> None:
    """Whatever it is: somebody made a mistake, and keeps the file."""
    path.write_text("mine")
    engine.settings = replace(engine.settings, socket=path)
    with pytest.raises(CannotListen, match="no socket stands there"):
        await made(engine, measured).start()
    assert path.read_text() == "mine"


async def test_a_stop_leaves_alone_what_another_put_there(server: WebServer, path: Path) -> None:
    """Only our own socket is removed."""
    path.unlink()
    path.write_text("other")
    await server.stop()
    assert path.read_text() == "other"


async def test_a_folder_that_cannot_be_made_is_told(engine: MemoryEngine, measured: Measured, tmp_path: Path) -> None:
    """With what to do."""
    (tmp_path / "file").write_text("")
    engine.settings = replace(engine.settings, socket=tmp_path / "file" / "s.sock")
    with pytest.raises(CannotListen, match="socket"):
        await made(engine, measured).start()
