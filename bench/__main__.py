"""`make bench`: every measurement that there is, as one table, and with `--write` as the page, its plot and the ratios.

`python -m bench rebind` runs only that one; `--quick` runs each once and briefly, to see that all of them work.
`--check` (`make bench-check`) holds what it finds against the stored ratios; what is worse is measured once more,
since a machine has moods, and fails only if it is worse again.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from bench import ratios
from bench.ratios import Stored
from bench.table import Row, shown

MODULES = (
    "durable", "verify", "rebind", "bind", "watching", "exposition", "start", "sites", "graph", "directory",
)  # fmt: skip


class Measure(Protocol):
    """Measures one module."""

    def __call__(self, name: str, *, quick: bool) -> list[Row]:
        """Its rows."""


def measured(name: str, *, quick: bool) -> list[Row]:
    """The rows of one module."""
    begin = time.perf_counter()
    found: list[Row] = importlib.import_module(f"bench.{name}").rows(quick=quick)
    print(f"measured {name} in {time.perf_counter() - begin:.0f} s", file=sys.stderr, flush=True)
    return found


def checked(
    names: Sequence[str], stored: Mapping[str, Stored], *, quick: bool, measure: Measure = measured
) -> tuple[list[Row], dict[str, str]]:
    """The rows of these modules, and in words what is worse than stored, twice in a row."""
    rows, faults = [], {}
    for name in names:
        found = measure(name, quick=quick)
        if ratios.regressions(found, stored):
            print(f"measuring {name} again: it looks worse than it was", file=sys.stderr, flush=True)
            again = measure(name, quick=quick)
            worse = ratios.regressions(found, stored)
            faults |= {row: said for row, said in ratios.regressions(again, stored).items() if row in worse}
        rows += found
    return rows, faults


def main() -> int:
    """Run the modules named on the command line, or all of them."""
    args = _arguments()
    begin, names = time.perf_counter(), args.modules or MODULES
    if args.check:
        stored = ratios.read()
        rows, faults = checked(names, stored, quick=args.quick)
        faults |= {} if args.modules else ratios.missing(rows, stored)
        print(shown(rows))
        print("\n".join(faults.values()) or "nothing is worse than it was", file=sys.stderr)
        return 1 if faults else 0
    rows = [row for name in names for row in measured(name, quick=args.quick)]
    print(shown(rows))
    if args.write:
        from bench import page  # noqa: PLC0415 - it wants what only the whole bench needs

        ratios.write(rows)
        page.write(rows, seconds=time.perf_counter() - begin)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", metavar="NAME", help=f"some of: {', '.join(MODULES)}")
    parser.add_argument("--quick", action="store_true", help="each measurement once and briefly")
    parser.add_argument("--check", action="store_true", help="fail where a ratio is worse than the stored one")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md, its plot and the ratios")
    args = parser.parse_args()
    unknown = [name for name in args.modules if name not in MODULES]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are: {', '.join(MODULES)}")
    if args.write and (args.quick or args.modules):
        parser.error("only a whole run is written: leave out --quick and the names")
    return args


if __name__ == "__main__":
    sys.exit(main())
