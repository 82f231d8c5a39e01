"""Processes for the acceptance tests: start one, wait for its lines or its end, and never leave one behind."""

from __future__ import annotations

import errno
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self, TypeVar

REPOSITORY = Path(__file__).resolve().parents[2]
LONGEST = 45.0
"""Seconds after which what was waited for has failed to come; generous, since others may use the machine too."""
_LOOK_AGAIN = 0.05

Seen = TypeVar("Seen")


def console_script() -> list[str]:
    """The installed `sitebind` beside this Python; where there is none, the module that it would call."""
    script = Path(sys.executable).with_name("sitebind")
    return [str(script)] if script.is_file() else [sys.executable, "-m", "daemon"]


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a started process gets: the scrubbed environment, and `sitebind` on its PATH."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    found = {} if len(console_script()) == 1 else {"PYTHONPATH": str(REPOSITORY)}
    return {**os.environ, **found, "PATH": path, **(more or {})}


def a_free_port() -> int:
    """A port that is free, and that the system gives to nobody by itself until a program listens there."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    while True:
        port = random.randint(first // 2, first - 1)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError as error:
            assert error.errno == errno.EADDRINUSE, error  # noqa: PT017 - the next one, then


def until(look: Callable[[], Seen | None], why: str, *, within: float = LONGEST) -> Seen:
    """Look until what is seen is true, and answer with it. For what cannot call us: files and APIs of others."""
    pause, end = threading.Event(), time.monotonic() + within
    while not (seen := look()):
        assert time.monotonic() < end, f"not within {within:.0f} s: {why}; last seen: {seen!r}"
        pause.wait(_LOOK_AGAIN)
    return seen


@dataclass(frozen=True)
class Said:
    """What a command that has ended left behind."""

    code: int
    out: str
    err: str


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    typed: str = "",
    within: float = 60,
) -> Said:
    """Run any command to its end; `typed` is its standard input."""
    ended = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment(env),
        input=typed,
        capture_output=True,
        text=True,
        timeout=within,
        check=False,  # the exit code is what the tests look at
    )
    return Said(ended.returncode, ended.stdout, ended.stderr)


def sitebind(*arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Said:
    """Run a command of `sitebind` to its end."""
    return run([*console_script(), *arguments], cwd=cwd, env=env)


class Program:
    """A process that runs beside the test. Leaving the `with` block kills what still runs."""

    def __init__(
        self, command: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        self._changed = threading.Condition()
        self._lines: dict[str, list[str]] = {"out": [], "err": []}
        self._process = subprocess.Popen(
            [str(word) for word in command],
            cwd=cwd,
            env=environment({"PYTHONUNBUFFERED": "1", **(env or {})}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        streams = {"out": self._process.stdout, "err": self._process.stderr}
        self._readers = [
            threading.Thread(target=self._read, args=(name, stream), name=f"reads {name}", daemon=True)
            for name, stream in streams.items()
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._close()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    @property
    def out(self) -> str:
        """Everything it printed so far."""
        return "".join(self._lines["out"])

    @property
    def err(self) -> str:
        """Everything it logged and complained so far."""
        return "".join(self._lines["err"])

    def line(self, pattern: str, *, after: int = 0, within: float = LONGEST) -> re.Match[str]:
        """Wait for a line of either stream that has `pattern` in it. `after`: look past so many characters."""
        wanted, end = re.compile(pattern, re.MULTILINE), time.monotonic() + within
        with self._changed:
            while True:
                found = wanted.search(self.out, after) or wanted.search(self.err, after)
                if found:
                    return found
                left = end - time.monotonic()
                assert left > 0, f"no line {pattern!r} within {within:.0f} s.{self._story()}"
                assert self.runs or any(reader.is_alive() for reader in self._readers), (
                    f"ended with {self._process.returncode} before a line {pattern!r}.{self._story()}"
                )
                self._changed.wait(min(left, 0.5))

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def ended(self, *, within: float = LONGEST) -> int:
        """Wait for its end; the exit code."""
        try:
            code = self._process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs after {within:.0f} s.{self._story()}") from None
        self._close()
        return code

    def stop(self, *, within: float = LONGEST) -> int:
        """SIGTERM, as systemd does it; the exit code."""
        self.send(signal.SIGTERM)
        return self.ended(within=within)

    def kill(self) -> None:
        """SIGKILL: nothing in it gets a word in."""
        self._process.kill()
        assert self.ended() == -signal.SIGKILL

    def _read(self, name: str, stream: IO[str]) -> None:
        for line in stream:
            with self._changed:
                self._lines[name].append(line)
                self._changed.notify_all()

    def _close(self) -> None:
        for reader in self._readers:
            reader.join(timeout=5)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _story(self) -> str:
        return f"\n--- printed:\n{self.out}\n--- complained:\n{self.err}"
