"""Every call to SQLite: opening, statements, scripts, the reading of rows, closing; counted, and failed at the n-th."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, cast
from unittest import mock

from daemon.store import connection
from tests.torture.nth import Nth

ERRORS: Final = (
    ("SQLITE_IOERR_WRITE", "disk I/O error"),
    ("SQLITE_FULL", "database or disk is full"),
    ("SQLITE_BUSY", "database is locked"),
)
"""By turns."""


@contextmanager
def between(nth: Nth) -> Iterator[None]:
    """Stand between the store and SQLite: a connection opened meanwhile counts."""
    with mock.patch.object(connection, "OneHop", type("Counted", (_Counted,), {"nth": nth})):
        yield


class _Rows(sqlite3.Cursor):
    def fetchone(self) -> Any:
        return self.connection.nth.call("row", super().fetchone, self._failed)  # type: ignore[attr-defined]

    def fetchall(self) -> list[Any]:
        return self.connection.nth.call("rows", super().fetchall, self._failed)  # type: ignore[attr-defined,no-any-return]

    def _failed(self, number: int) -> sqlite3.OperationalError:
        """A statement whose step failed is reset, so that it holds on to no earlier state of the database."""
        self.close()
        return _error(number)


class _Counted(connection.OneHop):
    nth: Nth

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.nth.call("connect", partial(super().__init__, *arguments, **options), _error)

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        if sql is connection._CALL:
            return super().execute(sql, parameters)
        return self.nth.call(_verb(sql), lambda: self.cursor(_Rows).execute(sql, parameters), _error)

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        return self.nth.call(_verb(sql), partial(super().executemany, sql, parameters), _error)

    def executescript(self, sql: str, /) -> sqlite3.Cursor:
        return self.nth.call("script", partial(super().executescript, sql), _error)

    def close(self) -> None:
        """SQLite lets go of it whatever it answers."""
        number = self.nth.strikes("close")
        super().close()
        if number:
            raise _error(number)


def _verb(sql: str) -> str:
    return " ".join(sql.split()[:3])


def _error(number: int) -> sqlite3.OperationalError:
    name, text = ERRORS[number % len(ERRORS)]
    error = sqlite3.OperationalError(text)
    cast("Any", error).sqlite_errorname = name
    return error
