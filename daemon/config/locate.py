"""Where the configuration is. Called by every command, so that all of them mean the same one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

VARIABLE = "SITEBIND_CONFIG"
HERE = Path("config.ini")
SYSTEM = Path("/etc/sitebind/config.ini")


class NoConfiguration(Exception):
    """No configuration was named and none is in its usual places. `str()` says where it was looked for."""


def find_config(explicit: Path | None, environ: Mapping[str, str]) -> Path:
    """--config, else $SITEBIND_CONFIG, else ./config.ini, else /etc/sitebind/config.ini. Raises `NoConfiguration`.

    What was named is returned even when it is not there: reading it says so.
    """
    if explicit is not None:
        return explicit
    if environ.get(VARIABLE):
        return Path(environ[VARIABLE])
    for candidate in (HERE, SYSTEM):
        if candidate.exists():
            return candidate
    raise NoConfiguration(
        f"no configuration: neither ./{HERE} nor {SYSTEM} exists; name one with --config PATH or ${VARIABLE}, "
        "or start from config.example.ini"
    )
