"""One daemon with several sites, as an administrator starts it, bound to a simulated Mimecast that outlives it."""

from __future__ import annotations

import os
import platform
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from daemon.sandbox import small_world
from daemon.sandbox.keys import Limits
from tests.acceptance.calls import Answer, Api
from tests.acceptance.installation import site_sections
from tests.acceptance.processes import Program, Said, a_free_port, console_script, sitebind, until
from tests.acceptance.simulated import Simulated
from tests.running import write

SITES = ("berlin", "oslo", "quito")
TOKEN = "an-administrators-token-for-the-proof-under-fire"
PATIENCE = 240.0
"""Seconds for a start: more than any takes, also where everybody else works too."""
AS_ADMIN = {"Authorization": f"Bearer {TOKEN}"}


@contextmanager
def world() -> Iterator[Simulated]:
    """A service that lets one user hold as many bindings as a long run leaves behind."""
    with TemporaryDirectory(prefix="sitebind-torture-") as folder:
        mimecast = small_world(keys_per_user=100_000, limits=Limits(known=1_000_000, unknown=1_000_000))
        with Simulated(Path(folder), mimecast) as running:
            yield running


@dataclass
class Estate:
    """A folder with `daemon.ini`, one file per site and the database. `port` is where it answers."""

    folder: Path
    simulated: Simulated
    port: int
    sites: tuple[str, ...] = SITES

    @classmethod
    def new(cls, folder: Path, simulated: Simulated, **daemon: str) -> Estate:
        """Write the configuration."""
        estate = cls(folder, simulated, a_free_port())
        folder.mkdir(exist_ok=True)
        write(folder / "daemon.ini", {"daemon": {
            "listen": f"127.0.0.1:{estate.port}", "api_token": f"literal:{TOKEN}", **daemon,
        }})  # fmt: skip
        for site in estate.sites:
            write(estate.file(site), {"site": {"display_name": f"{site} 0"}, **site_sections(simulated)})
        return estate

    def file(self, site: str) -> Path:
        return self.folder / f"{site}.ini"

    @property
    def database(self) -> Path:
        return self.folder / "sitebind.db"

    @property
    def api(self) -> Api:
        return Api(self.port)

    def begin(self, *before: str | Path, env: Mapping[str, str] | None = None) -> Program:
        """Start it and wait for nothing. `before` runs it: strace with its options, say."""
        return Program([*before, *console_script(), "run", "--config", self.folder], cwd=self.folder, env=env)

    def start(self, *before: str | Path, env: Mapping[str, str] | None = None, within: float = PATIENCE) -> Program:
        """Start it and wait until it is ready: every site has a configuration and holds a binding."""
        program = self.begin(*before, env=env)
        program.line(rf"listening on {self.api.url}", within=within)
        until(self.is_ready, f"ready{program.out}{program.err}", within=within)
        return program

    def restart(self) -> tuple[Program, float]:
        """Start it again after whatever was done to it; the seconds until it was ready."""
        begin = time.perf_counter()
        return self.start(), time.perf_counter() - begin

    def is_ready(self) -> bool:
        return self.api.ask("GET", "/-/ready").status == 200

    def rebind(self, site: str = SITES[0]) -> Answer:
        """Ask for a bind and wait for its end, or hear why not."""
        return self.api.ask("POST", f"/api/v1/sites/{site}/rebind?wait=40", headers=AS_ADMIN)

    def problems(self, site: str = SITES[0]) -> set[str]:
        return {problem["code"] for problem in self.api.site(site)["problems"]}

    def sitebind(self, *arguments: str | Path) -> Said:
        """Run a command about it to its end."""
        return sitebind(*arguments, "--config", self.folder, cwd=self.folder)

    def verify(self) -> None:
        """`sitebind audit verify`, as an administrator does it."""
        said = self.sitebind("audit", "verify", "--database", self.database)
        assert said.code == 0, said


def machine(folder: Path) -> str:
    """What the figures were counted on."""
    return (
        f"{os.cpu_count()} cores, {file_system(folder)}, Linux {platform.release().partition('-')[0]}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )


def file_system(folder: Path, mounts: Sequence[str] | None = None) -> str:
    """The type of the file system under a folder."""
    lines = mounts or Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    under = [line.split()[1:3] for line in lines]
    place = max((at for at, _ in under if folder.resolve().is_relative_to(at)), key=len)
    return next(kind for at, kind in reversed(under) if at == place)
