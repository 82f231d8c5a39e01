"""A running sandbox, a clock to turn, and a client that signs by its own reading of the facts."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from daemon.sandbox import Sandbox, small_world
from daemon.sandbox import world as known
from tests.sandbox.graph_client import GraphClient


class Clock:
    """A clock that moves only when it is told to."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def pass_by(self, **length: float) -> None:
        self.time += timedelta(**length)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Any
    raw: bytes
    document: Any = field(default=None)

    @property
    def first(self) -> dict[str, Any]:
        return self.document["data"][0]

    @property
    def code(self) -> str:
        """The code of the first failure, in either shape."""
        item = self.document["fail"][0]
        return item["errors"][0]["code"] if "errors" in item else item["code"]


@dataclass(frozen=True)
class Keys:
    access: str
    secret: str


class Client:
    """Speaks both API versions over real TLS; knows nothing of the sandbox but its addresses and its CA."""

    def __init__(self, sandbox: Sandbox, session: aiohttp.ClientSession, clock: Clock) -> None:
        self.sandbox = sandbox
        self.session = session
        self.clock = clock

    async def send(self, method: str, url: str, **options: Any) -> Reply:
        async with self.session.request(method, url, **options) as response:
            raw = await response.read()
            is_json = raw and "json" in response.headers.get("Content-Type", "")
            try:
                document = json.loads(raw) if is_json else None
            except ValueError:
                document = None
            return Reply(response.status, response.headers, raw, document)

    def stamps(self, **changes: str) -> dict[str, str]:
        return {
            "x-mc-date": self.clock().strftime("%a, %d %b %Y %H:%M:%S UTC"),
            "x-mc-req-id": str(uuid.uuid4()),
            "x-mc-app-id": known.DEMO_APPLICATION_ID,
        } | {name.replace("_", "-"): value for name, value in changes.items()}

    async def discover(self, address: str = known.DEMO_EMAIL) -> Reply:
        url = self.sandbox.global_url + "/api/login/discover-authentication"
        return await self.send("POST", url, headers=self.stamps(), json={"data": [{"emailAddress": address}]})

    async def login(
        self,
        address: str = known.DEMO_EMAIL,
        password: str = known.DEMO_PASSWORD,
        *,
        scheme: str = "Basic-Cloud",
        refresh: str | None = None,
        **changes: str,
    ) -> Reply:
        pair = base64.b64encode(f"{address}:{password}".encode()).decode()
        item = {"userName": address} | ({"accessKey": refresh} if refresh else {})
        return await self.send(
            "POST",
            self.sandbox.regional_url + "/api/login/login",
            headers=self.stamps(**changes) | {"Authorization": f"{scheme} {pair}"},
            json={"data": [item]},
        )

    async def bind(self, address: str = known.DEMO_EMAIL) -> Keys:
        reply = await self.login(address)
        assert reply.status == 200, reply.raw
        return Keys(reply.first["accessKey"], reply.first["secretKey"])

    async def signed(
        self,
        keys: Keys,
        path: str,
        *,
        body: Any = None,
        application_key: str = known.DEMO_APPLICATION_KEY,
        **changes: str,
    ) -> Reply:
        stamps = self.stamps(**changes)
        text = ":".join([stamps["x-mc-date"], stamps["x-mc-req-id"], path, application_key])
        digest = hmac.new(base64.b64decode(keys.secret), text.encode(), hashlib.sha1).digest()
        stamps["Authorization"] = f"MC {keys.access}:{base64.b64encode(digest).decode()}"
        content = {"data": []} if body is None else body
        return await self.send("POST", self.sandbox.regional_url + path, headers=stamps, json=content)

    async def account(self, keys: Keys, **changes: str) -> Reply:
        return await self.signed(keys, "/api/account/get-account", **changes)

    async def profile(self, keys: Keys, address: str | None = None) -> Reply:
        body = {"data": [{"emailAddress": address, "showAvatar": False}] if address else []}
        return await self.signed(keys, "/api/user/get-profile", body=body)

    async def logout(self, keys: Keys, access: str | None = None) -> Reply:
        body = {"data": [{"accessKey": access or keys.access}]}
        return await self.signed(keys, "/api/login/logout", body=body)

    async def token(self, **changes: str) -> Reply:
        form = {
            "grant_type": "client_credentials",
            "client_id": known.DEMO_CLIENT_ID,
            "client_secret": known.DEMO_CLIENT_SECRET,
        } | changes
        return await self.send("POST", self.sandbox.services_url + "/oauth/token", data=form)

    async def bearer(self) -> str:
        return str((await self.token()).document["access_token"])

    async def services(self, token: str, method: str, path: str, **options: Any) -> Reply:
        headers = {"Authorization": f"Bearer {token}"} | options.pop("headers", {})
        return await self.send(method, self.sandbox.services_url + path, headers=headers, **options)

    async def control(self, action: str, **body: Any) -> Reply:
        return await self.send("POST", f"{self.sandbox.global_url}/sandbox/{action}", json=body)

    async def state(self) -> dict[str, Any]:
        reply = await self.send("GET", self.sandbox.global_url + "/sandbox/state")
        return reply.document


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One directory for the session: certificates are made once."""
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture
async def sandbox(certificates: Path, clock: Clock) -> AsyncIterator[Sandbox]:
    async with Sandbox(directory=certificates, world=small_world(keys_per_user=3), now=clock) as running:
        yield running


@pytest.fixture
async def client(sandbox: Sandbox, clock: Clock) -> AsyncIterator[Client]:
    tls = ssl.create_default_context(cafile=str(sandbox.ca_file))
    connector = aiohttp.TCPConnector(ssl=tls)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield Client(sandbox, session, clock)


@pytest.fixture
def graph(client: Client) -> GraphClient:
    return GraphClient(client)
