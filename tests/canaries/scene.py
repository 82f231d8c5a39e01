"""A daemon behind a proxy with a canary for every secret, and everything that it says, kept for the search."""

from __future__ import annotations

import asyncio
import base64
import io
import logging
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from daemon.engine.log import JsonLines, TextLines
from daemon.sandbox import Sandbox, tenant
from daemon.sandbox.world import (
    DEMO_APPLICATION_ID,
    DEMO_CLIENT_ID,
    DEMO_EMAIL,
    DEMO_MINIMAL_EMAIL,
    Application,
)
from daemon.store.audit import export_file
from tests.canaries.hunt import Canary, Find, canary, given, hunt
from tests.canaries.objects import remembering, reprs
from tests.clock import ManualClock
from tests.running import Options, Running, microsoft_options, running, sandboxed, site_options, write

PROXY_USER = "CORP\\svc-sitebind"
_CHATTY = ("aiosqlite", "transitions", "asyncio", "aiohttp.access")


@dataclass
class Secrets:
    """One canary for every secret there is."""

    password: Canary = field(default_factory=lambda: canary("bind password"))
    rotated: Canary = field(default_factory=lambda: canary("rotated bind password"))
    one_time: Canary = field(default_factory=lambda: canary("one-time password"))
    refused: Canary = field(default_factory=lambda: canary("one-time password that is refused"))
    application_key: Canary = field(default_factory=lambda: canary("application key"))
    client_secret: Canary = field(default_factory=lambda: canary("client secret"))
    api_token: Canary = field(default_factory=lambda: canary("api token", plain=True))
    proxy_password: Canary = field(default_factory=lambda: canary("proxy password"))
    vault_key: Canary = field(default_factory=lambda: canary("vault key"))
    new_vault_key: Canary = field(default_factory=lambda: canary("new vault key"))
    account_password: Canary = field(default_factory=lambda: canary("account password"))
    directory_password: Canary = field(default_factory=lambda: canary("directory password"))
    written: Canary = field(default_factory=lambda: canary("bind password, written through the API"))
    also_written: Canary = field(default_factory=lambda: canary("password of the directory, written through the API"))
    misplaced: Canary = field(default_factory=lambda: canary("a secret where none belongs"))
    graph_secret: Canary = field(default_factory=lambda: canary("client secret of the app registration"))

    def all(self) -> list[Canary]:
        return list(vars(self).values())


class Proxy:
    """A CONNECT proxy that demands the canary and, when it refuses, repeats everything that it was sent."""

    def __init__(self, password: Canary) -> None:
        pair = f"{PROXY_USER}:{password.text}".encode()
        self._wanted = b"Basic " + base64.b64encode(pair)
        self.refuses = False
        self.port = 0
        self.passed = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if self.refuses or self._wanted not in head:
                body = b"<pre>" + head + b"</pre>"
                sent = next((line for line in head.split(b"\r\n") if b"Basic" in line), b"nothing")
                writer.write(
                    b"HTTP/1.1 407 I was sent " + sent + b"\r\nProxy-Authenticate: Basic realm=" + sent.split()[-1] +
                    b"\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body
                )  # fmt: skip
                await writer.drain()
                return
            self.passed += 1
            host, _, port = head.split()[1].decode().rpartition(":")
            there = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            async with asyncio.TaskGroup() as group:
                group.create_task(_carry(reader, there[1]), name="to the server")
                group.create_task(_carry(there[0], writer), name="to the client")
        except (OSError, asyncio.IncompleteReadError):  # also a name that nobody knows
            writer.transport.abort()
        finally:
            writer.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(2**16):
            writer.write(chunk)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def proxying(password: Canary) -> AsyncIterator[Proxy]:
    proxy = Proxy(password)
    server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()


