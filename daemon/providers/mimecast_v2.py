"""Mimecast API 2.0: an application that signs in with client id and secret (`application`). Built by `clouds.py`.

This is what a new customer uses. The client id and secret are the binding's keys; the token that they are
exchanged for lives half an hour, in memory only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from daemon.ports import Authorization, Credentials, Greeting, Keys, Layer, Place, ProviderFault, Secret
from daemon.providers import envelope, greeting
from daemon.providers.answer import Answer
from daemon.providers.envelope import About, Purpose
from daemon.providers.http import HttpClient
from daemon.providers.material import given, held, read_unless, revealed
from daemon.providers.place import base_of, region_in
from daemon.providers.standing import Findings, judged
from daemon.providers.tokens import Token, Tokens
from states import Fault

PUBLIC_HOST: Final = "https://api.services.mimecast.com"
_DEFAULT_LIFE: Final = 600.0


class MimecastV2:
    """`daemon.ports.Cloud` over API 2.0. `tokens` is shared by all adapters; `new_request_id` makes ids."""

    def __init__(
        self, client: HttpClient, *, service_url: str, tokens: Tokens, new_request_id: Callable[[], str]
    ) -> None:
        self._client = client
        self._base = base_of(service_url, default=PUBLIC_HOST)
        self._tokens = tokens
        self._new_request_id = new_request_id

    async def connect(self) -> str:
        return await self._client.reach(self._base)

    async def examine(self, base_url: str = "") -> tuple[Layer, ...]:
        return await self._client.examine(base_url or self._base)

    async def greet(self) -> Greeting:
        """Ask for the account without a token."""
        about = About(what="a call without a token", purpose=Purpose.CALL)
        request_id = self._new_request_id()
        answer = await self._client.call(
            "POST",
            f"{self._base}/api/account/get-account",
            endpoint="account",
            headers={"x-request-id": request_id},
            request_id=request_id,
            json={"data": []},
        )
        return greeting.judged(answer, about, host=self._base)

    async def discover(self, credentials: Credentials) -> Place:
        """No call: the public host leads to the account's region by itself, a regional one is configured."""
        return Place(base_url=self._base, region=region_in(self._base))

    async def authenticate(self, place: Place, credentials: Credentials, *, refresh: Keys | None) -> Keys:
        """Prove id and secret by a fresh token. There is nothing to refresh: they do not expire by themselves."""
        client_id = given(credentials.client_id, "client_id")
        secret = Secret(revealed(credentials.client_secret, "client_secret"))
        keys = Keys(
            method="application",
            base_url=place.base_url,
            region=place.region,
            email=credentials.email,
            # Of the id only: a digest of the secret would lie in the open beside the vault.
            identity=hashlib.sha256(f"mimecast-v2:{place.base_url}:{client_id}".encode()).hexdigest()[:32],
            expires_at=None,
            values={"client_id": Secret(client_id), "client_secret": secret},
        )
        self._tokens.forget(keys.identity, secret)
        await self._token(keys, refused_as=Fault.APPLICATION_REFUSED)
        return keys

    async def authorize(self, keys: Keys) -> Authorization:
        """Read the account, and the profile for the role; the role may not be readable, then it is a warning."""
        account, refusal = await self._account(keys)
        profile = await self._profile(keys)
        found = Findings(
            who="the application",
            email=keys.email,
            region=keys.region,
            profile=profile,
            account=account,
            refusal=refusal,
        )
        return judged(found)

    async def verify(self, keys: Keys) -> datetime | None:
        """Read the account, or the profile where the role allows only that. Id and secret do not expire."""
        _, refusal = await self._account(keys)
        if refusal is not None and await self._profile(keys) is None:
            raise refusal
        return None

    async def revoke(self, keys: Keys) -> None:
        """Forget the token. There is no public call that revokes client credentials.

        Whoever wants them ended deletes the application, or renews its secret, in the Administration Console.
        """
        self._tokens.forget(keys.identity, held(keys, "client_secret"))

    async def _account(self, keys: Keys) -> tuple[dict[str, Any] | None, ProviderFault | None]:
        reading = self._entry(keys, "account", path="/api/account/get-account")
        return await read_unless({Fault.PERMISSION_MISSING}, reading)

    async def _profile(self, keys: Keys) -> dict[str, Any] | None:
        # Public documents do not promise a profile to an application, so that it is refused means nothing.
        reading = self._entry(keys, "profile", path="/api/user/get-profile")
        return (await read_unless({Fault.PERMISSION_MISSING, Fault.REQUEST_REFUSED}, reading))[0]

    async def _entry(self, keys: Keys, endpoint: str, *, path: str) -> dict[str, Any]:
        """Call with the token; once more with a fresh one if a kept token is not taken any longer."""
        token, kept = await self._token(keys, refused_as=Fault.KEYS_REFUSED)
        answer = await self._sent(keys, token, endpoint=endpoint, path=path)
        if answer.status == 401 and kept:
            self._tokens.forget(keys.identity, held(keys, "client_secret"), token=token)
            token, _ = await self._token(keys, refused_as=Fault.KEYS_REFUSED)
            answer = await self._sent(keys, token, endpoint=endpoint, path=path)
        return envelope.entry(answer, _about(keys, path, Purpose.CALL, token=token))

    async def _sent(self, keys: Keys, token: Token, *, endpoint: str, path: str) -> Answer:
        request_id = self._new_request_id()
        authorization = f"Bearer {token.value.reveal()}"
        return await self._client.call(
            "POST",
            f"{keys.base_url}{path}",
            endpoint=endpoint,
            headers={"Authorization": authorization, "x-request-id": request_id},
            request_id=request_id,
            json={"data": []},
            application=held(keys, "client_id").reveal(),
        )

    async def _token(self, keys: Keys, *, refused_as: Fault) -> tuple[Token, bool]:
        """Give a token, and whether it was kept from before. A refused secret is raised as `refused_as`."""
        secret = held(keys, "client_secret")
        try:
            return await self._tokens.get(keys.identity, secret, obtain=lambda: self._obtained(keys))
        except ProviderFault as fault:
            if fault.fault is not Fault.APPLICATION_REFUSED:
                raise
            refusal = ProviderFault(refused_as, fault.detail, retry_after=fault.retry_after)
        raise refusal

    async def _obtained(self, keys: Keys) -> tuple[Secret, float]:
        """Exchange client id and secret for a token with its life in seconds."""
        about = _about(keys, "the client's sign-in", Purpose.TOKEN)
        request_id = self._new_request_id()
        answer = await self._client.call(
            "POST",
            f"{keys.base_url}/oauth/token",
            endpoint="token",
            headers={"x-request-id": request_id},
            request_id=request_id,
            form={
                "grant_type": "client_credentials",
                "client_id": held(keys, "client_id").reveal(),
                "client_secret": held(keys, "client_secret").reveal(),
            },
            application=held(keys, "client_id").reveal(),
        )
        found = envelope.document(answer, about)
        token = found.get("access_token")
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            raise envelope.malformed(answer, about, "lacks a token")
        return Secret(token), _life(found)


def _life(found: Mapping[str, Any]) -> float:
    """Seconds that a token lives; a short while if the answer does not say."""
    said = found.get("expires_in")
    try:
        seconds = float(said) if isinstance(said, (int, float, str)) else _DEFAULT_LIFE
    except (ValueError, OverflowError):
        return _DEFAULT_LIFE
    return seconds if 0 < seconds <= 86_400 else _DEFAULT_LIFE


def _about(keys: Keys, what: str, purpose: Purpose, *, token: Token | None = None) -> About:
    secrets = (held(keys, "client_secret").reveal(), *((token.value.reveal(),) if token else ()))
    return About(what=what, purpose=purpose, secrets=secrets)
