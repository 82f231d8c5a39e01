"""The baselines that are servers: each a process of its own, `python -m bench.bare ROLE …`, that prints its port.

Imports stand in the functions, so that a role costs what it is said to cost and no more.
"""

from __future__ import annotations

import sys


def post(body: str) -> None:
    """aiohttp that answers POST /rebind with `body`, and does nothing for it."""
    import asyncio

    from aiohttp import web

    content = body.encode()

    async def rebind(_request: web.Request) -> web.Response:
        return web.Response(status=202, body=content, content_type="application/json")

    application = web.Application()
    application.router.add_post("/rebind", rebind)
    asyncio.run(_forever(application, port=0))


def exposition(series: str) -> None:
    """prometheus_client's own server with about so many series."""
    from threading import Event

    from prometheus_client import CollectorRegistry, Counter, start_http_server

    registry = CollectorRegistry()
    # Families of ten series, without `_created`, as a daemon of this size has them.
    from prometheus_client import disable_created_metrics

    disable_created_metrics()
    for family in range(int(series) // 10):
        counter = Counter(f"bench_{family}", "One of many.", ["site", "event"], registry=registry)
        for event in range(10):
            counter.labels("default", f"event_{event}").inc()
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


async def _forever(application, *, port):  # type: ignore[no-untyped-def]
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


ROLES = {"post": post, "exposition": exposition, "stack": stack}

if __name__ == "__main__":
    ROLES[sys.argv[1]](*sys.argv[2:])
