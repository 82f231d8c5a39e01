"""Where the configuration is. Called by every command, so that all of them mean the same one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from daemon.config.textfile import is_absent

VARIABLE = "SITEBIND_CONFIG"
HERE = Path("config.ini")
SYSTEM = Path("/etc/sitebind/config.ini")


class NoConfiguration(Exception):
    """No configuration was named and none is in its usual places. `str()` says where it was looked for."""


def find_config(explicit: Path | None, environ: Mapping[str, str]) -> Path:
    """--config, else $SITEBIND_CONFIG, else ./config.ini, else /etc/sitebind/config.ini. Raises `NoConfiguration`.

    What was named is returned even when it is not there, and so is /etc/sitebind/config.ini in a folder that is closed
    to this user: reading it says so.
    """
    if explicit is not None:
        return explicit
    if environ.get(VARIABLE):
        return Path(environ[VARIABLE])
    if os.path.exists(HERE):  # noqa: PTH110 - Path.exists raises in a folder that is closed to this user
        return HERE
    if not is_absent(SYSTEM):
        return SYSTEM
    raise NoConfiguration(
        f"no configuration: neither ./{HERE} nor {SYSTEM} exists; name one with --config PATH or ${VARIABLE}, "
        "or start from config.example.ini"
    )
