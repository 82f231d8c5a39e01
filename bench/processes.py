"""Processes that a measurement starts, asks and ends: ours, the sandbox, and the baselines."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

PATIENCE = 120.0
_POLL = 0.001
IDLE = 0.02
"""Processor seconds in a second."""


@contextmanager
def started(*command: str, log: Path | None = None, answers: bool = True) -> Iterator[tuple[int, str]]:
    """Run `python ARGUMENTS…`; its process id, and its first line on standard output where it `answers`.

    It is ended, and waited for, at the end. Standard error goes to `log`, or to ours.
    """
    errors = log.open("ab") if log else None
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline().strip() if answers else ""
        if answers and not line:
            raise RuntimeError(f"{' '.join(command)} ended with {process.wait()}")
        yield process.pid, line
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)
        if errors:
            errors.close()


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def until(true: Callable[[], bool], what: str) -> None:
    """Return as soon as it is `true`. Raises TimeoutError with `what` was waited for."""
    end = time.perf_counter() + PATIENCE
    while not true():
        if time.perf_counter() > end:
            raise TimeoutError(f"it never came true that {what}")
        time.sleep(_POLL)


def status(port: int, path: str) -> int:
    """The status of one GET; 0 while nobody listens."""
    try:
        return fetched(port, path)[0]
    except OSError:
        return 0


def fetched(port: int, path: str, *, method: str = "GET") -> tuple[int, bytes]:
    """Status and body of one request on a connection of its own."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def resident(pid: int) -> float:
    """Resident memory in KiB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return float(line.split()[1])
    raise ProcessLookupError(pid)


def peak() -> float:
    """The most memory that this process held so far, in MiB. Not from getrusage: that counts the parent's too."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return float(line.split()[1]) / 1024
    raise ProcessLookupError(os.getpid())


def spent(pid: int) -> float:
    """Processor seconds that the process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wake_ups(pid: int) -> int:
    """How often the threads of the process gave up the processor by themselves so far: each began with a wake-up."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    lines = [line for task in tasks for line in (task / "status").read_text(encoding="ascii").splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches:"))


def until_it_rests(pid: int) -> None:
    """Return when the process used less than a fiftieth of a processor for a second."""
    before = spent(pid)
    while True:
        time.sleep(1)
        now = spent(pid)
        if now - before < IDLE:
            return
        before = now
