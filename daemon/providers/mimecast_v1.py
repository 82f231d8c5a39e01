"""Mimecast API 1.0: users who sign in with address and password (`cloud` and `domain`). Built by `clouds.py`.

Version 1.0 accepts no new applications; this is for those that exist. New customers use `mimecast_v2.py`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from daemon.ports import Authorization, Credentials, Greeting, Keys, Layer, Place, ProviderFault, Secret
from daemon.providers import envelope, greeting
from daemon.providers.answer import Answer
from daemon.providers.envelope import About, Purpose
from daemon.providers.http import HttpClient
from daemon.providers.material import given, held, read_unless, revealed
from daemon.providers.place import base_of, region_in, trusted_base
from daemon.providers.quoting import quoted
from daemon.providers.signed_call import Call, Sender, signature
from daemon.providers.standing import Findings, judged
from states import Fault

PUBLIC_HOST: Final = "https://api.mimecast.com"
_DISCOVERY: Final = "/api/login/discover-authentication"
_SCHEMES: Final = {"cloud": "Basic-Cloud", "domain": "Basic-AD"}
_LONGEST: Final = timedelta(days=36_500)
_GONE: Final = frozenset({Fault.KEYS_REFUSED, Fault.BINDING_EXPIRED})
_UNKNOWN_KEY: Final = ("not found", "unknown", "not exist", "invalid access key")


class MimecastV1:
    """`daemon.ports.Cloud` over API 1.0. `now` is wall time in UTC, `new_request_id` makes GUIDs."""

    def __init__(
        self,
        client: HttpClient,
        *,
        service_url: str,
        trusted_suffixes: tuple[str, ...],
        now: Callable[[], datetime],
        new_request_id: Callable[[], str],
    ) -> None:
        self._client = client
        self._base = base_of(service_url, default=PUBLIC_HOST)
        self._suffixes = trusted_suffixes
        self._now = now
        self._sender = Sender(client, now=now, new_request_id=new_request_id)

    async def connect(self) -> str:
        return await self._client.reach(self._base)

    async def examine(self, base_url: str = "") -> tuple[Layer, ...]:
        return await self._client.examine(base_url or self._base)

    async def greet(self) -> Greeting:
        """Ask for discovery without an application and without an address."""
        about = About(what="a discovery without a sign-in", purpose=Purpose.DISCOVER)
        call = Call(url=f"{self._base}{_DISCOVERY}", endpoint="discover", about=about, application_id="", items=())
        return greeting.judged(await self._sender.send_once(call), about, host=self._base)

    async def discover(self, credentials: Credentials) -> Place:
        """Ask the global host for the region's. The answer is used only if it is on a trusted suffix."""
        about = About(what="discovery", purpose=Purpose.DISCOVER, secrets=_secrets_of(credentials), now=self._now())
        call = Call(
            url=f"{self._base}{_DISCOVERY}",
            endpoint="discover",
            about=about,
            application_id=given(credentials.application_id, "application_id"),
            items=({"emailAddress": given(credentials.email, "email")},),
        )
        answer = await self._sender.send(call)
        found = envelope.entry(answer, about)
        base_url = self._regional(found, credentials)
        types = _texts(found.get("authenticate"))
        _demand_type(types, credentials)
        return Place(base_url=base_url, region=region_in(base_url), authentication_types=types)

    async def authenticate(self, place: Place, credentials: Credentials, *, refresh: Keys | None) -> Keys:
        """Log in. Keys that are gone at the service cannot be extended: then a fresh pair is made."""
        if refresh is not None and _fits(refresh, credentials):
            try:
                return await self._login(place, credentials, extend=refresh)
            except ProviderFault as fault:
                if fault.fault not in _GONE:
                    raise
        return await self._login(place, credentials, extend=None)

    async def authorize(self, keys: Keys) -> Authorization:
        """Read the user's profile (role) and the account; the guide's minimal role may not read the latter."""
        profile, refusal = await read_unless({Fault.PERMISSION_MISSING}, self._profile(keys))
        account = None
        if profile is not None:
            account, refusal = await read_unless({Fault.PERMISSION_MISSING}, self._account(keys))
        found = Findings(
            who=keys.email,
            email=keys.email,
            region=keys.region,
            profile=profile,
            account=account,
            refusal=refusal,
        )
        return judged(found)

    async def verify(self, keys: Keys) -> datetime | None:
        await self._profile(keys)
        return keys.expires_at

    async def revoke(self, keys: Keys) -> None:
        """Log out. A pair that the service does not know or that is expired counts as ended."""
        item = {"accessKey": held(keys, "access_key").reveal()}
        call = self._signed(keys, "logout", path="/api/login/logout", items=(item,))
        answer = await self._sender.send(call)
        try:
            envelope.entries(answer, call.about)
        except ProviderFault as fault:
            if fault.fault not in _GONE and not _names_unknown_key(answer):
                raise

    async def _login(self, place: Place, credentials: Credentials, *, extend: Keys | None) -> Keys:
        call = self._login_call(place, credentials, extend=extend)
        answer = await self._sender.send(call)
        pair = {**_held_pair(extend), **envelope.entry(answer, call.about)}
        access, secret = pair.get("accessKey"), pair.get("secretKey")
        if not isinstance(access, str) or not access or not _is_base64(secret):
            raise envelope.malformed(answer, call.about, "lacks the pair of keys")
        return self._keys(place, credentials, pair)

    def _login_call(self, place: Place, credentials: Credentials, *, extend: Keys | None) -> Call:
        email = given(credentials.email, "email")
        # Asked for before the call: keys that could not be used afterwards should not be made.
        revealed(credentials.application_key, "application_key")
        basic = _basic(credentials)
        about = About(
            what=f"the login of {email}" if extend is None else f"the refresh of {email}'s binding",
            purpose=Purpose.SIGN_IN if extend is None else Purpose.REFRESH,
            secrets=(*_secrets_of(credentials), *_secrets_in(extend), basic.partition(" ")[2]),
            now=self._now(),
        )
        extended = {} if extend is None else {"accessKey": held(extend, "access_key").reveal()}
        return Call(
            url=f"{place.base_url}/api/login/login",
            endpoint="login",
            about=about,
            application_id=given(credentials.application_id, "application_id"),
            items=({"userName": email, **extended},),
            authorization=lambda *_: basic,
        )

    def _keys(self, place: Place, credentials: Credentials, pair: Mapping[str, Any]) -> Keys:
        values = {
            "access_key": pair["accessKey"],
            "secret_key": pair["secretKey"],
            "application_id": credentials.application_id,
            "application_key": revealed(credentials.application_key, "application_key"),
        }
        return Keys(
            method=credentials.method,
            base_url=place.base_url,
            region=place.region,
            email=credentials.email,
            identity=hashlib.sha256(f"mimecast-v1:{values['access_key']}".encode()).hexdigest()[:32],
            expires_at=_expiry(pair.get("duration"), now=self._now()),
            values={name: Secret(value) for name, value in values.items()},
        )

    async def _profile(self, keys: Keys) -> dict[str, Any]:
        """Read the user's own profile: cheap, and within every role that may bind."""
        item = {"emailAddress": keys.email, "showAvatar": False}
        call = self._signed(keys, "profile", path="/api/user/get-profile", items=(item,))
        return envelope.entry(await self._sender.send(call), call.about)

    async def _account(self, keys: Keys) -> dict[str, Any]:
        call = self._signed(keys, "account", path="/api/account/get-account")
        return envelope.entry(await self._sender.send(call), call.about)

    def _signed(self, keys: Keys, endpoint: str, *, path: str, items: tuple[Mapping[str, object], ...] = ()) -> Call:
        access, secret = held(keys, "access_key").reveal(), held(keys, "secret_key").reveal()
        application_key = held(keys, "application_key").reveal()

        def authorization(date: str, request_id: str, path: str) -> str:
            try:
                signed = signature(secret, date=date, request_id=request_id, path=path, application_key=application_key)
            except ValueError:
                raise ProviderFault(Fault.KEYS_REFUSED, "the stored secret key is damaged") from None
            return f"MC {access}:{signed}"

        return Call(
            url=f"{keys.base_url}{path}",
            endpoint=endpoint,
            about=About(
                what=f"{path} for {keys.email}", purpose=Purpose.CALL, secrets=_secrets_in(keys), now=self._now()
            ),
            application_id=held(keys, "application_id").reveal(),
            items=items,
            authorization=authorization,
        )

    def _regional(self, found: Mapping[str, Any], credentials: Credentials) -> str:
        region = found.get("region")
        if not isinstance(region, dict) or not region.get("api"):
            domain = quoted(credentials.email.rpartition("@")[2])
            raise ProviderFault(Fault.ADDRESS_UNKNOWN, f"no Mimecast account owns the domain {domain}")
        return trusted_base(region["api"], suffixes=self._suffixes)


