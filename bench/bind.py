"""A whole bind, asked for and waited for, against the same calls made by a bare aiohttp client.

The sandbox answers at once, in a process of its own. Ours is everything that a bind is: its steps, keys sealed in the
vault, three commits and the report. The bare client opens the same TLS connection for `connect`, makes the same four
signed calls over a kept one, looks at the status and decodes the JSON; it writes nothing down.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
from yarl import URL

from bench.processes import PATIENCE, until
from bench.sandboxed import Service, daemon, ready, service
from bench.table import Row, against
from daemon.sandbox.world import DEMO_APPLICATION_ID, DEMO_APPLICATION_KEY, DEMO_EMAIL, DEMO_PASSWORD

BINDS = 20
OK = 200


def rows(*, quick: bool = False) -> list[Row]:
    """Milliseconds for a bind."""
    binds, rounds = (2, 1) if quick else (BINDS, 7)
    with tempfile.TemporaryDirectory(prefix="sitebind-bench-") as name, service(Path(name)) as at:
        configuration, port = at.one_site(Path(name) / "site")
        with daemon(configuration), asyncio.Runner() as runner, _bare(runner, at) as bare:
            until(lambda: ready(port), "the site is bound")
            connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            ours = _each(lambda: _bind(connection), binds)
            theirs = _each(lambda: runner.run(bare.bind()), binds)
            what = "a whole bind : the same calls by bare aiohttp"
            found = against(what, ours, theirs, goal="<= 1.25", unit="ms", rounds=rounds)
            connection.close()
            return [found]


def _each(bind: Callable[[], None], number: int) -> Callable[[], float]:
    def milliseconds() -> float:
        begin = time.perf_counter()
        for _ in range(number):
            bind()
        return 1e3 * (time.perf_counter() - begin) / number

    return milliseconds


def _bind(connection: HTTPConnection) -> None:
    connection.request("POST", "/rebind?wait=30")
    answer = connection.getresponse()
    report = json.loads(answer.read())
    assert answer.status == OK, report
    assert report["state"] == "succeeded", report


@contextmanager
def _bare(runner: asyncio.Runner, at: Service) -> Iterator[_Bare]:
    trusted = ssl.create_default_context(cafile=at.ca)
    session = runner.run(_session())
    try:
        yield _Bare(at.url, session, trusted)
    finally:
        runner.run(session.close())


async def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession()


@dataclass(frozen=True, slots=True)
class _Bare:
    """The calls of API 1.0, as one writes them for once."""

    url: str
    session: aiohttp.ClientSession
    trusted: ssl.SSLContext

    async def bind(self) -> None:
        """Everything that travels in a bind."""
        await self._connect()
        discovered = await self._call(self.url, "/api/login/discover-authentication", {"emailAddress": DEMO_EMAIL})
        region = discovered["region"]["api"]
        basic = base64.b64encode(f"{DEMO_EMAIL}:{DEMO_PASSWORD}".encode()).decode()
        sign_in = {"Authorization": f"Basic-Cloud {basic}"}
        keys = await self._call(region, "/api/login/login", {"userName": DEMO_EMAIL}, sign_in)
        profile = {"emailAddress": DEMO_EMAIL, "showAvatar": False}
        await self._signed(keys, region, "/api/user/get-profile", profile)
        await self._signed(keys, region, "/api/account/get-account")

    async def _connect(self) -> None:
        url = URL(self.url)
        _, writer = await asyncio.open_connection(url.host, url.port, ssl=self.trusted)
        writer.close()
        await writer.wait_closed()

    async def _signed(self, keys: dict[str, Any], base: str, path: str, item: dict[str, Any] | None = None) -> None:
        date, request = _date(), str(uuid4())
        text = f"{date}:{request}:{path}:{DEMO_APPLICATION_KEY}"
        digest = hmac.digest(base64.b64decode(keys["secretKey"]), text.encode(), hashlib.sha1)
        authorization = f"MC {keys['accessKey']}:{base64.b64encode(digest).decode()}"
        headers = {"x-mc-date": date, "x-mc-req-id": request, "Authorization": authorization}
        await self._call(base, path, item, headers)

    async def _call(
        self, base: str, path: str, item: dict[str, Any] | None, headers: dict[str, str] | None = None
    ) -> Any:
        own = {"x-mc-date": _date(), "x-mc-req-id": str(uuid4()), "x-mc-app-id": DEMO_APPLICATION_ID}
        body = {"data": [item] if item else []}
        async with self.session.post(
            base + path, json=body, headers={**own, **(headers or {})}, ssl=self.trusted
        ) as answer:
            document = await answer.json()
            assert answer.status == OK, document
            return document["data"][0]


def _date() -> str:
    return format_datetime(datetime.now(UTC), usegmt=True).replace("GMT", "UTC")
