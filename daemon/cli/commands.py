"""Every command in one place, in the order in which `sitebind --help` lists them."""

from __future__ import annotations

import argparse
import platform

from daemon import __version__
from daemon.cli import (
    audit,
    backup,
    bind,
    check_config,
    demo,
    diagnostics,
    doctor,
    healthcheck,
    rebind,
    reload,
    resolve,
    restore,
    run,
    sandbox,
    status,
    token,
    unbind,
    vault,
)
from daemon.cli.exits import Exit
from daemon.cli.parser import Parser

_DESCRIPTION = "Binds a site to its Mimecast account, keeps it bound, and says exactly why when it is not."
_CODES = """exit codes:
  0 well (status: bound)   1 internal error        2 usage or configuration   3 not bound
  4 daemon not reachable   5 failed, or a check found something               6 not allowed

start here:
  sitebind demo            one site, bound to a simulated Mimecast on this machine
"""


def parser() -> Parser:
    """The whole command line."""
    root = Parser(prog="sitebind", description=_DESCRIPTION, epilog=_CODES)
    root.add_argument("--version", action="version", version=_version())
    commands = (
        run,
        demo,
        sandbox,
        check_config,
        status,
        doctor,
        diagnostics,
        bind,
        rebind,
        unbind,
        reload,
        resolve,
        audit,
        token,
        vault,
        backup,
        restore,
        healthcheck,
    )
    for command in commands:
        command.add(root)
    root.command("version", help="print the version", example="sitebind version", execute=_print_version)
    return root


def _print_version(_args: argparse.Namespace) -> int:
    print(_version())
    return Exit.WELL


def _version() -> str:
    return f"sitebind {__version__} (Python {platform.python_version()})"
