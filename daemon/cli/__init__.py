"""The command line: `sitebind COMMAND`. Mostly a client of the daemon's own HTTP API.

`main` is the console script; `python -m daemon` calls it too.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

from daemon.cli.commands import parser
from daemon.cli.exits import INTERRUPTED, PIPE_CLOSED, Exit, Failure

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and answer with its exit code; see `daemon.cli.exits`."""
    try:
        code = _execute(argv)
        sys.stdout.flush()
    except Failure as failure:
        print(f"sitebind: {failure.text}", file=sys.stderr)
        return failure.code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _leave_the_pipe()
        return PIPE_CLOSED
    except PermissionError as error:
        # A file of the daemon's, looked for by somebody else. What the commands write has words of its own.
        where = error.filename if error.filename is not None else "a file"
        advice = "Type it as root or as the daemon's user."
        print(f"sitebind: {where}: this user may not get at it ({error.strerror}). {advice}", file=sys.stderr)
        return Exit.USAGE
    except Exception:  # noqa: BLE001 - the last line of defence: it is reported, and becomes the exit code
        traceback.print_exc()
        print("sitebind: this is a defect; please report the lines above.", file=sys.stderr)
        return Exit.INTERNAL
    return code


def _execute(argv: Sequence[str] | None) -> int:
    root = parser()
    try:
        args = root.parse_args(argv)
    except SystemExit as end:  # argparse leaves with what it has printed: help, version, or an error
        return end.code if isinstance(end.code, int) else Exit.WELL
    if not hasattr(args, "execute"):
        root.print_help(sys.stderr)
        return Exit.USAGE
    code: int = args.execute(args)
    return code


def _leave_the_pipe() -> None:
    """Whoever read our output has gone; the interpreter must not fail once more when it flushes at exit."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)
