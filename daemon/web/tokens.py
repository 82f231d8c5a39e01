"""`GET|POST /api/v1/tokens` and `DELETE /api/v1/tokens/{id}`: for who may administer. A secret is shown once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from aiohttp import web

from daemon.engine.access import Access
from daemon.engine.tokens import TokenRefused, UnknownToken
from daemon.ports import ApiToken, Clock, Scope
from daemon.web.answers import Json, answer, moment
from daemon.web.auth import caller
from daemon.web.errors import HttpProblem
from daemon.web.requests import json_object

_FIELDS: Final = ("name", "scopes", "expires_in")


class TokenHandlers:
    """Shows, makes and revokes tokens."""

    def __init__(self, access: Access, clock: Clock) -> None:
        self._access = access
        self._clock = clock

    async def all_tokens(self, _request: web.Request) -> web.Response:
        """Every token without its secret, oldest first."""
        now = self._clock.now()
        return answer({"tokens": [token_json(token, at=now) for token in self._access.tokens.all()]})

    async def create(self, request: web.Request) -> web.Response:
        """201 with the token's secret, which cannot be shown again."""
        name, scopes, lifetime = _order(await json_object(request, fields=_FIELDS))
        try:
            token, secret = await self._access.tokens.create(name, scopes, lifetime=lifetime, caller=caller(request))
        except TokenRefused as error:
            if error.field:
                raise HttpProblem(400, "bad-field", f"{error.field}: {error}.", field=error.field) from None
            raise HttpProblem(409, "token-limit", f"{error}.") from None
        document = {**token_json(token, at=self._clock.now()), "secret": secret.reveal()}
        return answer(document, status=201, headers={"Location": f"/api/v1/tokens/{token.id}"})

    async def revoke(self, request: web.Request) -> web.Response:
        """200 with the token as it was; it is of no use from now on."""
        await json_object(request, fields=())
        try:
            token = await self._access.tokens.revoke(request.match_info["id"], caller=caller(request))
        except UnknownToken as error:
            raise HttpProblem(404, "unknown-token", f"There is no token {error.args[0]!r}.") from None
        return answer(token_json(token, at=self._clock.now()))


def token_json(token: ApiToken, *, at: datetime) -> Json:
    """A token without anything that is secret."""
    return {
        "id": token.id,
        "name": token.name,
        "scopes": sorted(scope.value for scope in token.scopes),
        "created_at": moment(token.created_at),
        "created_by": token.created_by,
        "expires_at": None if token.expires_at is None else moment(token.expires_at),
        "last_used_at": None if token.last_used_at is None else moment(token.last_used_at),
        "valid": token.is_valid(at),
    }


def _order(body: dict[str, Any]) -> tuple[str, frozenset[Scope], timedelta | None]:
    name, scopes, seconds = body.get("name"), body.get("scopes"), body.get("expires_in")
    if not isinstance(name, str):
        raise _bad("name", "must be a string")
    if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
        raise _bad("scopes", "must be a list of words")
    try:
        wanted = frozenset(map(Scope, scopes))
    except ValueError:
        raise _bad("scopes", "are of read, operate, admin, metrics") from None
    if seconds is not None and (not isinstance(seconds, int) or isinstance(seconds, bool) or seconds < 1):
        raise _bad("expires_in", "must be a whole number of seconds, or null for a token that does not expire")
    # Far beyond what is allowed, and still a number that a timedelta takes: the engine refuses it in words.
    return name, wanted, None if seconds is None else timedelta(seconds=min(seconds, 10**10))


def _bad(field: str, why: str) -> HttpProblem:
    return HttpProblem(400, "bad-field", f"{field}: {why}.", field=field)
