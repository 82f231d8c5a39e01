"""The sandbox's own HTTP API under `/sandbox/` on the global host: what is going on, and trouble on request.

Called by `sitebind sandbox ...`, by `curl`, and by tests. A web page must not steer it, so a foreign Host and
any Origin are refused. No answer holds a password, a secret or a whole access key.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from daemon.sandbox.call import Answer
from daemon.sandbox.script import LONGEST, Active, BadTrouble, Trouble
from daemon.sandbox.world import ROLES

if TYPE_CHECKING:
    from daemon.sandbox.cloud import Traffic
    from daemon.sandbox.keys import AccessKey
    from daemon.sandbox.world import User, World

_OURSELVES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_LARGEST_BODY: Final = 65_536
_YEAR: Final = 365 * LONGEST


class BadRequest(ValueError):
    """The request to the control makes no sense; the text says what would."""


class Control:
    """The handlers; every one is a function of a JSON object."""

    def __init__(self, *, world: World, traffic: Traffic) -> None:
        self._world = world
        self._traffic = traffic
        self._script = traffic.script
        self._routes: dict[tuple[str, str], Callable[[dict[str, Any]], dict[str, object]]] = {
            ("GET", "/sandbox/state"): self._state,
            ("GET", "/sandbox/troubles"): self._troubles,
            ("POST", "/sandbox/trouble"): self._trouble,
            ("POST", "/sandbox/heal"): self._heal,
            ("POST", "/sandbox/password"): self._password,
            ("POST", "/sandbox/role"): self._role,
            ("POST", "/sandbox/revoke"): self._revoke,
            ("POST", "/sandbox/lifetime"): self._lifetime,
        }

    def answer(self, method: str, path: str, *, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer one request: 403 to strangers, 404, 405, and 400 with a text for nonsense."""
        if _host(headers.get("Host", "")) not in _OURSELVES or "Origin" in headers:
            return _error(403, "The sandbox is steered from this machine only, and never by a web page.")
        handle = self._routes.get((method, path))
        if handle is None:
            known = sorted(" ".join(route) for route in self._routes)
            status = 405 if any(path == route[1] for route in self._routes) else 404
            return _error(status, f"There is no {method} {path[:80]}; there are: {', '.join(known)}.")
        try:
            return Answer(body=handle(_object(body)))
        except (BadRequest, BadTrouble) as wrong:
            return _error(400, str(wrong))

    def _state(self, _asked: dict[str, Any]) -> dict[str, object]:
        ring = self._world.keys
        return {
            "troubles": self._active(),
            "accounts": [
                {
                    "code": account.code,
                    "name": account.name,
                    "region": account.region,
                    "domains": account.domains,
                }
                for account in self._world.accounts.values()
            ],
            "users": [_shown_user(user) for user in self._world.users.values()],
            "keys": [_shown_key(key) for key in ring],
            "key_lifetime_seconds": None if ring.lifetime is None else ring.lifetime.total_seconds(),
            "keys_per_user": ring.per_user,
            "calls": dict(self._traffic.calls),
            "now": _time(self._traffic.now()),
        }

    def _troubles(self, _asked: dict[str, Any]) -> dict[str, object]:
        return {
            "troubles": [
                {
                    "name": trouble.label,
                    "help": trouble.explanation,
                    "endpoints": sorted(endpoint.value for endpoint in trouble.endpoints),
                    "seconds": trouble.seconds,
                }
                for trouble in Trouble
            ]
        }

    def _trouble(self, asked: dict[str, Any]) -> dict[str, object]:
        _only(asked, "name", "times", "seconds", "endpoint")
        times, seconds, endpoint = asked.get("times"), asked.get("seconds"), asked.get("endpoint")
        if times is not None and (not isinstance(times, int) or isinstance(times, bool)):
            raise BadRequest("times must be a whole number.")
        if endpoint is not None and not isinstance(endpoint, str):
            raise BadRequest("endpoint must be a text.")
        length = None if seconds is None else _number(seconds, "seconds")
        self._script.start(_text(asked, "name"), times=times, seconds=length, endpoint=endpoint)
        return {"active": self._active()}

    def _heal(self, asked: dict[str, Any]) -> dict[str, object]:
        _only(asked, "name")
        name = None if asked.get("name") is None else _text(asked, "name")
        return {"healed": list(self._script.heal(name)), "active": self._active()}

    def _password(self, asked: dict[str, Any]) -> dict[str, object]:
        _only(asked, "email", "password")
        user = self._user(asked)
        self._world.set_password(user.address, _text(asked, "password"))
        return {"user": _shown_user(user)}

    def _role(self, asked: dict[str, Any]) -> dict[str, object]:
        _only(asked, "email", "role")
        user, role = self._user(asked), asked.get("role")
        if role not in ROLES:
            raise BadRequest(f"role must be one of: {', '.join(repr(known) for known in ROLES)}.")
        user.role = role
        return {"user": _shown_user(user)}

    def _revoke(self, asked: dict[str, Any]) -> dict[str, object]:
        _only(asked)
        return {
            "revoked_keys": self._world.keys.revoke_all(),
            "revoked_tokens": self._world.tokens.revoke_all(),
        }

    def _lifetime(self, asked: dict[str, Any]) -> dict[str, object]:
        _only(asked, "seconds")
        if "seconds" not in asked:
            raise BadRequest("seconds is needed: a number, or null for keys that never expire.")
        seconds = None if asked["seconds"] is None else _number(asked["seconds"], "seconds")
        if seconds is not None and not 0 < seconds <= _YEAR:
            raise BadRequest("seconds must lie between 0 and a year, or be null for keys that never expire.")
        self._world.keys.lifetime = None if seconds is None else timedelta(seconds=seconds)
        return {"key_lifetime_seconds": seconds}

    def _user(self, asked: dict[str, Any]) -> User:
        address = _text(asked, "email")
        user = self._world.user(address)
        if user is None:
            known = ", ".join(one.address for one in list(self._world.users.values())[:20])
            raise BadRequest(f"there is no user {address[:80]!r}; there are: {known}.")
        return user

    def _active(self) -> list[dict[str, object]]:
        return [_shown_trouble(active) for active in self._script.active.values()]


