"""Real proxies as processes on free ports of loopback: squid and tinyproxy, each in a folder of its own.

Each leaves for the service from an address of its own on loopback (`leaves_from`), so that a server can tell whether a
call came through it. `with` starts a proxy, waits until it listens, and stops it in order.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import ClassVar, Self

LONGEST = 30.0
"""Seconds after which a proxy that does not listen, or does not stop, is broken."""
_LOOK_AGAIN = 0.05
_SEARCHED = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


def program(name: str) -> str:
    """Where the command is. A missing part is an error: `tests/parts/install` brings it."""
    found = shutil.which(name, path=_SEARCHED)
    assert found is not None, f"{name} is not installed; run tests/parts/install"
    return found


def a_free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port: int = server.getsockname()[1]
        return port


class RealProxy(ABC):
    """What both have in common: a folder, a process, a log."""

    leaves_from: ClassVar[str]

    def __init__(self) -> None:
        self.port = a_free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="sitebind-proxy-"))
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """Write the configuration and give the command that runs with it, in the foreground."""

    @property
    def log(self) -> str:
        """What it wrote down about requests so far."""
        path = self.folder / "access.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Start on the same port as before."""
        with (self.folder / "said").open("ab") as said:
            self._process = subprocess.Popen(
                self.command(), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )
        end = time.monotonic() + LONGEST
        while not self._listens():
            assert time.monotonic() < end, f"does not listen: {self._story()}"
            self._pause()

    def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(LONGEST)
            finally:
                self._process.kill()
                self._process.wait()
                self._process = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=LONGEST).close()
        except ConnectionRefusedError:
            return False
        return True

    def _pause(self) -> None:
        """Until it ended, which it should not, or it is time to look again."""
        assert self._process is not None
        try:
            code = self._process.wait(_LOOK_AGAIN)
        except subprocess.TimeoutExpired:
            return
        raise AssertionError(f"ended with {code}: {self._story()}")

    def _story(self) -> str:
        return (self.folder / "said").read_text(errors="replace") + self.log


class Squid(RealProxy):
    """squid. `users`: name to password (Basic); none: no sign-in. `refuses`: hosts. `offers`: other schemes instead."""

    leaves_from = "127.0.0.77"
    _helpers = Path("/usr/lib/squid")

    def __init__(
        self, users: Mapping[str, str] | None = None, *, refuses: Sequence[str] = (), offers: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self.users = dict(users or {})
        self.refuses = tuple(refuses)
        self.offers = tuple(offers)
        # Shared memory is named after the service: two squids never meet, and what one leaves behind is found again.
        self._service = f"sb{uuid.uuid4().hex[:10]}"

    def command(self) -> list[str]:
        passwords = self.folder / "passwords"
        # The helper compares with the password's MD5 in hex, among others.
        lines = [f"{user}:{hashlib.md5(word.encode()).hexdigest()}\n" for user, word in self.users.items()]
        passwords.write_text("".join(lines))
        (self.folder / "squid.conf").write_text("\n".join(self._configuration(passwords)) + "\n")
        self._hand_over()
        return [program("squid"), "-N", "-n", self._service, "-f", str(self.folder / "squid.conf")]

    def stop(self) -> None:
        try:
            super().stop()
        finally:
            for left in Path("/dev/shm").glob(f"*{self._service}*"):
                left.unlink()

    def _configuration(self, passwords: Path) -> list[str]:
        schemes = [f"auth_param {scheme} program {self._helpers}/ntlm_fake_auth" for scheme in self.offers]
        if self.users:
            schemes += [
                f"auth_param basic program {self._helpers}/basic_ncsa_auth {passwords}",
                "auth_param basic children 1 startup=1",
                "auth_param basic realm sitebind tests",
                "auth_param basic casesensitive on",
            ]
        return [
            f"http_port 127.0.0.1:{self.port}",
            f"tcp_outgoing_address {self.leaves_from}",
            "dns_nameservers 127.0.0.1",
            "visible_hostname proxy.example.test",
            *schemes,
            *(["acl known proxy_auth REQUIRED"] if schemes else []),
            *(f"acl refused dstdomain {host}" for host in self.refuses),
            *(["http_access deny refused"] if self.refuses else []),
            f"http_access allow {'known' if schemes else 'all'}",
            "http_access deny all",
            "cache deny all",
            "cache_mem 4 MB",
            "max_filedescriptors 1024",
            "shutdown_lifetime 0 seconds",
            "pinger_enable off",
            "pid_filename none",
            "netdb_filename none",
            "logfile_rotate 0",
            f"coredump_dir {self.folder}",
            f"cache_log {self.folder}/cache.log",
            "logformat calls %>Hs %rm %ru %un",
            f"access_log stdio:{self.folder}/access.log calls",
        ]

    def _hand_over(self) -> None:
        """Started by root, squid works as the user `proxy`, who has to get at its files."""
        self.folder.chmod(0o755)
        if os.geteuid() == 0:
            who = pwd.getpwnam("proxy")
            for path in (self.folder, *self.folder.iterdir()):
                os.chown(path, who.pw_uid, who.pw_gid)

    def _story(self) -> str:
        cache_log = self.folder / "cache.log"
        return super()._story() + (cache_log.read_text(errors="replace") if cache_log.exists() else "")


class Tinyproxy(RealProxy):
    """tinyproxy, which answers wrong credentials with 401. `users` and `refuses` as with squid."""

    leaves_from = "127.0.0.78"

    def __init__(self, users: Mapping[str, str] | None = None, *, refuses: Sequence[str] = ()) -> None:
        super().__init__()
        self.users = dict(users or {})
        self.refuses = tuple(refuses)

    def command(self) -> list[str]:
        (self.folder / "refused").write_text("".join(f"^{host}$\n" for host in self.refuses))
        (self.folder / "tinyproxy.conf").write_text("\n".join(self._configuration()) + "\n")
        return [program("tinyproxy"), "-d", "-c", str(self.folder / "tinyproxy.conf")]

    def _configuration(self) -> list[str]:
        return [
            f"Port {self.port}",
            "Listen 127.0.0.1",
            f"Bind {self.leaves_from}",
            "Timeout 60",
            "MaxClients 100",
            "Allow 127.0.0.1",
            "DisableViaHeader Yes",
            "LogLevel Info",
            f'LogFile "{self.folder}/access.log"',
            f'PidFile "{self.folder}/pid"',
            *(f"BasicAuth {user} {word}" for user, word in self.users.items()),
            *([f'Filter "{self.folder}/refused"', "FilterExtended On"] if self.refuses else []),
        ]
