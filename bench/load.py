"""The load: clients that ask over and over on kept connections. A process of its own, `python -m bench.load`.

Each client is a bare `asyncio.Protocol` that sends the same bytes again as soon as an answer is complete, so
that the servers and never the load are what is measured.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from urllib.parse import urlsplit

WARM_UP = 0.15
"""Seconds of asking before counting: connections, caches and the first bind are not what is measured."""
PATIENCE = 30.0

LENGTH = b"content-length:"
GOOD = (b"HTTP/1.1 2", b"HTTP/1.0 2")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one burst of load saw: answers a second, and the median of their latency in seconds."""

    per_second: float
    latency: float


def load(url: str, *, clients: int, seconds: float, method: str = "GET", fresh: bool = False) -> Loaded:
    """Load `url` from a process of its own, on kept connections or on a `fresh` one for each request.

    Raises RuntimeError when an answer was not a 2xx.
    """
    command = [sys.executable, "-m", "bench.load", method, url, str(clients), str(seconds)]
    if fresh:
        command.append("fresh")
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=seconds + PATIENCE)
    if done.returncode:
        raise RuntimeError(f"the load on {url} failed: {done.stderr or done.stdout}")
    return Loaded(**json.loads(done.stdout))


class _Client(asyncio.Protocol):
    """Asks on one connection for ever, or on a `fresh` one each time."""

    def __init__(self, burst: _Burst) -> None:
        self._burst = burst
        self._asked = 0.0
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._burst.open.add(transport)
        if not self._burst.fresh:
            self._asked = time.perf_counter()
        self._ask()

    def data_received(self, data: bytes) -> None:
        data = self._held + data
        if not _complete(data):
            self._held = data
            return
        self._held = b""
        self._burst.answered(data, time.perf_counter() - self._asked)
        if self._burst.fresh:
            self._transport.abort()
            self._burst.connect()
        else:
            self._asked = time.perf_counter()
            self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        self._burst.open.discard(self._transport)
        if error is not None:
            self._burst.wrong = self._burst.wrong or repr(error)

    def began(self, at: float) -> None:
        """The answer's time runs from here: a fresh connection is part of it."""
        self._asked = at

    def _ask(self) -> None:
        self._transport.write(self._burst.request)


class _Burst:
    """What the clients of one burst share."""

    def __init__(self, url: str, *, method: str, fresh: bool) -> None:
        parts = urlsplit(url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        length = "Content-Length: 0\r\n" if method == "POST" else ""
        close = "Connection: close\r\n" if fresh else ""
        self.request = f"{method} {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{length}{close}\r\n".encode()
        self.fresh = fresh
        self.open: set[asyncio.Transport] = set()
        self.wrong = ""
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._counting = False
        self._counted = asyncio.Event()
        self._latencies: list[float] = []
        self._connecting: set[asyncio.Task[None]] = set()

    def connect(self) -> None:
        """Let one more client begin."""
        task = asyncio.create_task(self._connected(), name="connect")
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connected(self) -> None:
        client = _Client(self)
        client.began(time.perf_counter())
        try:
            await asyncio.get_running_loop().create_connection(lambda: client, self._host, self._port)
        except OSError as error:
            self.wrong = self.wrong or repr(error)

    def answered(self, data: bytes, seconds: float) -> None:
        """One answer is complete."""
        if self._counting:
            self._latencies.append(seconds)
            self._counted.set()
        if not data.startswith(GOOD):
            self.wrong = self.wrong or repr(data[:300])

    async def run(self, *, clients: int, seconds: float) -> Loaded:
        """Load for so long."""
        for _ in range(clients):
            self.connect()
        await asyncio.sleep(WARM_UP)
        begin, self._counting = time.perf_counter(), True
        await asyncio.sleep(seconds)
        # A burst that is shorter than one answer takes on a busy machine would count nothing.
        with suppress(TimeoutError):
            await asyncio.wait_for(self._counted.wait(), PATIENCE / 2)
        self._counting = False
        took = time.perf_counter() - begin
        for task in tuple(self._connecting):
            task.cancel()
        for transport in tuple(self.open):
            transport.abort()
        if self.wrong or not self._latencies:
            sys.exit(f"not a good answer: {self.wrong or 'none at all'}")
        return Loaded(per_second=len(self._latencies) / took, latency=median(self._latencies))


def _complete(data: bytes) -> bool:
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = data[:end].lower()
    at = head.find(LENGTH)
    if at < 0:  # chunked
        return data.endswith(b"0\r\n\r\n")
    length = int(head[at + len(LENGTH) :].split(b"\r\n", 1)[0])
    return len(data) >= end + 4 + length


def main() -> None:
    """METHOD URL CLIENTS SECONDS [fresh]; prints what was seen as JSON."""
    method, url, clients, seconds, *fresh = sys.argv[1:]
    burst = _Burst(url, method=method, fresh=bool(fresh))
    seen = asyncio.run(burst.run(clients=int(clients), seconds=float(seconds)))
    print(json.dumps({"per_second": seen.per_second, "latency": seen.latency}))


if __name__ == "__main__":
    main()
