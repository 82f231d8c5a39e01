"""docs/reference/api.md, from `daemon/web/openapi.yaml` and the server's own table of routes."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from daemon.values import Scope
from daemon.web.openapi import document
from daemon.web.server import WebServer
from tests.reference import schemas
from tests.reference.markdown import anchor, code, page, table, title
from tests.reference.problem_codes import CODES
from tests.web.memory_engine import MemoryEngine
from tests.web.serving import Measured, made

Operation = Mapping[str, Any]

_MANY: Final = 8
"""An answer that so many calls give is told once."""

FIRST: Final = """\
Every call of the HTTP API. The same is served as OpenAPI 3.1 under `GET /openapi.json`, and the tests hold every
answer to it. [access.md](../access.md) tells who may call, [events.md](../events.md) more of the event stream.

The examples are typed on the daemon's server. A call with the scope `admin` needs `-H "Authorization: Bearer
$SITEBIND_TOKEN"`, or goes over the Unix socket as root: `curl --unix-socket /run/sitebind/sitebind.sock
http://localhost/…`. A GET may be asked with HEAD too."""
SCOPES: Final = {
    Scope.HEALTH: "none: open to anyone",
    Scope.READ: "`read`",
    Scope.METRICS: "`metrics`",
    Scope.OPERATE: "`operate`",
    Scope.ADMIN: "`admin`",
}
BODIES: Final[dict[str, object]] = {
    "reload": {},
    "rebindOnlySite": {"reason": "password changed"},
    "rebind": {"reason": "password changed"},
    "unbind": {"reason": "the server is retired"},
    "doctor": {"sign_in": False},
    "changeConfig": {
        "options": {"binding": {"verify_every": "30m", "password": {"reference": "file:/run/secrets/new"}}}
    },
    "rekeyVault": {"new_key": "file:/etc/sitebind/vault-key"},
    "recordBackup": {"file": "/var/backups/sitebind.db", "records": 17, "last": 17, "head": "0" * 64},
    "createToken": {"name": "prometheus", "scopes": ["metrics"], "expires_in": 31536000},
}
QUERIES: Final[dict[str, str]] = {
    "resolve": "?address=user@example.com",
    "ready": "?site=default",
    "rebind": "?wait=60",
    "rebindOnlySite": "?site=default",
    "listAudit": "?event=bind_failed&order=desc&limit=20",
    "exportAudit": "?format=jsonl",
    "listBinds": "?limit=5",
    "followEvents": "?site=default",
    "listLogs": "?limit=100",
}
PLACES: Final = {"{site}": "default", "{id}": "default-1"}
TOKEN: Final = '-H "Authorization: Bearer $SITEBIND_TOKEN"'


def text() -> str:
    """The page."""
    found, granted = document(), scopes()
    lines = title("API reference", first=FIRST)
    lines += table(("Call", "Scope", "What it does"), _contents(found, granted))
    for method, path, operation in operations(found):
        lines += _operation(found, method, path, operation, SCOPES[granted[method, path]])
    return page([*lines, *_shared_answers(found), *_errors(), *_schemas(found)])


def operations(found: Mapping[str, Any]) -> Iterator[tuple[str, str, Operation]]:
    """Every call in the description's order."""
    for path, item in found["paths"].items():
        for method in ("get", "post", "put", "delete"):
            if method in item:
                shared = item.get("parameters", [])
                yield (
                    method.upper(),
                    path,
                    {**item[method], "parameters": [*shared, *item[method].get("parameters", [])]},
                )


def scopes() -> dict[tuple[str, str], Scope]:
    """Which scope each call needs, as the server itself has it."""
    seen: dict[tuple[str, str], Scope] = {}
    server = made(MemoryEngine("default"), Measured())

    def collect(routes: Any, *_args: Any, **_options: Any) -> Any:
        seen.update({(method, path): scope for method, path, _, scope in routes})
        return WebServer._routed(server, (), *_args, **_options)

    server._routed = collect  # type: ignore[method-assign]
    server._application("127.0.0.1", frozenset())  # type: ignore[arg-type]
    return seen


def _contents(found: Mapping[str, Any], granted: Mapping[tuple[str, str], Scope]) -> Iterator[tuple[str, str, str]]:
    for method, path, operation in operations(found):
        heading = f"{method} {path}"
        yield f"[`{heading}`](#{anchor(heading)})", SCOPES[granted[method, path]], operation["summary"]


