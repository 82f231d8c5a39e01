"""The machine of a run in words: what a reader needs to judge the numbers, and nothing that names a place."""

from __future__ import annotations

import os
import platform
import sqlite3
import ssl
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = (
    "aiohttp", "aiosqlite", "transitions", "prometheus-client", "asyncinotify", "cryptography",
    "fastapi", "uvicorn", "SQLAlchemy", "python-statemachine", "ldap3",
)  # fmt: skip


def described() -> list[tuple[str, str]]:
    """What and its value, in order."""
    return [
        ("processor", f"{_processor()}, {len(os.sched_getaffinity(0))} of its cores"),
        ("memory", f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"),
        ("kernel", f"{platform.system()} {platform.release()}"),
        ("file system of the databases", _file_system(Path(tempfile.gettempdir()))),
        ("Python", f"{platform.python_version()} ({platform.python_implementation()})"),
        ("SQLite, OpenSSL", f"{sqlite3.sqlite_version}, {ssl.OPENSSL_VERSION.split()[1]}"),
        ("libraries", ", ".join(_libraries())),
    ]


def _libraries() -> Iterator[str]:
    for name in LIBRARIES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            yield f"{name} (not installed)"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(folder: Path) -> str:
    """The kind of the file system that a folder lies on: that of the longest mount point above it."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    above = [mount for mount in mounts if folder.resolve().is_relative_to(mount[1])]
    return max(above, key=lambda mount: len(mount[1]))[2]
