"""`make bench`: every measurement that there is, as one table.

`python -m bench rebind` runs only that one; `--quick` runs each once and briefly, to see that all of them work.
Nothing is asserted: a machine's mood must not fail a build.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import sys
import time

from bench.table import Row, shown

MODULES = ("durable", "rebind", "exposition", "start", "sites", "graph", "directory")


def measured(name: str, *, quick: bool) -> list[Row]:
    """The rows of one module."""
    rows = importlib.import_module(f"bench.{name}").rows
    # A module that is brief anyway has no quick way.
    found: list[Row] = rows(quick=quick) if "quick" in inspect.signature(rows).parameters else rows()
    return found


def main() -> None:
    """Run the modules named on the command line, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", metavar="NAME", help=f"some of: {', '.join(MODULES)}")
    parser.add_argument("--quick", action="store_true", help="each measurement once and briefly")
    args = parser.parse_args()
    unknown = [name for name in args.modules if name not in MODULES]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are: {', '.join(MODULES)}")
    rows = []
    for name in args.modules or MODULES:
        begin = time.perf_counter()
        rows += measured(name, quick=args.quick)
        print(f"measured {name} in {time.perf_counter() - begin:.0f} s", file=sys.stderr, flush=True)
    print(shown(rows))


if __name__ == "__main__":
    main()
