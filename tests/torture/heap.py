"""What a running daemon has allocated and not given back, as its allocators count it.

What the kernel calls resident also holds what they keep for later use: arenas that are free in part, and so grow in
steps and seldom shrink. A leak shows here, and at once.

`python -m tests.torture.heap FILE run --config …` is `sitebind run`, which writes it into `FILE` at each SIGUSR2.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from daemon.cli import main
from tests.acceptance.processes import REPOSITORY, Program, until


@dataclass(frozen=True, slots=True, kw_only=True)
class Heap:
    """`blocks` of Python's own allocator, and the KiB that the C library has handed out, all arenas together."""

    blocks: float
    kib: float


class _Mallinfo2(ctypes.Structure):
    """glibc's `struct mallinfo2`, in its order: mallinfo(3)."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    )  # fmt: skip


def here() -> Heap:
    """Of this process, once the garbage is collected."""
    gc.collect()
    ask = ctypes.CDLL(None).mallinfo2
    ask.restype = _Mallinfo2
    told = ask()
    return Heap(blocks=sys.getallocatedblocks(), kib=(told.uordblks + told.hblkhd) / 1024)


def command(file: Path) -> list[str | Path]:
    """What stands before `run` on the command line of a daemon that is to be asked."""
    return [sys.executable, "-m", "tests.torture.heap", file]


ENVIRONMENT = {"PYTHONPATH": str(REPOSITORY)}


def of(program: Program, file: Path) -> Heap:
    """Ask it. Raises AssertionError if it does not answer."""
    file.unlink(missing_ok=True)
    program.send(signal.SIGUSR2)
    until(file.exists, f"it says what its heap holds {program.err}")
    return Heap(**json.loads(file.read_text(encoding="ascii")))


def _tell(file: Path) -> None:
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    draft.write_text(json.dumps(asdict(here())), encoding="ascii")
    draft.replace(file)


if __name__ == "__main__":
    told_to = Path(sys.argv.pop(1))
    signal.signal(signal.SIGUSR2, lambda *_: _tell(told_to))
    sys.exit(main())
