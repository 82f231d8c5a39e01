"""Access tokens of the simulated identity platform: JSON Web Tokens, signed by a key that lives as long as the sandbox.

Made by `identity.py`, checked by `graph.py` and by Exchange Online.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from daemon.sandbox.call import Call

LIFE: Final = 3599
"""Seconds for which a token is good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """Who calls, as a good token says it."""

    client_id: str
    tenant_id: str
    roles: frozenset[str]


class AccessTokens:
    """Makes and reads tokens."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def issue(self, claims: dict[str, Any], *, now: datetime) -> str:
        """Make a token with these claims, and the times of its life."""
        start = int(now.timestamp())
        # [gap] ours: HS256. The real ones are signed by a certificate; a client must not read them anyway.
        head = {"typ": "JWT", "alg": "HS256", "kid": "sandbox"}
        timed = {**claims, "iat": start, "nbf": start, "exp": start + LIFE}
        text = f"{_pack(head)}.{_pack(timed)}"
        return f"{text}.{self._sign(text)}"

    def bearer(self, call: Call, *, audience: str) -> Bearer | None:
        """Give the caller that the Authorization header's token names; None without a good one."""
        scheme, _, token = call.headers.get("Authorization", "").partition(" ")
        if scheme.casefold() != "bearer":
            return None
        return self.read(token.strip(), audience=audience, now=call.service_time)

    def read(self, token: str, *, audience: str, now: datetime) -> Bearer | None:
        """Give the caller of a good token; None for one that is forged, late or meant for somebody else."""
        text, _, signature = token.rpartition(".")
        if not text or not hmac.compare_digest(self._sign(text).encode(), signature.encode()):
            return None
        claims = _unpack(text.partition(".")[2])
        if claims.get("aud") != audience or not claims["nbf"] <= now.timestamp() < claims["exp"]:
            return None
        return Bearer(client_id=claims["appid"], tenant_id=claims["tid"], roles=frozenset(claims.get("roles", ())))

    def _sign(self, text: str) -> str:
        return _url_safe(hmac.digest(self._key, text.encode(), "sha256"))


def _pack(document: dict[str, Any]) -> str:
    return _url_safe(json.dumps(document, separators=(",", ":")).encode())


def _unpack(part: str) -> dict[str, Any]:
    """Read a part that we have signed, so that it is well formed."""
    document: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return document


def _url_safe(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