class Kept(logging.Handler):
    """Every record's exception with its causes, as whoever prints it would see it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.text = io.StringIO()

    def emit(self, record: logging.LogRecord) -> None:
        print(record.getMessage(), repr(record.args), file=self.text)
        error = record.exc_info[1] if record.exc_info else None
        while error is not None:
            print(repr(error), str(error), repr(error.args), repr(vars(error)), file=self.text)
            print("".join(traceback.format_exception(error)), file=self.text)
            error = error.__cause__ or error.__context__


@contextmanager
def logs() -> Iterator[dict[str, io.StringIO]]:
    """The log at its most talkative, in both forms, also of the libraries that are kept quiet otherwise."""
    kept = Kept()
    streams = {"log as text": io.StringIO(), "log as JSON": io.StringIO(), "exceptions": kept.text}
    text, lines = (logging.StreamHandler(streams[name]) for name in ("log as text", "log as JSON"))
    text.setFormatter(TextLines())
    lines.setFormatter(JsonLines())
    root = logging.getLogger()
    level = root.level
    for handler in (text, lines, kept):
        root.addHandler(handler)
    try:
        yield streams
    finally:
        root.setLevel(level)
        for handler in (text, lines, kept):
            root.removeHandler(handler)


def loud() -> None:
    """After the daemon set its levels: everything, from everybody."""
    logging.getLogger().setLevel(logging.DEBUG)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.DEBUG)


@dataclass
class Scene:
    """A running daemon; `said` grows with every answer of its API."""

    run: Running
    secrets: Secrets
    proxy: Proxy
    folder: Path
    streams: dict[str, io.StringIO]
    said: io.StringIO = field(default_factory=io.StringIO)
    heard: io.StringIO = field(default_factory=io.StringIO)
    made: list[object] = field(default_factory=list)
    issued: dict[str, Canary] = field(default_factory=dict)
    sealed: list[bytes] = field(default_factory=list)

    async def call(self, method: str, path: str, *, admin: bool = False, **options: Any) -> Any:
        """Any answer, kept whole: status, headers and body."""
        headers = {"Authorization": f"Bearer {self.secrets.api_token.text}"} if admin else {}
        headers |= options.pop("headers", {})
        async with self.run.http.request(method, self.run.daemon.web.url + path, headers=headers, **options) as answer:
            text = await answer.text()
            print(answer.status, dict(answer.headers), text, file=self.said)
            return await answer.json(content_type=None) if "json" in answer.content_type else text

    async def bind(self, **body: str) -> Any:
        """Ask, wait for the end, and note what keys there are now: the report."""
        report = await self.call("POST", "/api/v1/sites/default/rebind", admin=bool(body), json=body)
        path = f"/api/v1/sites/default/binds/{report['id']}"
        # A service that throttles is waited for: then time must pass.
        await self.in_time(lambda: self.run.now().open is None or self.run.now().open.bind_id != report["id"])  # type: ignore[union-attr]
        await self.note_keys()
        return await self.call("GET", path)

    async def in_time(self, true: Callable[[], bool]) -> None:
        """Let time pass, a little at a time, until it is true; what travels over sockets arrives meanwhile."""
        for turn in range(2_000):
            if true():
                return
            await self.call("GET", "/-/healthy")
            if turn > 100:
                await self.run.manual.advance(0.1)
        raise AssertionError(f"never came true: {self.run.now()}")

    async def note_keys(self) -> None:
        """Keys of the service are secrets too, and nobody knows them before they are issued."""
        for bind_id in await self.run.daemon.vault.ids():
            keys = await self.run.daemon.vault.get(bind_id)
            for name, value in (keys.values if keys else {}).items():
                if name in ("access_key", "secret_key"):
                    self.issued.setdefault(f"{bind_id} {name}", given(f"{name} of {bind_id}", value.reveal()))
        rows = await self.run.daemon.journal.read(lambda db: db.execute("SELECT nonce, sealed FROM vault").fetchall())
        self.sealed += [one for row in rows for one in row if one not in self.sealed]

    async def listen(self) -> None:
        """What the event stream tells from the beginning on, also of what fails; as long as it lasts."""
        async with self.run.http.get(self.run.daemon.web.url + "/api/v1/events?after=0") as answer:
            async for chunk in answer.content.iter_any():
                print(chunk.decode("utf-8", "replace"), end="", file=self.heard)

    async def look_everywhere(self) -> None:
        """Every page of the API."""
        for path in (
            "/-/healthy", "/-/ready", "/metrics", "/api/v1/sites", "/api/v1/sites/default",
            "/api/v1/sites/default/binds?limit=200", "/api/v1/audit?limit=1000", "/openapi.json", "/nothing/here",
        ):  # fmt: skip
            await self.call("GET", path)
        for path in ("/api/v1/tokens", "/api/v1/sites/default/config"):
            await self.call("GET", path, admin=True)

    async def hunted(self) -> list[Find]:
        """Look at everything that is said, stored and shown, and search it."""
        await self.note_keys()
        await self.look_everywhere()
        return hunt([*self.secrets.all(), *self.issued.values()], {**self.places(), **reprs(self.made)})

    def places(self) -> dict[str, bytes | str]:
        database = self.run.daemon.journal.path
        return {
            **{name: stream.getvalue() for name, stream in self.streams.items()},
            "answers of the API": self.said.getvalue(),
            "event stream": self.heard.getvalue(),
            "audit export": "\n".join([*export_file(database, "jsonl"), *export_file(database, "csv")]),
            **files(database.parent),
        }


def files(folder: Path) -> dict[str, bytes | str]:
    """Every file of the state folder: database, write-ahead log, shared memory, lock."""
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file() and ".key" not in file.name}


def options(sandbox: Sandbox, secrets: Secrets, proxy: Proxy, folder: Path, *, method: str = "cloud") -> Options:
    """A configuration with every secret that there is, most of them by reference."""
    sign_in = {
        "cloud": {"password": f"file:{folder}/password", "application_key": f"file:{folder}/application-key"},
        "application": {"client_secret": f"file:{folder}/client-secret"},
    }[method]
    site = site_options(sandbox, method=method, require="mailbox", **sign_in)
    if method == "application":
        site["account"] = microsoft_options(sandbox, client_secret=f"file:{folder}/graph-secret")
    else:
        site |= _on_premises(sandbox, secrets)
    site["connection"] |= {
        "use_proxy": "yes",
        "proxy_host": "127.0.0.1",
        "proxy_port": str(proxy.port),
        "proxy_requires_authentication": "yes",
        "proxy_username": PROXY_USER,
        "proxy_password": f"file:{folder}/proxy-password",
    }
    daemon = {
        "database": str(folder / "state" / "sitebind.db"),
        "log_level": "debug",
        "api_token": f"file:{folder}/api-token",
        "vault_key": f"file:{folder}/vault-key",
    }
    return {"daemon": daemon, **site}


def _employ(company: tenant.Tenant, secrets: Secrets, *, cloud: bool) -> None:
    """The Microsoft side knows the canaries; without `cloud` everybody's mailbox is on premises."""
    company.add(
        tenant.AppRegistration(client_id=tenant.DEMO_GRAPH_CLIENT, client_secret=secrets.graph_secret.text),
    )
    company.people[tenant.DEMO_MAILBOX].password = secrets.account_password.text
    for person in company.people.values():
        person.mailbox = person.mailbox and ("microsoft-365" if cloud else "on-premises")


