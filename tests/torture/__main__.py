"""`make torture`: every harm in its long form; what was counted goes into `docs/reliability.md`.

`python -m tests.torture kill` runs one; `--bounded` runs what the tests run, and writes nothing.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Iterable

from tests.torture.figures import Figure, rewrite

MODULES: tuple[str, ...] = (
    "kills",
    "power",
    "disks",
    "clocks",
    "descriptors",
    "journals",
    "soak",
    "api",
    "rude",
    "parsers",
    "calls",
)
"""The modules beside this one; each has `figures(*, long: bool) -> Iterable[Figure]` and raises a broken promise."""


def counted(module: str, *, long: bool) -> list[Figure]:
    """Run one module and show its figures as they come."""
    found: Iterable[Figure] = importlib.import_module(f"tests.torture.{module}").figures(long=long)
    shown = []
    for figure in found:
        sys.stdout.write(f"{figure.row}\n")
        sys.stdout.flush()
        shown.append(figure)
    return shown


def main() -> None:
    """Run the modules named on the command line, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", metavar="NAME", help=f"some of: {', '.join(MODULES)}")
    parser.add_argument("--bounded", action="store_true", help="as the tests do; nothing is written")
    args = parser.parse_args()
    unknown = [name for name in args.modules if name not in MODULES]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are: {', '.join(MODULES)}")
    for module in args.modules or MODULES:
        begin = time.perf_counter()
        found = counted(module, long=not args.bounded)
        if not args.bounded:
            rewrite(module, found)
        sys.stderr.write(f"{module}: {time.perf_counter() - begin:.0f} s\n")


if __name__ == "__main__":
    main()
