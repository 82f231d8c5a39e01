"""The baselines that are servers: each a process of its own, `python -m bench.bare ROLE …`, that prints its port.

Imports stand in the functions, so that a role costs what it is said to cost and no more.
"""

# ruff: noqa: PLC0415
from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web


def post(document: str) -> None:
    """Aiohttp that answers POST /rebind with the same document, and does nothing for it."""
    import asyncio
    import json

    from aiohttp import web

    content = json.loads(document)

    async def rebind(_request: web.Request) -> web.Response:
        return web.json_response(content, status=202, headers={"Location": f"/binds/{content['id']}"})

    application = web.Application()
    application.router.add_post("/rebind", rebind)
    asyncio.run(_forever(application, port=0))


def exposition(series: str) -> None:
    """prometheus_client's own server with so many series: the process's own, and counters of ten each."""
    from threading import Event

    from prometheus_client import (
        CollectorRegistry,
        Counter,
        ProcessCollector,
        disable_created_metrics,
        start_http_server,
    )

    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    for number in range(int(series)):
        if number % 10 == 0:
            counter = Counter(f"bench_{number}", "One of many.", ["site", "event"], registry=registry)
        counter.labels("default", f"event_{number}").inc()
    server, _ = start_http_server(0, addr="127.0.0.1", registry=registry)
    print(server.server_port, flush=True)
    Event().wait()


def stack(database: str, port: str) -> None:
    """aiohttp, transitions, aiosqlite and prometheus_client with a database opened, ready on /-/ready."""
    import asyncio

    import aiosqlite
    import transitions
    from aiohttp import web
    from prometheus_client import CollectorRegistry, Counter

    transitions.Machine(model=None, states=["off", "on"], initial="off")
    Counter("bench", "One.", registry=CollectorRegistry()).inc()

    async def ready(_request: web.Request) -> web.Response:
        return web.json_response({"status": "pass"})

    async def opened(_application: web.Application) -> None:
        application["database"] = connection = await aiosqlite.connect(database)
        await connection.execute("PRAGMA journal_mode = WAL")
        await connection.execute("CREATE TABLE IF NOT EXISTS bench (one INTEGER) STRICT")

    async def closed(_application: web.Application) -> None:
        await application["database"].close()

    application = web.Application()
    application.router.add_get("/-/ready", ready)
    application.on_startup.append(opened)
    application.on_cleanup.append(closed)
    asyncio.run(_forever(application, port=int(port)))


async def _forever(application: web.Application, *, port: int) -> None:
    import asyncio
    import signal

    from aiohttp import web

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    print(runner.addresses[0][1], flush=True)
    await stop.wait()
    await runner.cleanup()


ROLES: dict[str, Callable[..., None]] = {"post": post, "exposition": exposition, "stack": stack}

if __name__ == "__main__":
    ROLES[sys.argv[1]](*sys.argv[2:])
