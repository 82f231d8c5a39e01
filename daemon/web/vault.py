"""`POST /api/v1/vault/rekey`: for who may administer. No key ever travels: a new one is named by reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from aiohttp import web

from daemon.config.model import SecretSource
from daemon.config.problems import BadValue
from daemon.config.values import secret_source
from daemon.engine.operations import Operations
from daemon.ports import Rekeyed
from daemon.web.answers import Json, answer
from daemon.web.auth import caller
from daemon.web.errors import HttpProblem
from daemon.web.requests import json_object

_KINDS: Final = ("file", "credential", "env")


class VaultHandlers:
    """Changes the vault's key."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def rekey(self, request: web.Request) -> web.Response:
        """200 when every record is sealed anew."""
        body = await json_object(request, fields=("new_key",))
        done = await self._operations.rekey_vault(caller=caller(request), source=_source(body.get("new_key")))
        return answer(rekeyed_json(done))


def rekeyed_json(done: Rekeyed) -> Json:
    """What was done; keys by their ids."""
    return {
        "records": done.records,
        "old_key": done.old_key,
        "new_key": done.new_key,
        "not_opened": list(done.left),
        "notes": list(done.late),
    }


def _source(given: Any) -> SecretSource | None:
    if given is None:
        return None
    if isinstance(given, str) and given.partition(":")[0] in _KINDS:
        try:
            source = secret_source(given, Path())
        except BadValue as error:
            raise _bad(str(error)) from None
        if source.kind != "file" or Path(source.where).is_absolute():
            return source
    # What was sent is not repeated: it may be a key.
    raise _bad("must be file: and a whole path, credential: or env: and a name")


def _bad(why: str) -> HttpProblem:
    return HttpProblem(400, "bad-field", f"new_key: {why}.", field="new_key")
