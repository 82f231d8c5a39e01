"""Tokens of the Microsoft identity platform: an app registration signs in with its secret, by one form POST.

Used by the Graph adapters, and by EWS where a mailbox lives in Exchange Online. Tokens and refusals are shared by
all adapters of the process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

from daemon.ports import ProviderFault, Registration, Secret
from daemon.providers import aadsts
from daemon.providers.answer import Answer
from daemon.providers.failure import with_request_id
from daemon.providers.http import HttpClient
from daemon.providers.quoting import quoted
from daemon.providers.refused_sign_ins import Proof, RefusedSignIns, SignIn
from daemon.providers.tokens import Token, Tokens
from states import Fault

ENDPOINT: Final = "identity"
"""The name that its calls are counted under."""

_DEFAULT_LIFE: Final = 600.0
_LONGEST_LIFE: Final = 86_400.0
_LONGEST_TEXT: Final = 400
_ABOUT_THE_SECRET: Final = frozenset({Fault.CLIENT_SECRET_REFUSED, Fault.CLIENT_SECRET_EXPIRED})
_PAUSE: Final = 60.0
# [gap] No source knows of an application that wrong secrets lock out, as passwords do a user; only the calls add up.
_SECRET: Final = Proof("", "another client_id or client_secret")


class Identity:
    """Tokens for one app registration. `tokens` and `refusals` are shared; `new_request_id` makes ids.

    A secret that was refused is not sent again for a minute, whoever asks; any later answer takes the place of that.
    """

    def __init__(
        self,
        client: HttpClient,
        registration: Registration,
        *,
        tokens: Tokens,
        refusals: RefusedSignIns,
        new_request_id: Callable[[], str],
    ) -> None:
        self._client = client
        self._registration = registration
        self._tokens = tokens
        self._refusals = refusals
        self._new_request_id = new_request_id

    async def token_for(self, scope: str) -> Secret:
        """Give a token for `scope`, like `https://resource/.default`. Raises `ProviderFault`."""
        return (await self.token(scope))[0].value

    async def token(self, scope: str) -> tuple[Token, bool]:
        """Give a token, and whether it was kept from before, so that it may be stale. Raises `ProviderFault`."""
        secret = self._registration.client_secret
        return await self._tokens.get(self._key(scope), secret, obtain=lambda: self._signed_in(scope))

    def forget(self, scope: str, token: Token) -> None:
        """Give up a kept token which is not taken any longer."""
        self._tokens.forget(self._key(scope), self._registration.client_secret, token=token)

    def _key(self, scope: str) -> str:
        own = self._registration
        return f"{own.authority} {own.tenant_id} {own.client_id} {scope}"

    async def _signed_in(self, scope: str) -> tuple[Secret, float]:
        own = self._registration
        key: SignIn = (own.authority, own.tenant_id, own.client_id, own.client_secret)
        async with self._refusals.turn(key):
            answer = await self._asked(scope)
            self._refusals.forget(key)
            refusal = _refusal(answer, own)
            if refusal is None:
                return _granted(answer, own)
            if refusal.fault in _ABOUT_THE_SECRET:
                self._refusals.note(key, refusal, pause=_PAUSE, proof=_SECRET)
            raise refusal

    async def _asked(self, scope: str) -> Answer:
        own, request_id = self._registration, self._new_request_id()
        return await self._client.call(
            "POST",
            f"{own.authority}/{quote(own.tenant_id, safe='')}/oauth2/v2.0/token",
            endpoint=ENDPOINT,
            headers={"client-request-id": request_id},
            request_id=request_id,
            form={
                "grant_type": "client_credentials",
                "client_id": own.client_id,
                "client_secret": own.client_secret.reveal(),
                "scope": scope,
            },
            application=own.client_id,
        )


def _refusal(answer: Answer, own: Registration) -> ProviderFault | None:
    """The fault of an answer that is no grant; None for one that may be."""
    said: dict[str, Any] = answer.json if isinstance(answer.json, dict) else {}
    error = said.get("error")
    if answer.status < 300 and not error:
        return None
    if answer.status == 429:
        fault, advice = Fault.THROTTLED, ""
    elif answer.status >= 500:
        fault, advice = Fault.SERVICE_ERROR, ""
    elif isinstance(error, str) and error:
        fault, advice = aadsts.meaning(error, _numbers(said))
    else:
        return _malformed(answer, own, "is not the identity platform's")
    detail = f"{_told(answer, said, own=own)}{f'; {advice}' if advice else ''}"
    return with_request_id(ProviderFault(fault, detail, retry_after=answer.retry_after), answer.request_id)


def _told(answer: Answer, said: Mapping[str, Any], *, own: Registration) -> str:
    """What was answered: the documented error, the AADSTS text on one line, the trace id."""
    secrets = (own.client_secret.reveal(),)
    error = quoted(said.get("error"), secrets=secrets, longest=60)
    # The text ends with ids and time; the one that support asks for stands on its own.
    text = quoted(said.get("error_description"), secrets=secrets, longest=_LONGEST_TEXT * 4).partition(" Trace ID:")[0]
    trace = quoted(said.get("trace_id"), longest=64) or quoted(answer.headers.get("x-ms-request-id"), longest=64)
    parts = (
        f"{own.authority} refused the sign-in of the app registration with HTTP {answer.status}",
        f" {error}" if error else "",
        f'; it says "{quoted(text, longest=_LONGEST_TEXT)}"' if text else "",
        f"; trace id {trace}" if trace else "",
    )
    return "".join(parts)


def _numbers(said: Mapping[str, Any]) -> tuple[int, ...]:
    listed = said.get("error_codes")
    return tuple(number for number in listed if isinstance(number, int)) if isinstance(listed, list) else ()


def _granted(answer: Answer, own: Registration) -> tuple[Secret, float]:
    """The token with its life in seconds."""
    said = answer.json if isinstance(answer.json, dict) else {}
    token = said.get("access_token")
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        raise _malformed(answer, own, "lacks a token")
    return Secret(token), _life(said.get("expires_in"))


def _life(said: object) -> float:
    """Seconds that a token lives; a short while if the answer does not say."""
    try:
        seconds = float(said) if isinstance(said, (int, float, str)) else _DEFAULT_LIFE
    except (ValueError, OverflowError):
        return _DEFAULT_LIFE
    return seconds if 0 < seconds <= _LONGEST_LIFE else _DEFAULT_LIFE


def _malformed(answer: Answer, own: Registration, what: str) -> ProviderFault:
    kind = quoted(answer.headers.get("Content-Type", ""), longest=60) or "no content type"
    detail = (
        f"the answer of {own.authority} to the app registration's sign-in {what} "
        f"(HTTP {answer.status}, {kind}, {len(answer.body)} bytes)"
    )
    return with_request_id(ProviderFault(Fault.ANSWER_MALFORMED, detail), answer.request_id)