def _secrets_of(credentials: Credentials) -> tuple[str, ...]:
    """All that must not be quoted of a sign-in."""
    known = (credentials.password, credentials.application_key)
    return tuple(secret.reveal() for secret in known if secret is not None)


def _secrets_in(keys: Keys | None) -> tuple[str, ...]:
    """All that must not be quoted of keys; the application's id is no secret."""
    if keys is None:
        return ()
    return tuple(value.reveal() for name, value in keys.values.items() if name != "application_id")


def _held_pair(keys: Keys | None) -> dict[str, str]:
    """The pair that stays as it was when the answer to a refresh does not repeat it."""
    if keys is None:
        return {}
    return {"accessKey": held(keys, "access_key").reveal(), "secretKey": held(keys, "secret_key").reveal()}


def _basic(credentials: Credentials) -> str:
    pair = f"{credentials.email}:{revealed(credentials.password, 'password')}"
    return f"{_SCHEMES[credentials.method]} {base64.b64encode(pair.encode()).decode()}"


def _fits(keys: Keys, credentials: Credentials) -> bool:
    """Whether keys belong to this sign-in; another user's or application's cannot be extended with it."""
    same_user = keys.email.casefold() == credentials.email.casefold()
    same_application = keys.values.get("application_id") == Secret(credentials.application_id)
    return keys.method == credentials.method and same_user and same_application


