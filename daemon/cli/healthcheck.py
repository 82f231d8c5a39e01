"""`sitebind healthcheck`: one question, answered by the exit code; for a container's HEALTHCHECK.

It answers with 0 and 1 only, an unreachable daemon and an unusable configuration included: container
runtimes know no other codes (Docker reserves 2), so this command does not use the other commands' codes.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from daemon.cli.exits import Exit, Failure
from daemon.cli.parser import Parser, add_url, seconds
from daemon.cli.place import client
from daemon.cli.terminal import plain


def add(root: Parser) -> None:
    """Add the command."""
    parser = root.command(
        "healthcheck",
        help="ask the daemon whether it is well; answers 0 or 1, as container runtimes want it",
        example='HEALTHCHECK CMD ["sitebind", "healthcheck"]\n\n'
        "exit code: 0 well, 1 anything else; not 3, 4 and 5 as other commands, since Docker knows 0 and 1 only",
        execute=execute,
    )
    parser.add_argument(
        "--ready", action="store_true", help="ask whether every site holds a binding, not only whether it runs"
    )
    parser.add_argument("--timeout", type=seconds, default=5.0, metavar="SECONDS", help="default: 5")
    add_url(parser)


def execute(args: argparse.Namespace) -> int:
    """Ask `/-/healthy` or `/-/ready`."""
    path = "/-/ready" if args.ready else "/-/healthy"
    try:
        answer = client(args).get(path, timeout=args.timeout or 0.001, expected=(200, 503))
    except Failure as failure:
        print(f"sitebind: {failure.text}", file=sys.stderr)
        return Exit.INTERNAL
    print(_one_line(answer.body))
    return Exit.WELL if answer.status == 200 else Exit.INTERNAL


def _one_line(health: dict[str, Any]) -> str:
    checks = [check for check in health.get("checks") or [] if check.get("status") != "pass"]
    said = "; ".join(f"{plain(check.get('name'))}: {plain(check.get('text'))}" for check in checks)
    return f"{plain(health.get('status'))}{': ' if said else ''}{said}"
