"""`sitebind run`: the daemon in the foreground, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse

from daemon.cli.parser import Parser
from daemon.cli.place import configuration


def add(root: Parser) -> None:
    """Add the command."""
    root.command(
        "run",
        help="run the daemon in the foreground; it stops in order at SIGTERM or Ctrl-C",
        example="sitebind run --config /etc/sitebind/config.ini\n\n"
        "SIGHUP reads the configuration again. exit code: 0 after an orderly stop, 2 when it could not start",
        execute=execute,
    )


def execute(args: argparse.Namespace) -> int:
    """Run until told to stop. A site's bad file does not keep the daemon from starting; a bad [daemon] does."""
    path = configuration(args)
    import asyncio
    import gc

    # What is imported stays for good: to look for garbage in it again and again is a tenth of the time that it takes.
    gc.disable()
    from daemon.app import serve

    gc.enable()
    return asyncio.run(serve(path))
