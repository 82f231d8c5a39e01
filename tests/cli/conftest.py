"""A small real HTTP server in the daemon's place, which answers what a test says, and the command line beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from daemon.cli import main


@dataclass
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str


@dataclass
class Api:
    """Answers by method and path; the last answer of a list is repeated. `asked` are the requests in order."""

    url: str = ""
    port: int = 0
    answers: dict[str, list[web.Response | Callable[[], web.Response]]] = field(default_factory=dict)
    asked: list[web.Request] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)

    def on(self, route: str, *bodies: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        def answer(body: Any) -> Callable[[], web.Response]:
            if isinstance(body, (bytes, str)):
                return lambda: web.Response(body=body, status=status, headers=headers)
            return lambda: web.json_response(body, status=status, headers=headers)

        self.answers.setdefault(route, []).extend(map(answer, bodies))

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        self.bodies.append(await request.text())
        waiting = self.answers[f"{request.method} {request.path}"]
        return (waiting.pop(0) if len(waiting) > 1 else waiting[0])()


async def serving(api: Api) -> AsyncIterator[Api]:
    runner = web.AppRunner(web.Application())
    runner.app.router.add_route("*", "/{path:.*}", api.handle)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api.port = runner.addresses[0][1]
    api.url = f"http://127.0.0.1:{api.port}"
    try:
        yield api
    finally:
        await runner.cleanup()


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with aclosing(serving(Api())) as running:
        async for server in running:
            yield server


Sitebind = Callable[..., Said]


@pytest.fixture
def sitebind(capsys: pytest.CaptureFixture[str]) -> Sitebind:
    """Run the command line in this process."""

    def run(*arguments: str | Path) -> Said:
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


@pytest.fixture
def ask(sitebind: Sitebind) -> Callable[..., Any]:
    """Run the command line beside the loop, which serves the answers meanwhile."""

    async def run(*arguments: str | Path) -> Said:
        return await asyncio.to_thread(sitebind, *arguments)

    return run
