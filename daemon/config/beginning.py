"""What a start makes of the configuration: the [daemon] settings to run with, or why there is no start."""

from __future__ import annotations

from pathlib import Path

from daemon.config.ini import default_daemon, read_config
from daemon.config.model import DaemonSettings, Reading


class CannotStart(Exception):
    """The daemon cannot run with this configuration on this host. `str()` says why and what to do."""


def look(path: Path) -> tuple[Path, Reading]:
    """The path made absolute, and what is configured there. Blocks."""
    path = path.absolute()
    return path, read_config(path)


def usable_daemon(reading: Reading, path: Path) -> DaemonSettings:
    """The [daemon] settings to run with.

    A file that cannot be read at all, beside a database that exists, is a site whose configuration was lost
    while the daemon was down: it is served with the defaults, holding its binding, until the file is mended.
    """
    if reading.daemon is not None:
        return reading.daemon
    fallback = default_daemon(path)
    if not reading.problems and _exists(fallback.database):
        return fallback
    findings = "\n".join(f"  {problem}" for problem in reading.errors)
    raise CannotStart(f"the configuration cannot be used:\n{findings}")


def _exists(database: Path) -> bool:
    try:
        return database.exists()
    except OSError as error:
        reason = error.strerror or "the system refused"
    raise CannotStart(f"{database} cannot be looked at: {reason.lower()}. Mend the disk, or who may enter the folder.")