def _texts(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list) else []
    return tuple(quoted(item, longest=40) for item in items if isinstance(item, str))


def _demand_type(offered: tuple[str, ...], credentials: Credentials) -> None:
    """An answer that lists no type at all proves nothing, so it refuses nothing."""
    wanted = _SCHEMES[credentials.method]
    if offered and wanted.lower() not in {kind.lower() for kind in offered}:
        detail = f"{credentials.email} may sign in with {', '.join(offered)}, not with {wanted}"
        raise ProviderFault(Fault.AUTHENTICATION_TYPE_REFUSED, detail)


def _is_base64(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(base64.b64decode(value, validate=True))
    except ValueError:
        return False


def _expiry(duration: object, *, now: datetime) -> datetime | None:
    """When keys end: `duration` is in milliseconds; absent, zero or beyond a century means never."""
    if isinstance(duration, bool) or not isinstance(duration, (int, float)):
        return None
    if not 0 < duration <= _LONGEST / timedelta(milliseconds=1):
        return None
    return now + timedelta(milliseconds=duration)


def _names_unknown_key(answer: Answer) -> bool:
    """Whether a refused logout says that the pair is not there; it does so inside an HTTP 200."""
    if answer.status != 200:
        return False
    said = " ".join(f"{found.code} {found.message}" for found in envelope.complaints(answer.json))
    words = said.lower().replace("_", " ")
    return any(unknown in words for unknown in _UNKNOWN_KEY)
