"""API tokens in SQLite, by their hashes: implements `daemon.ports.TokenStore` beside the journal."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from daemon.ports import ApiToken, JournalEntry, Scope
from daemon.store.chain import moment, whole
from daemon.store.connection import transaction
from daemon.store.journal import SqliteJournal

_COLUMNS = "id, name, scopes, digest, created_at, created_by, expires_at, last_used_at"


class SqliteTokens:
    """Uses the journal's connections, so that a change and its audit record are one transaction."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal

    async def all(self) -> list[ApiToken]:
        query = f"SELECT {_COLUMNS} FROM tokens ORDER BY created_at, id"  # noqa: S608 - a constant
        rows = await self._journal.read(lambda connection: connection.execute(query).fetchall())
        return [_token_of(row) for row in rows]

    async def add(self, token: ApiToken, *, entry: JournalEntry) -> None:
        await self._journal.append_with(entry, ("INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _row(token)))

    async def remove(self, token_id: str, *, entry: JournalEntry) -> None:
        await self._journal.append_with(entry, ("DELETE FROM tokens WHERE id = ?", (token_id,)))

    async def used(self, moments: Mapping[str, datetime]) -> None:
        rows = [(moment(at), token_id) for token_id, at in moments.items()]

        def work(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                connection.executemany("UPDATE tokens SET last_used_at = ? WHERE id = ?", rows)

        await self._journal.write(work)


def _row(token: ApiToken) -> tuple[Any, ...]:
    return (
        token.id,
        token.name,
        json.dumps(sorted(scope.value for scope in token.scopes)),
        token.digest,
        moment(token.created_at),
        whole(token.created_by),
        None if token.expires_at is None else moment(token.expires_at),
        None if token.last_used_at is None else moment(token.last_used_at),
    )


def _token_of(row: tuple[Any, ...]) -> ApiToken:
    token_id, name, scopes, digest, created_at, created_by, expires_at, last_used_at = row
    return ApiToken(
        id=token_id,
        name=name,
        scopes=frozenset(map(Scope, json.loads(scopes))),
        digest=digest,
        created_at=datetime.fromisoformat(created_at),
        created_by=created_by,
        expires_at=None if expires_at is None else datetime.fromisoformat(expires_at),
        last_used_at=None if last_used_at is None else datetime.fromisoformat(last_used_at),
    )
