"""`make bench`: every measurement that there is, as one table. `python -m bench durable` runs only that one."""

from __future__ import annotations

import importlib
import importlib.util
import sys

from bench.table import shown

MODULES = ("durable", "rebind", "exposition", "start")


def main() -> None:
    """Run the modules named on the command line, or all that exist."""
    wanted = sys.argv[1:] or [name for name in MODULES if importlib.util.find_spec(f"bench.{name}")]
    unknown = [name for name in wanted if name not in MODULES]
    if unknown:
        sys.exit(f"unknown: {', '.join(unknown)}; there are: {', '.join(MODULES)}")
    rows = []
    for name in wanted:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        rows.extend(importlib.import_module(f"bench.{name}").rows())
    print(shown(rows))


if __name__ == "__main__":
    main()
