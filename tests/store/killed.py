"""A command that is killed at one of its file operations or syncs, as by a power cut."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_SCRIPT = """
import os, signal, sys
from daemon.cli import main

folder, number, *command = sys.argv[1:]
count = 0

def moment():
    global count
    count += 1
    if count == int(number):
        os.kill(os.getpid(), signal.SIGKILL)

def watched(event, arguments):
    if event.startswith(("open", "os.", "sqlite3.")) and any(folder in str(one) for one in arguments):
        moment()

fsync = os.fsync
os.fsync = lambda file: (moment(), fsync(file), moment())
sys.addaudithook(watched)
sys.exit(main(command))
"""


def killed_at(number: int, folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `sitebind COMMAND` and kill it at the so many-th operation on something below `folder`, if it has so many."""
    words = [sys.executable, "-c", _SCRIPT, folder, number, *command]
    return subprocess.run(
        list(map(str, words)), capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"}
    )
