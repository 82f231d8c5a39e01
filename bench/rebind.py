"""`POST /rebind`, accepted and durably recorded, per second: against bare aiohttp, and against the usual way.

The first is a handler with the same answer that does nothing for it, the second `bench.peer`, which does the same.
Daemon, baselines and load are processes of their own. The site's bind is held open by the sandbox, so that each
request joins it: what is measured is the whole way of an accepted request with its record on disk, not the
service's answers.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.load import load
from bench.processes import fetched, started, status, until
from bench.sandboxed import daemon, service
from bench.table import Row, against

CLIENTS = {1: "", 16: ">= 0.75", 64: ">= 0.75", 256: ""}
SECONDS = 0.6
USUAL = {16: ">= 15.00", 256: ">= 35.00"}
USUAL_SECONDS = 1.5
"""Longer: at 256 clients an answer takes it seconds."""


Measure = Callable[[], float]


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
            ours = f"http://127.0.0.1:{port}/rebind"
            return [*_against_bare(ours, body.decode(), quick=quick), *_against_usual(ours, Path(name), quick=quick)]


def _against_bare(ours: str, answer: str, *, quick: bool) -> Iterator[Row]:
    with started("-m", "bench.bare", "post", answer) as (_, port):
        for clients, goal in CLIENTS.items():
            rates = _rates(ours, port, clients, seconds=0.1 if quick else SECONDS)
            name = f"POST /rebind journalled, {clients} clients : bare aiohttp"
            yield against(name, *rates, goal=goal, rounds=1 if quick else 5)


def _against_usual(ours: str, folder: Path, *, quick: bool) -> Iterator[Row]:
    with started("-m", "bench.peer", str(folder / "peer.db")) as (_, port):
        # With 256 clients its first answer may take longer than a brief look.
        for clients, goal in list(USUAL.items())[: 1 if quick else None]:
            rates = _rates(ours, port, clients, seconds=0.3 if quick else USUAL_SECONDS)
            name = f"POST /rebind journalled, {clients} clients : FastAPI + SQLAlchemy"
            yield against(name, *rates, goal=goal, rounds=1 if quick else 5)


def _rates(ours: str, port: str, clients: int, *, seconds: float) -> tuple[Measure, Measure]:
    def rate(url: str) -> Measure:
        return lambda: load(url, clients=clients, seconds=seconds, method="POST").per_second

    return rate(ours), rate(f"http://127.0.0.1:{port}/rebind")


def _states(port: int) -> list[str]:
    return [site["state"] for site in json.loads(fetched(port, "/api/v1/sites")[1])["sites"]]
