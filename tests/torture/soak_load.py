"""What people, programs and a bad day do to a daemon at the same time, at random, over its real interfaces."""

from __future__ import annotations

import asyncio
import random
import re
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from daemon.cli.sandbox_control import Control
from tests.acceptance.processes import Program
from tests.page.browsing import Visitor
from tests.running import Options, ini, write
from tests.streams import Stream, streaming
from tests.torture.estate import AS_ADMIN
from tests.web.described import described_session

TROUBLES: Final = (
    "wrong-password", "locked-account", "missing-role", "unknown-domain", "expired-binding", "revoked-keys",
    "bad-application", "wrong-region", "throttled", "service-error", "empty-body", "malformed-body", "wrong-shape",
    "huge-body", "slow", "reset", "half-body", "clock-skew", "expired-certificate", "forged-certificate",
)  # fmt: skip
EXPORTS: Final = ("jsonl", "csv", "syslog", "cef", "ocsf")
PAGES: Final = ("bind", "accounts", "connection", "site", "directory", "audit", "unbind")
LOOK_AGAIN: Final = 0.1
"""Seconds between two looks at a daemon that is asked, in the process of its own, whether it has come to rest."""
HELD: Final = 6
"""So many clients follow the event stream for a while; the oldest leaves when another comes."""
BUSY: Final = re.compile(
    r'^(sitebind_site_state\{[^}]*"binding"[^}]*\} 1|sitebind_event_stream_clients [1-9]'
    r'|sitebind_tasks\{owner="effects"\} [1-9])',
    re.MULTILINE,
)
GUEST: Final = "guest"
"""A site that comes and goes."""


