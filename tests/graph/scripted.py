"""A cloud that answers exactly as told, for what the sandbox never does: over TLS, one answer for each request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.providers.conftest import Handler

Respond = Callable[["Request"], tuple[int, dict[str, str], Any]]
TOKEN = "opaque-token-of-a-test"


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: dict[str, str]
    json: Any


@dataclass
class ScriptedCloud:
    """Gives a token to everybody, and lets `respond` answer all other requests. `seen` are those."""

    respond: Respond
    token: str = TOKEN
    life: Any = "3599"
    seen: list[Request] = field(default_factory=list)
    sign_ins: int = 0

    def handler(self) -> Handler:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                request = await read(reader)
                writer.write(written(*self.answer(request)))
                await writer.drain()

        return handle

    def answer(self, request: Request) -> tuple[int, dict[str, str], Any]:
        if request.target.endswith("/oauth2/v2.0/token"):
            self.sign_ins += 1
            return 200, {}, {"access_token": self.token, "expires_in": self.life}
        self.seen.append(request)
        return self.respond(request)


async def read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, target, _ = head[0].split()
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    is_json = headers.get("content-type") == "application/json"
    return Request(method, target, headers, json.loads(body) if is_json else None)


def written(status: int, headers: dict[str, str], body: Any) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}
    lines = [f"HTTP/1.1 {status} As-Told", *(f"{name}: {value}" for name, value in named.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content
