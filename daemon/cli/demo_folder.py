"""The demo's folder: its configuration, its token, and the ports that they name. Used by `sitebind demo` only."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from daemon.cli.demo_account import microsoft_account
from daemon.cli.exits import Exit, Failure
from daemon.cli.sandbox import HOSTS, PORT
from daemon.config.ini import read_config
from daemon.config.model import DaemonSettings
from daemon.sandbox.world import DEMO_APPLICATION_ID, DEMO_APPLICATION_KEY, DEMO_EMAIL, DEMO_PASSWORD

LISTEN: Final = "127.0.0.1:8787"
_LAST_PORT: Final = 65_535
_MICROSOFT: Final = 4
"""Which of the sandbox's ports is Microsoft's cloud."""

_MARK: Final = ".made-by-sitebind-demo"
_SERVICE: Final = re.compile(r"^\s*service_url\s*[=:]\s*(\S*)", re.MULTILINE)
_LISTEN_LINE: Final = re.compile(r"^listen\s*[=:].*$", re.MULTILINE)
_SANDBOX_URL: Final = re.compile(r"https://(?:localhost|127\.0\.0\.1):(\d{1,5})/?")
# A value is taken as it stands; the comment says what is true of this machine only.
_CONFIG: Final = """\
# The configuration of sitebind's demo. Edit it while the demo runs: it is read again when it is saved.
# Every option there is stands in config.example.ini, with its default.

[daemon]
listen = {listen}
database = sitebind.db
# Reading and rebinding need no token on this machine; everything else will.
api_token = file:api-token
# The demo prints every transition itself; set info to see the log as well.
log_level = warning

[site]
id = default
display_name = Demo site

# The Microsoft side: the mailbox account, and where addresses and groups resolve.
[account]
{account}

[binding]
authentication_type = cloud
email = {email}
# Change it at the service (sitebind sandbox set-password ...), then here. In earnest, use file:PATH.
password = literal:{password}
application_id = {application_id}
application_key = literal:{application_key}
# The simulated Mimecast. Without these two lines the site would bind to the real one.
service_url = https://localhost:{port}
trusted_suffixes = localhost
# Short, so that there is something to see. In earnest, leave the defaults: 15m and 3.
verify_every = 10s
lost_after = 1

[connection]
# The simulated Mimecast has a certificate authority of its own.
ca_file = sandbox/ca.pem
"""


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """Where the demo's files lie; they outlive it, so that an edited configuration is still there next time."""

    path: Path

    @property
    def config(self) -> Path:
        """The configuration to edit."""
        return self.path / "config.ini"

    @property
    def token_file(self) -> Path:
        """The API token, readable by its owner only."""
        return self.path / "api-token"

    @property
    def sandbox(self) -> Path:
        """The sandbox's own files."""
        return self.path / "sandbox"

    def clear(self) -> None:
        """Throw everything away, if it is the demo's. Raises `Failure` where it may be somebody else's."""
        if self.path.exists() and any(self.path.iterdir()):
            if not (self.path / _MARK).is_file():
                raise Failure(
                    f"{self.path} was not made by the demo, so it is not emptied. Name another --directory.",
                    Exit.USAGE,
                )
            shutil.rmtree(self.path)

    def prepare(self, *, listen: str | None) -> int:
        """Make what is missing; answers the first of the sandbox's ports. Raises `Failure`, OSError."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.config.exists():
            text = self.config.read_text(encoding="utf-8-sig", errors="replace")
            first = _first_port(text, self.config)
            self._change_listen(text, listen)
        else:
            first = _free_ports()
            self._write_config(listen or LISTEN, first)
        if not self.token_file.exists():
            _write(self.token_file, secrets.token_urlsafe(32) + "\n")
        (self.path / _MARK).touch()
        return first

    def daemon_settings(self) -> DaemonSettings | None:
        """The [daemon] settings as they stand; None when they cannot be used, which the daemon then says."""
        return read_config(self.config).daemon

    def token(self) -> str:
        """The token that `prepare` made, or what was put there since."""
        return self.token_file.read_text(encoding="utf-8").strip()

    def _write_config(self, listen: str, port: int) -> None:
        text = _CONFIG.format(
            listen=listen,
            port=port,
            account=microsoft_account(f"https://localhost:{port + _MICROSOFT}"),
            email=DEMO_EMAIL,
            password=DEMO_PASSWORD,
            application_id=DEMO_APPLICATION_ID,
            application_key=DEMO_APPLICATION_KEY,
        )
        _write(self.config, text)

    def _change_listen(self, text: str, listen: str | None) -> None:
        """`--listen` was said, so it wins over the file, and is kept there for the other commands."""
        if listen is None:
            return
        changed, count = _LISTEN_LINE.subn(f"listen = {listen}", text, count=1)
        if not count:
            raise Failure(f"{self.config} has no line `listen = …` under [daemon] to change.", Exit.USAGE)
        _write(self.config, changed)


def refuse_a_taken_port(settings: DaemonSettings, *, config: Path) -> None:
    """Say early and clearly that something else listens where sitebind would. Raises `Failure`."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    if settings.port == 0 or _is_free(settings.port, host=settings.host, family=family):
        return
    raise Failure(
        f"{settings.host}:{settings.port} is in use by another program, or not an address of this machine.\n"
        f"  It is where {config} lets sitebind listen. Stop that program, or take another port: "
        "sitebind demo --listen 127.0.0.1:8788",
        Exit.USAGE,
    )


def _first_port(text: str, config: Path) -> int:
    """The sandbox's first port, as an existing configuration names it."""
    found = _SERVICE.search(text)
    url = _SANDBOX_URL.fullmatch(found[1]) if found else None
    port = int(url[1]) if url else 0
    # For API 2.0 the configuration names the sandbox's third host.
    first = port - 2 if re.search(r"^\s*authentication_type\s*[=:]\s*application\s*$", text, re.MULTILINE) else port
    if 0 < first <= _LAST_PORT - (HOSTS - 1):
        return first
    raise Failure(
        f"{config}: [binding] service_url does not name the simulated Mimecast, and the demo binds to nothing "
        f"else.\n  Write `service_url = https://localhost:{PORT}` there, or start anew: sitebind demo --fresh",
        Exit.USAGE,
    )


def _free_ports() -> int:
    """The first of as many free ports in a row as the sandbox takes; the usual ones where they are free."""
    for first in range(PORT, PORT + 100, 10):
        if all(_is_free(port) for port in range(first, first + HOSTS)):
            return first
    raise Failure(f"No {HOSTS} free ports in a row were found from {PORT} to {PORT + 99} for the sandbox.", Exit.USAGE)


def _is_free(port: int, *, host: str = "127.0.0.1", family: int = socket.AF_INET) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
