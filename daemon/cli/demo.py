"""`sitebind demo`: a daemon and a simulated Mimecast in one process, and what to try with them."""

from __future__ import annotations

import argparse
from pathlib import Path

from daemon.cli.exits import Exit, Failure
from daemon.cli.parser import Parser
from daemon.cli.sandbox import FOLDER


def add(root: Parser) -> None:
    """Add the command."""
    parser = root.command(
        "demo",
        help="watch one site go from its INI file to bound, against a simulated Mimecast on this machine",
        example="sitebind demo\n\nIt keeps its files in .demo/; Ctrl-C stops it. A configuration that you edited "
        "there is kept.",
        execute=execute,
    )
    parser.add_argument(
        "--directory", metavar="FOLDER", type=Path, default=FOLDER, help=f"its folder (default: {FOLDER})"
    )
    parser.add_argument("--listen", metavar="HOST:PORT", help="where sitebind answers (default: 127.0.0.1:8787)")
    parser.add_argument("--fresh", action="store_true", help="throw the folder's contents away and start anew")


def execute(args: argparse.Namespace) -> int:
    """Run until Ctrl-C."""
    if getattr(args, "config", None) is not None:
        raise Failure(
            "The demo makes its own configuration, so --config does not go with it.\n"
            "  Edit config.ini in its folder (--directory), or use: sitebind run --config PATH",
            Exit.USAGE,
        )
    import asyncio

    from daemon.cli.demo_show import run

    return asyncio.run(run(args.directory, listen=args.listen, fresh=args.fresh))
