"""A sandbox in a process of its own, `python -m bench.sandboxed`, and configurations of sites that bind to it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.processes import fetched, free_port, started, until
from daemon.sandbox import Sandbox, small_world
from daemon.sandbox.keys import Limits
from daemon.sandbox.world import DEMO_APPLICATION_ID, DEMO_APPLICATION_KEY, DEMO_EMAIL, DEMO_PASSWORD

HELD_OPEN = 3600.0
CALM_PACE = 40
PACE = 100
"""Sites a second, raised from 20: about twice what one core binds, so that work and not waiting is measured."""
OK = 200

DAEMON = """[daemon]
listen = 127.0.0.1:{port}
database = {folder}/sitebind.db
pace = {pace}
"""
SITE = """[account]
smtp_address = {email}
[binding]
service_url = {url}
trusted_suffixes = localhost
email = {email}
password = literal:{password}
application_id = {application}
application_key = literal:{key}
[connection]
ca_file = {ca}
"""


@dataclass(frozen=True, slots=True)
class Service:
    """Where the sandbox answers, and what to trust."""

    url: str
    ca: str

    def one_site(self, folder: Path) -> tuple[Path, int]:
        """A folder with one site; its configuration and the port it will listen on."""
        port = free_port()
        return _write(folder / "config.ini", _daemon(folder, port) + self._site()), port

    def many_sites(self, folder: Path, number: int) -> tuple[Path, int]:
        """A folder with so many sites; the directory to run and the port it will listen on."""
        port, sites = free_port(), folder / "sites"
        sites.mkdir(parents=True)
        _write(sites / "daemon.ini", _daemon(folder, port))
        for one in range(number):
            _write(sites / f"site-{one:04}.ini", self._site())
        return sites, port

    def calm(self, sites: Path) -> None:
        """Lower the pace of a folder of sites to one at which hardly two calls meet."""
        settings = sites / "daemon.ini"
        _write(settings, settings.read_text(encoding="utf-8").replace(f"pace = {PACE}", f"pace = {CALM_PACE}"))

    def _site(self) -> str:
        return SITE.format(
            email=DEMO_EMAIL,
            url=self.url,
            password=DEMO_PASSWORD,
            application=DEMO_APPLICATION_ID,
            key=DEMO_APPLICATION_KEY,
            ca=self.ca,
        )


def _daemon(folder: Path, port: int) -> str:
    return DAEMON.format(port=port, folder=folder, pace=PACE)


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


@contextmanager
def service(folder: Path, *, holds_binds_open: bool = False) -> Iterator[Service]:
    """Run a sandbox."""
    trouble = ["slow"] if holds_binds_open else []
    with started("-m", "bench.sandboxed", str(folder / "sandbox"), *trouble) as (_, line):
        yield Service(**json.loads(line))


@contextmanager
def daemon(configuration: Path) -> Iterator[int]:
    """Run sitebind; its process id. Its log goes beside the configuration."""
    log = configuration.parent / "daemon.log"
    command = ("-m", "daemon", "run", "--config", str(configuration))
    with started(*command, log=log, answers=False) as (pid, _):
        yield pid


def ready(port: int, *, sites: int = 1) -> bool:
    """Whether the process says that it is ready, with at least so many checks passed."""
    try:
        code, body = fetched(port, "/-/ready")
    except OSError:
        return False
    return code == OK and body.count(b"pass") >= sites


def bound(configuration: Path, port: int) -> None:
    """Bind the site and stop again, so that the database holds a bound site."""
    with daemon(configuration):
        until(lambda: ready(port), "the site is bound")


async def _serve(folder: Path, *, slow: bool) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    plenty = Limits(known=10**9, unknown=10**9)
    world = small_world(keys_per_user=10**6, limits=plenty, key_lifetime=None)
    async with Sandbox(directory=folder, world=world) as sandbox:
        if slow:
            sandbox.script.start("slow", seconds=HELD_OPEN)
        print(json.dumps({"url": sandbox.global_url, "ca": str(sandbox.ca_file)}), flush=True)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), slow="slow" in sys.argv[2:]))