def _shown_trouble(active: Active) -> dict[str, object]:
    return {
        "name": active.trouble.label,
        "endpoints": sorted(endpoint.value for endpoint in active.endpoints),
        "remaining": active.remaining,
        "seconds": active.seconds if active.trouble.seconds is not None else None,
        "strikes": active.strikes,
    }


def _shown_user(user: User) -> dict[str, object]:
    return {
        "email": user.address,
        "account": user.account_code,
        "role": user.role,
        "locked": user.locked,
        "two_step": user.two_step,
        "password_expired": user.password_expired,
        "authentication_types": [kind.value for kind in user.authentication_types],
    }


def _shown_key(key: AccessKey) -> dict[str, object]:
    return {
        "key": f"{key.access_key[:8]}…",
        "email": key.address,
        "application_id": key.application_id,
        "issued_at": _time(key.issued_at),
        "expires_at": None if key.expires_at is None else _time(key.expires_at),
    }


def _time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _host(value: str) -> str:
    """Cut the port off a Host header."""
    if value.startswith("["):
        return value.partition("]")[0] + "]"
    return value.partition(":")[0].casefold()


def _object(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    if len(body) > _LARGEST_BODY:
        raise BadRequest("the body is larger than 64 KiB.")
    try:
        document = json.loads(body)
    except ValueError:
        raise BadRequest("the body is not JSON.") from None
    if not isinstance(document, dict):
        raise BadRequest("the body must be a JSON object.")
    return document


def _only(asked: dict[str, Any], *known: str) -> None:
    unknown = sorted(set(asked) - set(known))
    if unknown:
        raise BadRequest(f"unknown field {unknown[0][:60]!r}; known here: {', '.join(known) or 'none'}.")


def _text(asked: dict[str, Any], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str) or not value:
        raise BadRequest(f"{name} is needed, as a text.")
    return value


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadRequest(f"{name} must be a number.")
    return float(value)


def _error(status: int, text: str) -> Answer:
    return Answer(status=status, body={"error": text})
