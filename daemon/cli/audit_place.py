"""Which database a command means, and what keeps it from being read. Used by the commands that work on the file."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.cli.exits import Exit, Failure
from daemon.cli.parser import Parser
from daemon.cli.place import daemon_settings, existing_configuration


def add_database(parser: Parser) -> None:
    """`--database`, for the commands that work on the file."""
    parser.add_argument("--database", metavar="PATH", type=Path, help="default: [daemon] database of the configuration")


def database(args: argparse.Namespace) -> Path:
    """The database that is meant, which exists. Raises `Failure`."""
    path: Path | None = args.database
    if path is None:
        config = existing_configuration(args)
        path = daemon_settings(config, otherwise="Name the database with --database PATH.").database
    if not path.is_file():
        raise Failure(
            f"{path}: there is no such database. It is made when the daemon first runs; "
            "name another with --database PATH.",
            Exit.USAGE,
        )
    return path


@contextmanager
def readable() -> Iterator[None]:
    """What keeps the database from being read becomes a `Failure` in words."""
    import sqlite3

    from daemon.ports import JournalUnavailable

    try:
        yield
    except JournalUnavailable as error:
        raise Failure(str(error), Exit.FAILED) from None
    except sqlite3.Error as error:
        raise Failure(f"The database cannot be read: {error}.", Exit.FAILED) from None
