"""Requests that schemathesis makes up from the description of the API, in the name of three callers.

Whatever is answered must be described: status, content type, headers and body. A 5xx fails, also one that is
described, save for what readiness says with 503. `/api/v1/events` is asked apart, since a stream has no end.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from multidict import CIMultiDict
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.installation import site_sections
from tests.acceptance.processes import Program, run
from tests.acceptance.simulated import Simulated
from tests.running import microsoft_options, write
from tests.torture.estate import AS_ADMIN, Estate, world
from tests.torture.figures import Figure
from tests.web.described import Reply, agrees

LONG, BOUNDED = 10_000, 1_000
_SETTINGS = Path(__file__).with_name("schemathesis.toml")
STREAMS = "/api/v1/events"
READINESS = ("/-/ready", "/readyz")
# The schema cannot say all that a request must be (one of two parameters, printable text, a file's version), so
# that something is refused which the schema allows is no finding.
_NO_CHECK = "positive_data_acceptance"
_TOOL_TRIPPED = "AST constructor recursion depth mismatch"
"""CPython 3.11's parser under Hypothesis, deep in its own stack: the request was never made."""


@dataclass(frozen=True)
class Caller:
    """Who calls; `examples` for each operation in the short form and in the long one."""

    name: str
    headers: Mapping[str, str]
    examples: tuple[int, int]


def figures(*, long: bool) -> Iterator[Figure]:
    """Ask until enough was answered; raises at the first answer that is not described, and for a 5xx."""
    wanted = LONG if long else BOUNDED
    with world() as simulated, TemporaryDirectory(prefix="sitebind-torture-") as folder:
        estate = _estate(Path(folder) / "daemon", simulated)
        with estate.start() as daemon:
            seed = 0
            while (counted := sum(_answered(estate).values())) < wanted:
                seed += 1
                for caller in _callers(estate):
                    _asked(estate, caller, seed, long=long)
            yield Figure(what="requests made up from the description", amount=f"{counted:,}", found=_by_code(estate))
            streams = 500 if long else 50
            yield Figure(what="event streams", amount=f"{streams:,}", found=_streams(estate, streams))
            _is_well(estate, daemon)


def _estate(folder: Path, simulated: Simulated) -> Estate:
    """Three sites, one of them with a directory; no limit of rate stands before what is to be tried."""
    estate = Estate.new(folder, simulated, rate_limit="0")
    sections = site_sections(simulated)
    write(estate.file("oslo"), {**sections, "account": microsoft_options(simulated)})
    return estate


def _callers(estate: Estate) -> Iterator[Caller]:
    """The reader's token comes last, in the place of all that the administrator made or may have revoked."""
    yield Caller("an administrator", AS_ADMIN, (22, 60))
    yield Caller("nobody", {}, (8, 20))
    for token in estate.api.ask("GET", "/api/v1/tokens", headers=AS_ADMIN).json["tokens"]:
        if token["id"].startswith("t-"):
            estate.api.ask("DELETE", f"/api/v1/tokens/{token['id']}", headers=AS_ADMIN)
    order = {"name": "reader", "scopes": ["read"]}
    secret = estate.api.ask("POST", "/api/v1/tokens", order, headers=AS_ADMIN).json["secret"]
    yield Caller("a reader", {"Authorization": f"Bearer {secret}"}, (8, 20))


def _asked(estate: Estate, caller: Caller, seed: int, *, long: bool) -> None:
    report = estate.folder.parent / "report.json"
    said = run(
        [
            Path(sys.executable).with_name("st"), "--config-file", _SETTINGS, "run", f"{estate.api.url}/openapi.json",
            *(word for name, value in caller.headers.items() for word in ("-H", f"{name}: {value}")),
            "--exclude-path", STREAMS, "--phases", "coverage,fuzzing,stateful" if long else "fuzzing,stateful",
            "--checks", "all", "--exclude-checks", _NO_CHECK, "--max-examples", str(caller.examples[long]),
            "--seed", str(seed), "--workers", "1", "--request-timeout", "60", "--continue-on-failure", "--no-shrink",
            "--no-color", "--warnings", "off", "--report", "json", "--report-json-path", report,
        ],
        cwd=estate.folder.parent,
        within=3600,
    )  # fmt: skip
    found = json.loads(report.read_text(encoding="utf-8"))
    tripped = [error for error in found["errors"] if _TOOL_TRIPPED in json.dumps(error)]
    assert not found["failures"], f"in the name of {caller.name}: {said.out}"
    assert len(tripped) == len(found["errors"]), f"in the name of {caller.name}: {said.out}"


def _answered(estate: Estate) -> dict[str, int]:
    """How many requests the daemon has answered, by route and code, as it counts them itself."""
    text = estate.api.ask("GET", "/metrics", headers=AS_ADMIN).text
    found: dict[str, int] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "sitebind_http_requests_total":
                key = f"{sample.labels['route']} {sample.labels['code']}"
                found[key] = found.get(key, 0) + int(sample.value)
    return found


def _by_code(estate: Estate) -> str:
    found: dict[str, int] = {}
    for key, count in _answered(estate).items():
        route, code = key.rsplit(" ", 1)
        assert not code.startswith("5") or (route in READINESS and code == "503"), f"{route} answered {code}"
        kind = "503 of readiness" if code == "503" else f"{code[0]}xx"
        found[kind] = found.get(kind, 0) + count
    return "every answer described; " + ", ".join(f"{count:,} × {kind}" for kind, count in sorted(found.items()))


def _streams(estate: Estate, number: int) -> str:
    """Ask for streams with sense and without it, and leave each after its head."""
    chance, callers = random.Random(1), tuple(_callers(estate))
    codes: dict[int, int] = {}
    for _ in range(number):
        status = _stream(estate, chance.choice(callers), chance)
        codes[status] = codes.get(status, 0) + 1
    return "every answer described; " + ", ".join(f"{count} × {code}" for code, count in sorted(codes.items()))


def _stream(estate: Estate, caller: Caller, chance: random.Random) -> int:
    values = ("", "0", "1", "-1", "999999999999999999", "9" * 40, "1e3", "berlin", "nowhere", "audit", "é\0", "１")
    names = ("site", "after", "only", "only", "other")
    query = "&".join(f"{name}={quote(chance.choice(values))}" for name in names if chance.random() < 0.3)
    headers = dict(caller.headers)
    if chance.random() < 0.3:
        headers["Last-Event-ID"] = chance.choice([value for value in values if value.isascii() and "\0" not in value])
    with closing(http.client.HTTPConnection("127.0.0.1", estate.port, timeout=60)) as connection:
        connection.request(chance.choice(("GET", "GET", "GET", "HEAD", "POST")), f"{STREAMS}?{query}", headers=headers)
        answer = connection.getresponse()
        streams = answer.headers.get_content_type() == "text/event-stream"
        text = "" if streams else answer.read().decode()
        method = str(answer._method)  # type: ignore[attr-defined]
        agrees(method, STREAMS, Reply(answer.status, CIMultiDict(answer.getheaders()), text))
    assert answer.status < 500, f"{STREAMS}?{query} answered {answer.status}"
    return answer.status


def _is_well(estate: Estate, daemon: Program) -> None:
    """No traceback in its log, the trail is whole, and it stops in order."""
    assert "Traceback" not in daemon.err, daemon.err[-4000:]
    assert estate.api.ask("GET", "/-/healthy").status == 200
    assert daemon.stop() == 0
    estate.verify()
