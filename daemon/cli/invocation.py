"""How sitebind was started, so that the commands which the demo prints work as they are printed."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path


def invocation() -> str:
    """`sitebind`, `.venv/bin/sitebind`, or `python -m daemon`: quoted for a shell in the same folder."""
    program = sys.argv[0] if sys.argv else ""
    if Path(program).name != "sitebind":
        return f"{_from_here(sys.executable)} -m daemon"
    found = shutil.which("sitebind")
    if found is not None and os.path.realpath(found) == os.path.realpath(program):
        return "sitebind"
    return _from_here(program)


def _from_here(program: str) -> str:
    """The shortest way to name a program from the current folder."""
    path = Path(program).absolute()
    here = Path.cwd()
    if path.is_relative_to(here):
        path = path.relative_to(here)
        return shlex.quote(str(path) if len(path.parts) > 1 else f"./{path}")
    return shlex.quote(str(path))
