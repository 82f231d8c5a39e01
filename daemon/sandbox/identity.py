"""Microsoft's identity platform, simulated: tokens by client credentials, and the discovery that libraries ask first.

Routed to by `graph.py`. The order of the checks is [gap] ours: tenant, grant, client, secret, scope, resource.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Callable
from functools import partial
from typing import Final, NoReturn
from urllib.parse import parse_qs, unquote_plus

from daemon.sandbox import aadsts
from daemon.sandbox.access_tokens import LIFE, AccessTokens
from daemon.sandbox.call import Answer, Call
from daemon.sandbox.cloud import Route
from daemon.sandbox.script import Endpoint, Script, Trouble
from daemon.sandbox.tenant import AppRegistration, Tenant, identity

_GUID: Final = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_DOMAIN: Final = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])?", re.IGNORECASE)
_DEFAULT: Final = "/.default"


class Identity:
    """The handlers. `url` is this host's address, the only resource that the tenant knows."""

    def __init__(self, *, tenant: Tenant, script: Script, tokens: AccessTokens, url: Callable[[], str]) -> None:
        self._tenant = tenant
        self._script = script
        self._tokens = tokens
        self._url = url

    def find(self, parts: list[str]) -> Route | None:
        """Find what answers on a path, given in parts."""
        match parts:
            case ["common", "discovery", "instance"]:
                return Route(endpoint=Endpoint.IDENTITY, handle=self._instances, method="GET")
            case [tenant, "oauth2", "v2.0", "token"]:
                return Route(endpoint=Endpoint.IDENTITY, handle=partial(self._token, tenant))
            case [tenant, "v2.0", ".well-known", "openid-configuration"]:
                return Route(endpoint=Endpoint.IDENTITY, handle=partial(self._configuration, tenant), method="GET")
            case _:
                return None

    def _token(self, tenant: str, call: Call) -> Answer:
        if self._tenant.aadsts_error:
            self._refuse(call, self._tenant.aadsts_error)
        self._check_tenant(tenant, call)
        form = self._form(call)
        if form["grant_type"] != "client_credentials":
            self._refuse(call, 70003, form["grant_type"])
        registration = self._registration(form["client_id"], call)
        self._check_secret(registration, form["client_secret"], call)
        resource = self._resource(form["scope"], call)
        consented = not self._script.strikes(Trouble.MISSING_CONSENT, call.endpoint)
        token = self._tokens.issue(
            self._claims(registration, resource, roles=registration.roles if consented else frozenset()),
            now=call.service_time,
        )
        return Answer(
            body={"token_type": "Bearer", "expires_in": LIFE, "ext_expires_in": LIFE, "access_token": token},
            headers={"Cache-Control": "no-store, no-cache", "Pragma": "no-cache"},
        )

    def _check_tenant(self, tenant: str, call: Call) -> None:
        # [gap] ours: also the names for several tenants, "common" and its like, are no tenant for this grant.
        if not _GUID.fullmatch(tenant) and not _DOMAIN.fullmatch(tenant):
            self._refuse(call, 900023, tenant)
        known = {self._tenant.id.casefold(), *map(str.casefold, self._tenant.domains)}
        if self._script.strikes(Trouble.WRONG_TENANT, call.endpoint) or tenant.casefold() not in known:
            self._refuse(call, 90002, tenant)

    def _form(self, call: Call) -> dict[str, str]:
        kind = call.headers.get("Content-Type", "").partition(";")[0].strip().casefold()
        fields: dict[str, str] = {}
        if kind == "application/x-www-form-urlencoded":
            fields = {name: values[-1] for name, values in parse_qs(call.body.decode(errors="replace")).items()}
        client, secret = _basic(call.headers.get("Authorization", ""))
        fields = {"client_id": client, "client_secret": secret} | fields
        for wanted in ("grant_type", "client_id", "scope"):
            if not fields.get(wanted):
                self._refuse(call, 900144, wanted)
        return fields

    def _registration(self, client_id: str, call: Call) -> AppRegistration:
        unknown = self._script.strikes(Trouble.UNKNOWN_REGISTRATION, call.endpoint)
        registration = self._tenant.registrations.get(client_id.casefold())
        if unknown or registration is None:
            self._refuse(call, 700016, client_id)
        if not registration.enabled:
            self._refuse(call, 7000112, client_id)
        return registration

    def _check_secret(self, registration: AppRegistration, offered: str, call: Call) -> None:
        if not offered:
            self._refuse(call, 7000216)
        if self._script.strikes(Trouble.EXPIRED_CLIENT_SECRET, call.endpoint):
            self._refuse(call, 7000222, registration.client_id)
        wrong = self._script.strikes(Trouble.WRONG_CLIENT_SECRET, call.endpoint)
        if wrong or not hmac.compare_digest(registration.client_secret.encode(), offered.encode()):
            self._refuse(call, 7000215, registration.client_id)

    def _resource(self, scope: str, call: Call) -> str:
        if " " in scope or not scope.isprintable():
            self._refuse(call, 70011, scope)
        if not scope.endswith(_DEFAULT):
            self._refuse(call, 1002012, scope)
        resource = scope.removesuffix(_DEFAULT)
        # [gap] ours: this host stands for Graph and for Exchange Online both; Microsoft's own hosts are not here.
        if resource != self._url():
            self._refuse(call, 500011, resource)
        return resource

    def _claims(self, registration: AppRegistration, audience: str, *, roles: frozenset[str]) -> dict[str, object]:
        claims: dict[str, object] = {
            "aud": audience,
            "iss": f"{self._url()}/{self._tenant.id}/",
            "appid": registration.client_id,
            "appidacr": "1",
            "idtyp": "app",
            "oid": identity(f"principal {registration.client_id}"),
            "sub": identity(f"principal {registration.client_id}"),
            "tid": self._tenant.id,
            "ver": "1.0",
        }
        # Where nobody consented, the claim is missing altogether.
        return {**claims, "roles": sorted(roles)} if roles else claims

    def _configuration(self, tenant: str, call: Call) -> Answer:
        self._check_tenant(tenant, call)
        base = f"{self._url()}/{self._tenant.id}"
        return Answer(
            body={
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
                "response_types_supported": ["code"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "scopes_supported": ["openid"],
                "tenant_region_scope": "EU",
                "cloud_instance_name": self._url().removeprefix("https://"),
            }
        )

    def _instances(self, call: Call) -> Answer:
        host = self._url().removeprefix("https://")
        return Answer(
            body={
                "tenant_discovery_endpoint": f"{self._url()}/{self._tenant.id}/v2.0/.well-known/openid-configuration",
                "api-version": "1.1",
                "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
            }
        )

    def _refuse(self, call: Call, number: int, subject: str = "") -> NoReturn:
        aadsts.refuse(number, marks=call.marks, at=call.service_time, url=self._url(), subject=subject)


def _basic(header: str) -> tuple[str, str]:
    """Read client id and secret from an Authorization header, as OAuth quotes them; empty where there are none."""
    scheme, _, packed = header.partition(" ")
    if scheme.casefold() != "basic":
        return "", ""
    try:
        client, _, secret = base64.b64decode(packed, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote_plus(client), unquote_plus(secret)
