"""The API's bearer tokens: made, found by their hash, revoked. Kept by a `daemon.ports.TokenStore`.

Called by `daemon.engine.access` for the running daemon, and by `sitebind token --database` without one.
A token is 256 random bits; a fast hash is enough, since there is nothing to guess.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from daemon.engine.operations import Caller
from daemon.ports import ApiToken, Clock, JournalEntry, Scope, Secret, TokenStore

PREFIX: Final = "sitebind_"
"""Begins every token, so that scanners for leaked secrets, and people, recognise one."""
RANDOM_BYTES: Final = 32
MOST_TOKENS: Final = 200
MOST_OF_A_NAME: Final = 2
"""Two valid at once: the new one is rolled out while the old one still works, then the old one is revoked."""
LONGEST_LIFE: Final = timedelta(days=3660)
GRANTABLE: Final = (Scope.READ, Scope.OPERATE, Scope.ADMIN, Scope.METRICS)

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


class TokenRefused(Exception):
    """A token cannot be made so. `str()` says why and what to do; `field` names what was wrong with the order."""

    def __init__(self, text: str, *, field: str = "") -> None:
        super().__init__(text)
        self.field = field


class UnknownToken(LookupError):
    """No token has this id. `args[0]` is the id."""


def digest_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def new_token() -> Secret:
    """A token that nobody has."""
    return Secret(PREFIX + secrets.token_urlsafe(RANDOM_BYTES))


class TokenBook:
    """Every token in memory, so that a request costs no look into the database; changes go to the store first."""

    def __init__(self, store: TokenStore, *, clock: Clock, make: Callable[[], Secret] = new_token) -> None:
        self._store = store
        self._clock = clock
        self._make = make
        self._by_digest: dict[str, ApiToken] = {}
        self._used: dict[str, datetime] = {}
        self._turn = asyncio.Lock()

    async def load(self) -> None:
        """Read what is stored. Raises `JournalUnavailable`."""
        self._by_digest = {token.digest: token for token in await self._store.all()}

    def __len__(self) -> int:
        return len(self._by_digest)

    def find(self, digest: str) -> ApiToken | None:
        """The token with this hash, also an expired one."""
        # The dictionary compares hashes of 256 random bits: how long it takes tells nothing about a token.
        found = self._by_digest.get(digest)
        return found if found is not None and hmac.compare_digest(found.digest, digest) else None

    def note_use(self, token: ApiToken) -> None:
        """It was used now. Written by the next `flush`."""
        self._used[token.id] = self._clock.now()

    def all(self) -> list[ApiToken]:
        """Every token, oldest first, with its last use."""
        tokens = sorted(self._by_digest.values(), key=lambda token: (token.created_at, token.id))
        return [replace(token, last_used_at=self._used.get(token.id, token.last_used_at)) for token in tokens]

    async def flush(self) -> None:
        """Write when tokens were used. Raises `JournalUnavailable`; then nothing is forgotten."""
        used = {token.id: self._used[token.id] for token in self._by_digest.values() if token.id in self._used}
        if not used:
            return
        await self._store.used(used)
        for token in list(self._by_digest.values()):
            if token.id in used:
                self._by_digest[token.digest] = replace(token, last_used_at=used[token.id])
        self._used = {key: at for key, at in self._used.items() if used.get(key) != at}

    async def create(
        self, name: str, scopes: frozenset[Scope], *, lifetime: timedelta | None, caller: Caller
    ) -> tuple[ApiToken, Secret]:
        """A new token and its only copy. Raises `TokenRefused`, `JournalUnavailable`."""
        async with self._turn:
            return await self._create(name, scopes, lifetime=lifetime, caller=caller)

    async def _create(
        self, name: str, scopes: frozenset[Scope], *, lifetime: timedelta | None, caller: Caller
    ) -> tuple[ApiToken, Secret]:
        now, secret = self._clock.now(), self._make()
        self._check(name, scopes, lifetime=lifetime, at=now)
        token = ApiToken(
            id=f"t-{secrets.token_hex(4)}",
            name=name,
            scopes=scopes,
            digest=digest_of(secret.reveal()),
            created_at=now,
            created_by=caller.actor,
            expires_at=None if lifetime is None else now + lifetime,
        )
        await self._store.add(token, entry=_entry("token_created", token, caller, at=now))
        self._by_digest[token.digest] = token
        return token, secret

    async def revoke(self, token_id: str, *, caller: Caller) -> ApiToken:
        """End a token. Raises `UnknownToken`, `JournalUnavailable`; with the latter it still works."""
        async with self._turn:
            token = next((token for token in self.all() if token.id == token_id), None)
            if token is None:
                raise UnknownToken(token_id)
            await self._store.remove(token.id, entry=_entry("token_revoked", token, caller, at=self._clock.now()))
            self._by_digest.pop(token.digest, None)
            self._used.pop(token.id, None)
            return token

    def _check(self, name: str, scopes: frozenset[Scope], *, lifetime: timedelta | None, at: datetime) -> None:
        if not _NAME.fullmatch(name):
            raise TokenRefused("a name is 1 to 63 of letters, digits, '.', '_' and '-'", field="name")
        if not scopes or not scopes <= set(GRANTABLE):
            raise TokenRefused(f"scopes are one or more of {', '.join(s.value for s in GRANTABLE)}", field="scopes")
        if lifetime is not None and not timedelta(0) < lifetime <= LONGEST_LIFE:
            raise TokenRefused("a token lives for a second at least and ten years at most", field="expires_in")
        valid = [token.id for token in self._by_digest.values() if token.name == name and token.is_valid(at)]
        if len(valid) >= MOST_OF_A_NAME:
            raise TokenRefused(
                f"there are two valid tokens named {name!r} already ({', '.join(sorted(valid))}), enough to change "
                "from the old to the new one; revoke one of them first, or choose another name"
            )
        if len(self._by_digest) >= MOST_TOKENS:
            raise TokenRefused(f"there are {MOST_TOKENS} tokens already; revoke those that expired or are unused")


def _entry(event: str, token: ApiToken, caller: Caller, *, at: datetime) -> JournalEntry:
    expires = None if token.expires_at is None else token.expires_at.isoformat(timespec="seconds")
    return JournalEntry(
        at=at,
        site="",
        actor=caller.actor,
        event=event,
        before="",
        after="",
        request_id=caller.request_id,
        detail={
            "token": token.id,
            "name": token.name,
            "scopes": sorted(scope.value for scope in token.scopes),
            "expires_at": expires,
        },
    )
