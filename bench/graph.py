"""A group of 10,000 in Microsoft 365: its members through our directory port, against a bare aiohttp loop.

Both walk the same pages of the same TLS server, which does no work for them: the pages are made before. Ours gives
objects of our own; the bare loop decodes each page, counts, and follows the link. Each side is a process of its own,
`python -m bench.graph ours|bare ADDRESS CA USERS`, so that its peak memory is its own; imports stand in the
functions, so that the bare side is charged for nothing of ours.
"""

# ruff: noqa: PLC0415
from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.limit import within
from bench.processes import PATIENCE, peak, started
from bench.table import Row, row_of

if TYPE_CHECKING:
    import aiohttp
    from aiohttp import web

USERS = 10_000
ROUNDS = 5
PAIRS = 3
PAGE = 999
STALL = 50.0
"""Milliseconds for which no page may hold the loop."""

GROUP = "11111111-2222-3333-4444-555555555555"
MEMBERS = f"/v1.0/groups/{GROUP}/transitiveMembers/microsoft.graph.user"
TICK = 0.001


@dataclass(frozen=True, slots=True)
class Walked:
    """Seconds for one walk (the median), the longest stall of the loop in milliseconds, peak memory in MiB.

    A stall is counted in processor time, so that it is the loop's own and not that of a busy machine.
    """

    seconds: float
    stall: float
    peak: float


def rows(*, quick: bool = False) -> list[Row]:
    """Time and memory against the bare loop; the stall against its limit."""
    users = 2_000 if quick else USERS
    with (
        tempfile.TemporaryDirectory(prefix="sitebind-bench-") as folder,
        started("-m", "bench.graph", "serve", folder, str(users)) as (_, line),
    ):
        address, ca = line.split()
        rounds = [
            (_walked("ours", address, ca, users), _walked("bare", address, ca, users))
            for _ in range(1 if quick else PAIRS)
        ]
    what = f"{users:,} Graph users"
    return [
        row_of(f"{what}, time : bare aiohttp", [(1e3 * a.seconds, 1e3 * b.seconds) for a, b in rounds], unit="ms"),
        within(f"{what}, longest stall of the loop : limit", median(a.stall for a, _ in rounds), STALL, unit="ms"),
        row_of(f"{what}, longest stall : bare aiohttp", [(a.stall, b.stall) for a, b in rounds], unit="ms"),
        row_of(f"{what}, peak memory : bare aiohttp", [(a.peak, b.peak) for a, b in rounds], unit="MiB"),
    ]