def _operation(found: Mapping[str, Any], method: str, path: str, operation: Operation, scope: str) -> Iterator[str]:
    yield from (f"## {method} {path}", "", f"{operation['summary']}. Scope: {scope}.", "")
    if "description" in operation:
        yield from (operation["description"].rstrip(), "")
    parameters = [_resolved(found, one) for one in operation["parameters"]]
    rows = [(code(one["name"]), one["in"], _value(one), one.get("description", "")) for one in parameters]
    if rows:
        yield from table(("Parameter", "In", "Value", "Meaning"), rows)
    yield from _body(operation)
    shared = shared_answers(found)
    own = {status: one for status, one in operation["responses"].items() if one.get("$ref") not in shared}
    yield from table(("Answer", "Body", "When"), _answers(found, own))
    others = ", ".join(sorted(status for status in operation["responses"] if status not in own))
    yield from (f"Also [what many calls answer](#what-many-calls-answer): {others}.", "")
    yield from ("```sh", example(method, path, operation), "```", "")


def _value(parameter: Mapping[str, Any]) -> str:
    schema = parameter["schema"]
    default = f"; default {code(str(schema['default']))}" if "default" in schema else ""
    return f"{schemas.kind(schema)}{default}"


def _body(operation: Operation) -> Iterator[str]:
    if "requestBody" not in operation:
        return
    body = operation["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    needed = "required" if body["required"] else "optional"
    if "$ref" in schema:
        yield from (f"Body ({needed}): {schemas.kind(schema)}.", "")
        return
    rows = list(schemas.fields(schema))
    if not rows:
        yield from (f"Body ({needed}): an empty JSON object.", "")
        return
    yield from (f"Body ({needed}): a JSON object.", "")
    yield from table(("Field", "Value", "Required", "Meaning"), rows)


def _answers(found: Mapping[str, Any], answers: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for status, answer in answers.items():
        whole = _resolved(found, answer)
        bodies = (f"{kind}: {schemas.kind(one['schema'])}" for kind, one in whole.get("content", {}).items())
        yield status, "; ".join(bodies) or "none", whole["description"]


def shared_answers(found: Mapping[str, Any]) -> dict[str, tuple[str, int]]:
    """The problems that many calls answer: reference to status and number of calls."""
    given = [(one.get("$ref"), status) for *_, call in operations(found) for status, one in call["responses"].items()]
    counted = Counter((ref, status) for ref, status in given if ref and status >= "400")
    return {ref: (status, count) for (ref, status), count in counted.items() if count >= _MANY}


def _shared_answers(found: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## What many calls answer", "", "A problem document each; [its codes](#errors) tell what to do.", "")
    answers = sorted((status, _resolved(found, {"$ref": ref})) for ref, (status, _) in shared_answers(found).items())
    yield from table(("Answer", "When"), [(status, one["description"]) for status, one in answers])


def example(method: str, path: str, operation: Operation) -> str:
    """A call that can be typed."""
    name = operation["operationId"]
    for place, value in PLACES.items():
        path = path.replace(place, "t-1a2b3c4d" if place == "{id}" and "tokens" in path else value)
    words = ["curl -s"] + ([f"-X {method}"] if method != "GET" else [])
    words += [TOKEN] if {"token": []} in operation.get("security", ()) else []
    words += ["-H 'If-Match: \"ETAG\"'"] if name == "changeConfig" else []
    if "requestBody" in operation:
        words += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(json.dumps(BODIES[name]))}"]
    return " ".join([*words, shlex.quote(f"http://127.0.0.1:8787{path}{QUERIES.get(name, '')}")])


def _errors() -> list[str]:
    lines = ["## Errors", "", "An error is a problem document (RFC 9457, `application/problem+json`). Its `code` is"]
    lines += [
        "stable and for programs, its `detail` for people; `request_id` stands in the log and the audit trail too."
    ]
    rows = [(code(name), *said) for name, said in sorted(CODES.items())]
    return [*lines, "", *table(("Code", "When", "What to do"), rows)]


def _schemas(found: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## Objects", "")
    for name, schema in found["components"]["schemas"].items():
        yield from (f"### {name}", "", *([schema["description"], ""] if "description" in schema else ()))
        rows = list(schemas.fields(schema))
        if rows:
            yield from table(("Field", "Value", "Always", "Meaning"), rows)
        else:
            yield from (f"{schemas.kind(schema)}.", "")


def _resolved(found: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in node:
        parts = node["$ref"].removeprefix("#/").split("/")
        node = found
        for part in parts:
            node = node[part]
    return node
