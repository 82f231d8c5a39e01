"""A folder with a configuration, and the daemon that an administrator would start there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from daemon.sandbox.world import DEMO_APPLICATION_ID, DEMO_APPLICATION_KEY, DEMO_EMAIL, DEMO_PASSWORD
from tests.acceptance.calls import Api
from tests.acceptance.processes import Program, Said, console_script, sitebind
from tests.acceptance.simulated import Simulated
from tests.running import ini, write

Sections = dict[str, dict[str, str]]


def site_sections(simulated: Simulated, *, password: str = DEMO_PASSWORD) -> Sections:
    """A site that signs in as the demo's administrator."""
    return {
        "binding": {
            "email": DEMO_EMAIL,
            "password": f"literal:{password}",
            "application_id": DEMO_APPLICATION_ID,
            "application_key": f"literal:{DEMO_APPLICATION_KEY}",
            "require": "none",
            "service_url": simulated.global_url,
            "trusted_suffixes": "localhost",
        },
        "connection": {"ca_file": str(simulated.ca_file)},
    }


@dataclass
class Installation:
    """One site in one configuration file. `sections` is what `save` writes."""

    folder: Path
    simulated: Simulated
    port: int
    sections: Sections = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sections = {
            "daemon": {"listen": f"127.0.0.1:{self.port}"},
            "site": {"display_name": "Head office"},
            **site_sections(self.simulated),
        }
        self.save()

    @property
    def config(self) -> Path:
        return self.folder / "config.ini"

    @property
    def database(self) -> Path:
        return self.folder / "sitebind.db"

    @property
    def api(self) -> Api:
        return Api(self.port)

    def text(self, changes: Mapping[str, Mapping[str, str]] | None = None) -> str:
        """The configuration's text, with these options changed in this text only."""
        changes = changes or {}
        names = dict.fromkeys((*self.sections, *changes))
        return ini({name: {**self.sections.get(name, {}), **changes.get(name, {})} for name in names})

    def save(self, **changes: Mapping[str, str]) -> None:
        """Change options for good and save the file as an editor does: whole, by a rename."""
        for section, options in changes.items():
            self.sections.setdefault(section, {}).update(options)
        write(self.config, self.sections)

    def start(self) -> Program:
        """Start the daemon and wait until it answers."""
        program = Program([*console_script(), "run", "--config", self.config], cwd=self.folder)
        program.line(rf"listening on {self.api.url}")
        return program

    def sitebind(self, *arguments: str | Path) -> Said:
        """Run a command about this installation to its end."""
        return sitebind(*arguments, "--config", self.config, cwd=self.folder)

    def sitebind_sandbox(self, *arguments: str) -> Said:
        """Steer the simulated Mimecast as a person does."""
        return sitebind("sandbox", *arguments, "--directory", self.simulated.folder, cwd=self.folder)