def _on_premises(sandbox: Sandbox, secrets: Secrets) -> dict[str, dict[str, str]]:
    """Exchange with a password, and a directory that does not answer but is signed in to all the same."""
    account = {
        "smtp_address": tenant.DEMO_MAILBOX,
        "password": f"literal:{secrets.account_password.text}",
        "impersonation_probe": tenant.DEMO_PROBE,
        "autodiscover_url": sandbox.exchange_url,
        "trusted_hosts": "localhost",
    }
    directory = {
        "server": "127.0.0.1:9",
        "base_dn": "dc=example,dc=test",
        "user": "reader",
        "password": secrets.directory_password.text,
    }
    return {"account": account, "directory": directory}


def put(folder: Path, name: str, secret: Canary) -> Path:
    file = folder / name
    if file.exists():
        file.chmod(0o600)
    file.write_text(secret.text + "\n")
    file.chmod(0o400)
    return file


@asynccontextmanager
async def scene(folder: Path, clock: ManualClock, *, method: str = "cloud") -> AsyncIterator[Scene]:
    """Everything set up, the first bind done or failed."""
    secrets = Secrets()
    (folder / "secrets").mkdir()
    kept = ("password", "application-key", "client-secret", "proxy-password", "api-token", "vault-key", "graph-secret")
    for name in kept:
        put(folder / "secrets", name, getattr(secrets, name.replace("-", "_")))
    async with sandboxed(folder, clock) as sandbox, proxying(secrets.proxy_password) as proxy:
        world = sandbox.world
        world.set_password(DEMO_EMAIL, secrets.password.text)
        world.set_password(DEMO_MINIMAL_EMAIL, secrets.one_time.text)
        key = secrets.application_key.text
        world.add_application(Application(application_id=DEMO_APPLICATION_ID, application_key=key))
        known = world.service_applications[DEMO_CLIENT_ID]
        world.add_service_application(replace(known, client_secret=secrets.client_secret.text))
        _employ(world.tenant, secrets, cloud=method == "application")
        config = options(sandbox, secrets, proxy, folder / "secrets", method=method)
        path = write(folder / "config.ini", config)
        with logs() as streams, remembering() as made:
            async with running(path, sandbox, clock) as run:
                loud()
                here = Scene(run, secrets, proxy, folder, streams, made=made)
                listener = asyncio.create_task(here.listen(), name="listener")
                try:
                    yield here
                finally:
                    listener.cancel()
                    await asyncio.wait([listener])
