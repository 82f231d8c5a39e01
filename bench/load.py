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
from dataclasses import dataclass
from statistics import median
from urllib.parse import urlsplit

WARM_UP = 0.15
"""Seconds of asking before counting: connections, caches and the first bind are not what is measured."""
PATIENCE = 30.0

LENGTH = b"content-length:"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one burst of load saw: answers a second, and the median of their latency in seconds."""

    per_second: float
    latency: float


def load(url: str, *, clients: int, seconds: float, method: str = "GET") -> Loaded:
    """Load `url` from a process of its own. Raises RuntimeError when an answer was not a 2xx."""
    command = [sys.executable, "-m", "bench.load", method, url, str(clients), str(seconds)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=seconds + PATIENCE)
    if done.returncode:
        raise RuntimeError(f"the load on {url} failed: {done.stderr or done.stdout}")
    return Loaded(**json.loads(done.stdout))


class _Tally:
    """Shared by the clients of one burst."""

    def __init__(self) -> None:
        self.counting = False
        self.latencies: list[float] = []
        self.wrong: bytes | None = None


class _Client(asyncio.Protocol):
    def __init__(self, request: bytes, tally: _Tally) -> None:
        self._request = request
        self._tally = tally
        self._asked = 0.0
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        data = self._held + data
        if not _complete(data):
            self._held = data
            return
        self._held = b""
        now, tally = time.perf_counter(), self._tally
        if tally.counting:
            tally.latencies.append(now - self._asked)
        if not data.startswith(b"HTTP/1.1 2"):
            tally.wrong = tally.wrong or data
        self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:
            self._tally.wrong = self._tally.wrong or repr(error).encode()

    def _ask(self) -> None:
        self._asked = time.perf_counter()
        self._transport.write(self._request)


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


async def _burst(url: str, *, clients: int, seconds: float, method: str) -> Loaded:
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    request = f"{method} {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    if method == "POST":
        request += "Content-Length: 0\r\n"
    request += "\r\n"
    tally = _Tally()
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: _Client(request.encode(), tally), parts.hostname, parts.port)
        for _ in range(clients)
    ]
    await asyncio.sleep(WARM_UP)
    begin, tally.counting = time.perf_counter(), True
    await asyncio.sleep(seconds)
    tally.counting = False
    took = time.perf_counter() - begin
    for transport, _ in made:
        transport.abort()
    if tally.wrong is not None or not tally.latencies:
        sys.exit(f"not a good answer: {tally.wrong!r}")
    return Loaded(per_second=len(tally.latencies) / took, latency=median(tally.latencies))


def main() -> None:
    """METHOD URL CLIENTS SECONDS; prints what was seen as JSON."""
    method, url, clients, seconds = sys.argv[1:]
    seen = asyncio.run(_burst(url, clients=int(clients), seconds=float(seconds), method=method))
    print(json.dumps({"per_second": seen.per_second, "latency": seen.latency}))


if __name__ == "__main__":
    main()
