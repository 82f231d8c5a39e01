"""Every answer is held against `openapi.yaml`: status, content type, headers and body.

`DescribedClient` does so for the tests of the web layer, `described_session` for whoever calls a daemon with aiohttp,
and `agrees` for other clients.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import aiohttp
import jsonschema

from daemon.web.openapi import document

PROBLEM = {"$ref": "#/components/schemas/Problem"}
ANYWHERE = {401, 403, 404, 405, 421, 429}
"""What may be answered to a call that is nowhere described: who asks is looked at first, then what there is."""


@cache
def description() -> dict[str, Any]:
    return document()


@dataclass(frozen=True)
class Reply:
    """An answer that agrees with the description."""

    status: int
    headers: Any
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        """The problem's code."""
        return str(self.json["code"])


class DescribedClient:
    """Calls one daemon."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def get(self, path: str, **options: Any) -> Reply:
        return await self.call("GET", path, **options)

    async def post(self, path: str, **options: Any) -> Reply:
        return await self.call("POST", path, **options)

    async def call(self, method: str, path: str, **options: Any) -> Reply:
        async with self._session.request(method, self.url + path, **options) as answer:
            reply = Reply(answer.status, answer.headers, await answer.text())
        agrees(method, path.partition("?")[0], reply)
        return reply


def described_session(**options: Any) -> aiohttp.ClientSession:
    """A session whose every answer of an API is held against the description; what belongs to the page is not."""
    description()  # parsing it takes half a second, in which a daemon of this loop would hear nothing
    watching = aiohttp.TraceConfig()
    watching.on_request_end.append(_watched)
    return aiohttp.ClientSession(trace_configs=[watching], **options)


async def _watched(_session: aiohttp.ClientSession, _context: Any, seen: aiohttp.TraceRequestEndParams) -> None:
    answer, path = seen.response, seen.url.raw_path
    in_json = answer.content_type.endswith(("/json", "+json"))
    if in_json or is_described(path):
        agrees(seen.method, path, Reply(answer.status, answer.headers, await answer.text() if in_json else ""))


def is_described(path: str) -> bool:
    """Whether the path is one of the API."""
    return any(_fits(template, path) for template in description()["paths"])


def agrees(method: str, path: str, reply: Reply) -> None:
    """Assert that the answer is one that the description promises."""
    assert re.fullmatch(r"\S{1,128}", reply.headers["X-Request-ID"])
    promised = _promised(method, path, reply.status)
    content_type = reply.headers.get("Content-Type", "").partition(";")[0]
    if promised is None:
        assert reply.status in ANYWHERE, f"{method} {path} answers {reply.status}, which is nowhere described"
        schema = PROBLEM
        assert content_type == "application/problem+json"
    else:
        for name, header in promised.get("headers", {}).items():
            _valid(header.get("schema") or _resolved(header)["schema"], reply.headers[name])
        if "content" not in promised:
            assert reply.text == ""
            return
        assert content_type in promised["content"], f"{content_type} is not described for {path}"
        schema = promised["content"][content_type]["schema"]
    if method == "HEAD":
        assert reply.text == ""
    elif content_type.endswith(("/json", "+json")):
        _valid(schema, reply.json)
        if reply.status >= 400 and content_type == "application/problem+json":
            assert reply.json["status"] == reply.status
            assert reply.json["request_id"] == reply.headers["X-Request-ID"]


def agrees_in_lines(method: str, path: str, answer: aiohttp.ClientResponse, lines: list[Any]) -> None:
    """Assert the same of an answer that comes line by line."""
    agrees(method, path, Reply(answer.status, answer.headers, ""))
    promised = _promised(method, path, answer.status)
    assert promised is not None
    for line in lines:
        _valid(promised["content"][answer.content_type]["schema"], line)


def _promised(method: str, path: str, status: int) -> dict[str, Any] | None:
    wanted = "get" if method == "HEAD" else method.lower()
    for template, item in description()["paths"].items():
        if _fits(template, path) and wanted in item:
            responses = item[wanted]["responses"]
            assert str(status) in responses, f"{method} {path} answers {status}, which is not described"
            return _resolved(responses[str(status)])
    return None


@cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+\}", "[^/]+", template))


def _fits(template: str, path: str) -> bool:
    return _pattern(template).fullmatch(path) is not None


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        found: Any = description()
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def _valid(schema: dict[str, Any], value: Any) -> None:
    whole = {**schema, "components": description()["components"]}
    checker = jsonschema.Draft202012Validator(whole, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    checker.validate(value)
