"""`POST /rebind`, accepted and durably recorded, per second: against a bare aiohttp handler with the same answer.

Daemon, baseline and load are processes of their own. The site's bind is held open by the sandbox, so that each
request joins it: what is measured is the whole way of an accepted request with its record on disk, not the
service's answers.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from bench.load import load
from bench.processes import fetched, started, status, until
from bench.sandboxed import daemon, service
from bench.table import Row, against

CLIENTS = {1: "", 16: ">= 0.75", 64: ">= 0.75", 256: ""}
SECONDS = 0.6


def rows(*, quick: bool = False) -> list[Row]:
    """A row for each number of clients."""
    with (
        tempfile.TemporaryDirectory(prefix="sitebind-bench-") as name,
        service(Path(name), holds_binds_open=True) as at,
    ):
        configuration, port = at.one_site(Path(name) / "site")
        with daemon(configuration):
            until(lambda: status(port, "/-/healthy") == 200, "the daemon answers")
            until(lambda: _states(port) == ["binding"], "a bind is open")
            _, body = fetched(port, "/rebind", method="POST")
            with started("-m", "bench.bare", "post", body.decode()) as (_, theirs):
                return [
                    _row(f"http://127.0.0.1:{port}/rebind", f"http://127.0.0.1:{theirs}/rebind", clients, quick=quick)
                    for clients in CLIENTS
                ]


def _row(ours: str, theirs: str, clients: int, *, quick: bool) -> Row:
    def rate(url: str) -> float:
        return load(url, clients=clients, seconds=0.1 if quick else SECONDS, method="POST").per_second

    return against(
        f"POST /rebind journalled, {clients} clients : bare aiohttp",
        lambda: rate(ours),
        lambda: rate(theirs),
        goal=CLIENTS[clients],
        rounds=1 if quick else 5,
    )


def _states(port: int) -> list[str]:
    return [site["state"] for site in json.loads(fetched(port, "/api/v1/sites")[1])["sites"]]
