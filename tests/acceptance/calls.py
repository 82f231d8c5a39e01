"""Calls to a daemon's HTTP API the way any client makes them."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from multidict import CIMultiDict

from tests.acceptance.processes import LONGEST, until
from tests.web.described import Reply, agrees, is_described

Site = dict[str, Any]
Record = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class Api:
    """The API of the daemon on a port of this machine."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> Answer:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            payload = None if body is None else json.dumps(body)
            more = {} if body is None else {"Content-Type": "application/json"}
            connection.request(method, path, body=payload, headers={**more, **(headers or {})})
            answer = connection.getresponse()
            said = Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode())
        if is_described(path.partition("?")[0]):
            agrees(method, path.partition("?")[0], Reply(said.status, CIMultiDict(said.headers), said.text))
        return said

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status == 200, answer
        return answer.json

    def site(self, name: str = "default") -> Site:
        site: Site = self.get(f"/api/v1/sites/{name}")
        return site

    def sites(self) -> dict[str, Site]:
        return {site["id"]: site for site in self.get("/api/v1/sites")["sites"]}

    def binds(self, site: str = "default") -> list[dict[str, Any]]:
        binds: list[dict[str, Any]] = self.get(f"/api/v1/sites/{site}/binds")["binds"]
        return binds

    def reach(self, state: str, *, site: str = "default", within: float = LONGEST) -> Site:
        """Wait until the site is in that state."""
        return self.see(lambda now: now["state"] == state, f"{site} is {state}", site=site, within=within)

    def see(self, true: Callable[[Site], bool], why: str, *, site: str = "default", within: float = LONGEST) -> Site:
        """Wait until something is true of the site; also while the daemon does not know it yet."""

        def look() -> Site | None:
            answer = self.ask("GET", f"/api/v1/sites/{site}")
            return answer.json if answer.status == 200 and true(answer.json) else None

        return until(look, why, within=within)

    def rebind(self, site: str = "default") -> dict[str, Any]:
        """Ask for a bind and wait for its end; its report."""
        answer = self.ask("POST", f"/api/v1/sites/{site}/rebind?wait=40")
        assert answer.status in (200, 202), answer
        report: dict[str, Any] = self.get(answer.json["id"].join((f"/api/v1/sites/{site}/binds/", "")))
        assert report["state"] != "open", report
        return report

    def audit(self, *, site: str | None = None, after: int = 0) -> list[Record]:
        """Every record after that sequence number, page by page."""
        records: list[Record] = []
        only = f"&site={site}" if site else ""
        while True:
            page = self.get(f"/api/v1/audit?after={after}&limit=1000{only}")
            records += page["records"]
            if not page["records"]:
                return records
            after = page["next"]

    def audit_end(self) -> int:
        """The sequence number of the newest record."""
        return max((int(record["seq"]) for record in self.audit()), default=0)


def steps(records: list[Record]) -> list[tuple[str, str, str]]:
    """(event, before, after) of every record."""
    return [(record["event"], record["before"], record["after"]) for record in records]