def _walked(side: str, address: str, ca: str, users: int) -> Walked:
    command = [sys.executable, "-m", "bench.graph", side, address, ca, str(users)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode:
        raise RuntimeError(f"the walk of {side} failed: {done.stderr or done.stdout}")
    return Walked(**json.loads(done.stdout))


# --- the two sides ----------------------------------------------------------------------------------


async def ours(address: str, ca: str, users: int) -> Walked:
    """Walk as a look-up with members does."""
    from daemon.engine.clock import SystemClock
    from daemon.ports import DirectoryAccess, DirectoryObject, Registration, Route, Secret
    from daemon.providers.graph import Graph
    from daemon.providers.graph_directory import GraphDirectory
    from daemon.providers.http import HttpClients
    from daemon.providers.identity import Identity
    from daemon.providers.refused_sign_ins import RefusedSignIns
    from daemon.providers.tokens import Tokens

    clock = SystemClock()
    registration = Registration(
        tenant_id="tenant", client_id="client", client_secret=Secret("bench"),
        authority=address, graph=address, outlook=address,
    )  # fmt: skip
    group = DirectoryObject(
        kind="group", id=GROUP, display_name="Crowd", primary_address="", addresses=(),
        enabled=None, mail_enabled=False, source="graph:localhost",
    )  # fmt: skip
    clients = HttpClients(lambda *_: None, clock=clock)
    client = clients.client(Route(ca_file=ca))
    identity = Identity(
        client,
        registration,
        tokens=Tokens(clock.monotonic),
        refusals=RefusedSignIns(clock.monotonic),
        new_request_id=lambda: "bench",
    )
    graph = Graph(client, registration, identity=identity, clock=clock, new_request_id=lambda: "bench")
    access = DirectoryAccess(platform="microsoft-365", registration=registration)
    directory = GraphDirectory(client, access, graph=graph, clock=clock)

    async def walk() -> int:
        count = 0
        async for _ in directory.members(group):
            count += 1
        return count

    try:
        return await _measured(walk, users)
    finally:
        await clients.close()


async def bare(address: str, ca: str, users: int) -> Walked:
    """Walk with nothing but aiohttp."""
    import aiohttp
    from yarl import URL

    context = ssl.create_default_context(cafile=ca)

    async def page(session: aiohttp.ClientSession, link: str) -> dict[str, Any]:
        async with session.get(URL(link, encoded=True), ssl=context) as response:
            content: dict[str, Any] = json.loads(await response.read())
            return content

    async with aiohttp.ClientSession() as session:

        async def walk() -> int:
            count, link = 0, f"{address}{MEMBERS}"
            while link:
                content = await page(session, link)
                count, link = count + len(content["value"]), content.get("@odata.nextLink", "")
            return count

        return await _measured(walk, users)


async def _measured(walk: Callable[[], Awaitable[int]], users: int) -> Walked:
    """Walk once to warm up, then several times while the loop's stalls are watched."""
    times = []
    stalls: list[float] = [0.0]
    watch: asyncio.Task[None] | None = None
    for number in range(ROUNDS + 1):
        begin = time.perf_counter()
        count = await walk()
        if count != users:
            raise AssertionError(f"{count} of {users} users came")
        if number:
            times.append(time.perf_counter() - begin)
        else:
            watch = asyncio.create_task(_watched(stalls), name="the watch over the loop")
    if watch is not None:
        watch.cancel()
    return Walked(median(times), 1e3 * max(stalls), peak())


async def _watched(stalls: list[float]) -> None:
    """Note how long this thread worked between two turns of ours."""
    while True:
        begin = time.thread_time()
        await asyncio.sleep(TICK)
        stalls.append(time.thread_time() - begin)


# --- the server -------------------------------------------------------------------------------------


async def serve(folder: str, users: int) -> None:
    """Serve the pages over TLS until terminated; prints the address and the CA."""
    import signal
    from datetime import UTC, datetime

    from aiohttp import web

    from daemon.sandbox.authority import ensure_certificates

    certificates = ensure_certificates(Path(folder), today=datetime.now(UTC))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server.certificate, certificates.server.key)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    application, pages = web.Application(), list[bytes]()
    application.router.add_post("/tenant/oauth2/v2.0/token", _token)
    application.router.add_get("/{path:.*}", lambda request: _page(request, pages))
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    address = f"https://localhost:{runner.addresses[0][1]}"
    pages += _pages(address, users)
    print(address, certificates.ca_file, flush=True)
    await stop.wait()
    await runner.cleanup()


async def _token(_request: web.Request) -> web.Response:
    from aiohttp import web

    return web.json_response({"token_type": "Bearer", "expires_in": 3599, "access_token": "opaque"})


async def _page(request: web.Request, pages: list[bytes]) -> web.Response:
    from aiohttp import web

    # The group holds no contacts.
    is_users = request.path == MEMBERS
    body = pages[int(request.query.get("page", "0"))] if is_users else b'{"value": []}'
    return web.Response(body=body, content_type="application/json")


def _pages(address: str, users: int) -> list[bytes]:
    """The pages as Graph would write them, each with the link to the next one."""
    from daemon.providers.graph_objects import USER
    from daemon.sandbox.graph_kinds import USER as SHOWN
    from daemon.sandbox.tenant import crowd

    records = [SHOWN.show(person, USER.select.split(",")) for person in crowd(users)]
    cut = [records[start : start + PAGE] for start in range(0, users, PAGE)]
    found = []
    for number, records_of_page in enumerate(cut, start=1):
        link = {"@odata.nextLink": f"{address}{MEMBERS}?page={number}"} if number < len(cut) else {}
        found.append(json.dumps({**link, "value": records_of_page}).encode())
    return found


def main(role: str, *arguments: str) -> None:
    """Run one role."""
    match role:
        case "serve":
            asyncio.run(serve(arguments[0], int(arguments[1])))
        case side:
            address, ca, users = arguments
            walked = asyncio.run({"ours": ours, "bare": bare}[side](address, ca, int(users)))
            print(json.dumps({"seconds": walked.seconds, "stall": walked.stall, "peak": walked.peak}))


if __name__ == "__main__":
    main(*sys.argv[1:])
