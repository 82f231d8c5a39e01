"""What the simulated service has handed out: access keys (API 1.0), tokens (API 2.0), and their allowances.

Pure data and functions: time and chance are handed in. Held by `world.py`, used by the two APIs.
"""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

Chance = Callable[[int], bytes]
TOKEN_LIFE: Final = timedelta(seconds=1799)
_REMEMBER_EXPIRED: Final = timedelta(hours=1)


class TooManyKeys(Exception):
    """The user already holds as many bindings as the service allows; an existing one has to be refreshed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An allowance after a call; `reset_ms` is milliseconds until it is given back."""

    limit: int
    remaining: int
    reset_ms: int
    exceeded: bool


@dataclass(slots=True, kw_only=True)
class Allowance:
    """So many calls per interval; the recordings show 800 for a known key and 5000 for an unknown one."""

    limit: int
    interval: timedelta
    used: int = 0
    ends_at: datetime | None = None

    def spend(self, now: datetime) -> Standing:
        """Count one call made at `now`."""
        if self.ends_at is None or not self.ends_at - self.interval <= now < self.ends_at:
            self.used, self.ends_at = 0, now + self.interval
        self.used += 1
        left = self.limit - self.used
        reset = max(1, int((self.ends_at - now) / timedelta(milliseconds=1)))
        return Standing(limit=self.limit, remaining=max(0, left), reset_ms=reset, exceeded=left < 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many calls each caller has per interval."""

    known: int = 800
    unknown: int = 5000
    interval: timedelta = timedelta(seconds=5)

    def for_known(self) -> Allowance:
        """Give a fresh allowance for one access key or token."""
        return Allowance(limit=self.known, interval=self.interval)

    def for_unknown(self) -> Allowance:
        """Give the allowance shared by every call without a known key."""
        return Allowance(limit=self.unknown, interval=self.interval)


@dataclass(slots=True, kw_only=True)
class AccessKey:
    """A binding of API 1.0. `epoch` says which troubles are older than its last sign-in; see `script.py`."""

    access_key: str
    secret: bytes = field(repr=False)
    address: str
    application_id: str
    issued_at: datetime
    expires_at: datetime | None
    epoch: int
    allowance: Allowance

    @property
    def secret_key(self) -> str:
        """The secret as it travels: base64."""
        return base64.b64encode(self.secret).decode()

    def expired(self, now: datetime) -> bool:
        """Whether the key needs a refresh at `now`."""
        return self.expires_at is not None and now >= self.expires_at


@dataclass(slots=True, kw_only=True)
class KeyRing:
    """Every access key. `lifetime` None: keys never expire. An expired key counts until it is logged out."""

    chance: Chance
    limits: Limits
    lifetime: timedelta | None
    per_user: int
    _keys: dict[str, AccessKey] = field(default_factory=dict)
    _held: dict[str, int] = field(default_factory=dict)

    def issue(self, address: str, application_id: str, *, now: datetime, epoch: int) -> AccessKey:
        """Make a binding; raises `TooManyKeys` at the user's limit."""
        held = self._held.get(address, 0)
        if held >= self.per_user:
            raise TooManyKeys
        key = AccessKey(
            access_key=base64.b64encode(self.chance(48)).decode(),
            secret=self.chance(48),
            address=address,
            application_id=application_id,
            issued_at=now,
            expires_at=self._end(now),
            epoch=epoch,
            allowance=self.limits.for_known(),
        )
        self._keys[key.access_key] = key
        self._held[address] = held + 1
        return key

    def refresh(self, key: AccessKey, *, now: datetime, epoch: int) -> None:
        """Extend a binding from `now` on; the pair of keys stays the same."""
        key.expires_at, key.epoch = self._end(now), epoch

    def find(self, access_key: str) -> AccessKey | None:
        """Look a key up, expired or not."""
        return self._keys.get(access_key)

    def revoke(self, key: AccessKey) -> None:
        """Forget one key for good."""
        if self._keys.pop(key.access_key, None) is not None:
            self._held[key.address] -= 1

    def revoke_all(self) -> int:
        """Forget every key for good; answers how many there were."""
        gone = len(self._keys)
        self._keys.clear()
        self._held.clear()
        return gone

    def __iter__(self) -> Iterator[AccessKey]:
        return iter(self._keys.values())

    def _end(self, now: datetime) -> datetime | None:
        return None if self.lifetime is None else now + self.lifetime


@dataclass(slots=True, kw_only=True)
class Token:
    """A bearer token of API 2.0."""

    value: str = field(repr=False)
    client_id: str
    expires_at: datetime
    epoch: int
    allowance: Allowance


@dataclass(slots=True, kw_only=True)
class TokenBook:
    """Every token that is valid or expired within the last hour, so that "expired" differs from "unknown"."""

    chance: Chance
    limits: Limits
    _tokens: dict[str, Token] = field(default_factory=dict)
    _order: deque[Token] = field(default_factory=deque)

    def issue(self, client_id: str, *, now: datetime, epoch: int) -> Token:
        """Make a token that lives for `TOKEN_LIFE`."""
        while self._order and self._order[0].expires_at + _REMEMBER_EXPIRED <= now:
            self._tokens.pop(self._order.popleft().value, None)
        token = Token(
            value=base64.urlsafe_b64encode(self.chance(36)).decode(),
            client_id=client_id,
            expires_at=now + TOKEN_LIFE,
            epoch=epoch,
            allowance=self.limits.for_known(),
        )
        self._tokens[token.value] = token
        self._order.append(token)
        return token

    def find(self, value: str) -> Token | None:
        """Look a token up, expired or not."""
        return self._tokens.get(value)

    def revoke_all(self) -> int:
        """Forget every token; answers how many there were."""
        gone = len(self._tokens)
        self._tokens.clear()
        self._order.clear()
        return gone