@dataclass
class Load:
    """One daemon under load. `sites` are the sections of each site's file; `folder` is where the files lie."""

    program: Program
    url: str
    folder: Path
    sites: dict[str, Options]
    sandbox: Control
    chance: random.Random
    done: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._held: list[AsyncExitStack] = []
        self._names = sorted(self.sites)
        self._ways: dict[Callable[[aiohttp.ClientSession], Awaitable[None]], int] = {
            self.rebind: 6, self.trouble: 4, self.heal: 3, self.edit_file: 3, self.edit_by_api: 2, self.reload: 3,
            self.break_file: 1, self.guest: 1, self.follow: 4, self.scrape: 5, self.read: 5, self.page: 5,
            self.signed_in: 2, self.examine: 1, self.refused: 6, self.export: 2, self.resolve: 1, self.unbind: 1,
        }  # fmt: skip

    async def operations(self, count: int, *, at_once: int) -> None:
        """Do so many, some at the same time; then let everybody go, and heal the service."""
        wanted = iter(range(count))

        async def work() -> None:
            async with described_session(headers=AS_ADMIN, timeout=aiohttp.ClientTimeout(total=120)) as session:
                for _ in wanted:
                    (way,) = self.chance.choices([*self._ways], [*self._ways.values()])
                    await way(session)
                    self.done[way.__name__] += 1

        try:
            async with asyncio.TaskGroup() as group:
                for number in range(at_once):
                    group.create_task(work(), name=f"caller {number}")
        finally:
            await self.calm()

    async def bind_often(self, times: int) -> None:
        """Bind each site so often."""

        async def bind(site: str) -> None:
            async with described_session(headers=AS_ADMIN) as session:
                for _ in range(times):
                    await self.call(session, "POST", f"/api/v1/sites/{site}/rebind?wait=40")

        async with asyncio.TaskGroup() as group:
            for site in self._names:
                group.create_task(bind(site), name=f"binds of {site}")

    async def hear_it_all(self) -> None:
        """Follow the events from the first record to the last: of what is sent so many are kept for the next client."""
        async with aiohttp.ClientSession(headers=AS_ADMIN) as session:
            audit = await self.call(session, "GET", "/api/v1/audit?order=desc&limit=1")
            newest = audit["records"][0]["seq"]
            async with streaming(session, f"{self.url}/api/v1/events", last=0) as stream:
                await stream.until(lambda event: event.id is not None and event.id >= newest)

    async def rest(self) -> str:
        """Wait until nothing binds and nobody follows; what /metrics says then."""
        async with described_session(headers=AS_ADMIN) as session, asyncio.timeout(120):
            while True:
                async with session.get(f"{self.url}/metrics") as answer:
                    exposition = await answer.text()
                if not BUSY.search(exposition):
                    return exposition
                await asyncio.sleep(LOOK_AGAIN)

    async def calm(self) -> None:
        """Nobody follows, nothing is wrong with the service or a file."""
        while self._held:
            await self._held.pop().aclose()
        await asyncio.to_thread(self.sandbox.post, "/sandbox/heal", {})
        (self.folder / f"{GUEST}.ini").unlink(missing_ok=True)
        for site in self._names:
            self.write(site, display_name=site)

    def write(self, site: str, *, display_name: str) -> None:
        write(self.folder / f"{site}.ini", {**self.sites[site], "site": {"display_name": display_name}})

    async def call(self, session: aiohttp.ClientSession, method: str, path: str, **options: Any) -> Any:
        """An answer's JSON, or None. A defect of ours ends the run."""
        async with session.request(method, self.url + path, **options) as answer:
            self.answers[answer.status] += 1
            body = await answer.read()
            assert answer.status != 500, f"{method} {path}: {body.decode(errors='replace')}"
            return await answer.json() if answer.content_type.endswith(("/json", "+json")) else None

    def site(self) -> str:
        return self.chance.choice(self._names)

    async def rebind(self, session: aiohttp.ClientSession) -> None:
        await self.call(session, "POST", f"/api/v1/sites/{self.site()}/rebind?wait={self.chance.choice((0, 3))}")

    async def unbind(self, session: aiohttp.ClientSession) -> None:
        site = self.site()
        await self.call(session, "POST", f"/api/v1/sites/{site}/unbind?wait=5")
        await self.call(session, "POST", f"/api/v1/sites/{site}/rebind?wait=3")

    async def trouble(self, session: aiohttp.ClientSession) -> None:
        name, times = self.chance.choice(TROUBLES), self.chance.randint(1, 4)
        asked: dict[str, Any] = {"name": name}
        if not name.endswith("certificate"):
            asked["times"] = times
        if name in ("slow", "throttled"):
            asked["seconds"] = 0.5
        await asyncio.to_thread(self.sandbox.post, "/sandbox/trouble", asked)

    async def heal(self, session: aiohttp.ClientSession) -> None:
        await asyncio.to_thread(self.sandbox.post, "/sandbox/heal", {})

    async def edit_file(self, session: aiohttp.ClientSession) -> None:
        self.write(self.site(), display_name=f"Office {self.chance.randrange(1000)}")

    async def edit_by_api(self, session: aiohttp.ClientSession) -> None:
        path = f"/api/v1/sites/{self.site()}/config"
        seen = await self.call(session, "GET", path)
        if "etag" not in seen:  # its file is broken at this moment
            return
        options = {"site": {"display_name": f"Branch {self.chance.randrange(1000)}"}}
        await self.call(session, "PUT", path, json={"options": options}, headers={"If-Match": seen["etag"]})

    async def break_file(self, session: aiohttp.ClientSession) -> None:
        site = self.site()
        (self.folder / f"{site}.ini").write_text("[bindign]\n" + ini(self.sites[site]))
        await self.call(session, "POST", "/-/reload")
        self.write(site, display_name=site)

    async def guest(self, session: aiohttp.ClientSession) -> None:
        path = self.folder / f"{GUEST}.ini"
        if path.exists():
            path.unlink(missing_ok=True)
        else:
            write(path, {**self.sites[self._names[0]], "site": {"display_name": GUEST}})
        await self.call(session, "POST", "/-/reload")

    async def reload(self, session: aiohttp.ClientSession) -> None:
        if self.chance.random() < 0.5:
            self.program.send(signal.SIGHUP)
        else:
            await self.call(session, "POST", "/-/reload")

    async def follow(self, session: aiohttp.ClientSession) -> None:
        """Come, hear the first, and stay or leave without a word."""
        async with AsyncExitStack() as stack:
            own = await stack.enter_async_context(aiohttp.ClientSession())
            stream: Stream = await stack.enter_async_context(
                streaming(own, f"{self.url}/api/v1/events", last=self.chance.choice((None, 0)))
            )
            await stream.next()
            if self.chance.random() < 0.5:
                return
            self._held.append(stack.pop_all())
        if len(self._held) > HELD:
            await self._held.pop(0).aclose()

    async def scrape(self, session: aiohttp.ClientSession) -> None:
        accept = self.chance.choice(("text/plain", "application/openmetrics-text;version=1.0.0"))
        await self.call(session, "GET", "/metrics", headers={"Accept": accept})

    async def read(self, session: aiohttp.ClientSession) -> None:
        site = self.site()
        for path in ("", "/binds"):
            await self.call(session, "GET", f"/api/v1/sites/{site}{path}")
        await self.call(session, "GET", f"/api/v1/audit?limit=20&after={self.chance.randrange(1000)}")
        await self.call(session, "GET", "/-/ready")

    async def page(self, session: aiohttp.ClientSession) -> None:
        await self.call(session, "GET", "/")
        await self.call(session, "GET", f"/sites/{self.site()}/{self.chance.choice(PAGES)}")

    async def signed_in(self, session: aiohttp.ClientSession) -> None:
        """A token is made, a person signs in with it and out again, and it is revoked."""
        order = {"name": f"visitor-{self.chance.randrange(10**9)}", "scopes": ["read"], "expires_in": 600}
        made = await self.call(session, "POST", "/api/v1/tokens", json=order)
        assert "secret" in made, made
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as own:
            visitor = Visitor(own, self.url)
            await visitor.sign_in(made["secret"])
            await visitor.open(f"/sites/{self.site()}/bind")
            if self.chance.random() < 0.8:
                await visitor.send("/sign-out")
        await self.call(session, "DELETE", f"/api/v1/tokens/{made['id']}")

    async def examine(self, session: aiohttp.ClientSession) -> None:
        await self.call(session, "POST", f"/api/v1/sites/{self.site()}/doctor")

    async def refused(self, session: aiohttp.ClientSession) -> None:
        """A wrong token, host, method, site, body, or page's origin."""
        method, path, options = self.chance.choice(REFUSED)
        await self.call(session, method, path, **options)

    async def export(self, session: aiohttp.ClientSession) -> None:
        query = f"format={self.chance.choice(EXPORTS)}&limit=500"
        await self.call(session, "GET", f"/api/v1/audit/export?{query}")

    async def resolve(self, session: aiohttp.ClientSession) -> None:
        await self.call(session, "GET", f"/api/v1/sites/{self.site()}/resolve?address=nobody@example.test")


REFUSED: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    ("GET", "/api/v1/sites", {"headers": {"Authorization": "Bearer not-one-of-ours"}}),
    ("GET", "/api/v1/sites", {"headers": {"Host": "elsewhere.example"}}),
    ("POST", "/-/reload", {"headers": {"Origin": "https://elsewhere.example"}}),
    ("DELETE", "/metrics", {}),
    ("GET", "/api/v1/sites/nowhere", {}),
    ("POST", "/rebind", {}),
    ("PUT", "/api/v1/sites/berlin/config", {"data": b"{", "headers": {"Content-Type": "application/json"}}),
    ("GET", "/api/v1/audit?limit=many", {}),
    ("GET", "/no/such/path", {}),
)
