"""`POST /api/v1/backups`: records a backup that was made of the database. No byte of it travels."""

from __future__ import annotations

import re
from typing import Any, Final

from aiohttp import web

from daemon.engine.operations import Operations
from daemon.ports import Backup
from daemon.web.answers import answer
from daemon.web.auth import caller
from daemon.web.errors import HttpProblem
from daemon.web.requests import json_object

_FIELDS: Final = ("file", "records", "last", "head")
_LONGEST: Final = 4096
_HIGHEST: Final = 2**53 - 1
_HASH: Final = re.compile(r"[0-9a-f]{64}")


class BackupHandlers:
    """Takes note of backups."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def record(self, request: web.Request) -> web.Response:
        """200 with the number of the audit record."""
        backup = _backup(await json_object(request, fields=_FIELDS))
        return answer({"seq": await self._operations.record_backup(backup, caller=caller(request))})


def _backup(body: dict[str, Any]) -> Backup:
    file, head = body.get("file"), body.get("head")
    if not isinstance(file, str) or not 0 < len(file) <= _LONGEST or not file.isprintable():
        raise _bad("file", f"must be a path of printable text, {_LONGEST} characters at most")
    if not isinstance(head, str) or _HASH.fullmatch(head) is None:
        raise _bad("head", "must be 64 hexadecimal digits in small letters")
    return Backup(file=file, records=_number(body, "records"), last=_number(body, "last"), head=head)


def _number(body: dict[str, Any], field: str) -> int:
    value = body.get(field)
    if type(value) is not int or not 0 <= value <= _HIGHEST:
        raise _bad(field, "must be a whole number from 0 on")
    return value


def _bad(field: str, why: str) -> HttpProblem:
    return HttpProblem(400, "bad-field", f"{field}: {why}.", field=field)
