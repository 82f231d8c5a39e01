"""Secrets resolved for one attempt: the way to the service, the sign-in, and one-time credentials in memory.

Nothing here is kept longer than an attempt, except one-time credentials, which live 15 minutes at most.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from daemon.config.environment import exceptions_named_in, proxy_named_in
from daemon.config.model import ConnectionSettings, DaemonSettings, SecretSource, SiteSettings
from daemon.config.problems import BadValue
from daemon.config.secrets import SecretUnreadable
from daemon.engine.operations import OneTimeSignIn
from daemon.ports import Clock, Credentials, ProviderFault, Route, Secret
from states import Fault

Resolve = Callable[[SecretSource], Awaitable[Secret]]

ONE_TIME_SECONDS = 15 * 60.0


async def resolved(source: SecretSource | None, resolve: Resolve) -> Secret | None:
    """The secret, or None where none is configured. Raises `ProviderFault` with the place it was looked for."""
    if source is None:
        return None
    try:
        return await resolve(source)
    except SecretUnreadable as error:
        raise ProviderFault(Fault.SECRET_UNREADABLE, str(error)) from None


async def route_for(connection: ConnectionSettings, resolve: Resolve) -> Route:
    """The way out that [connection] describes. Raises `ProviderFault` for a proxy that cannot be used as given."""
    ca_file = str(connection.ca_file) if connection.ca_file is not None else ""
    if not connection.use_proxy:
        named = _from_environment(connection, os.environ) if connection.from_environment else Route()
        return replace(named, ca_file=ca_file)
    signs_in = connection.proxy_requires_authentication
    return Route(
        use_proxy=True,
        proxy_host=connection.proxy_host,
        proxy_port=connection.proxy_port,
        proxy_username=connection.proxy_username if signs_in else "",
        proxy_password=await resolved(connection.proxy_password, resolve) if signs_in else None,
        no_proxy=connection.no_proxy,
        ca_file=ca_file,
    )


def _from_environment(connection: ConnectionSettings, environment: Mapping[str, str]) -> Route:
    """The proxy that the process's environment names; the file's own exceptions hold beside those named there."""
    try:
        named = proxy_named_in(environment)
    except BadValue as bad:
        raise ProviderFault(Fault.PROXY_SETTING_UNUSABLE, f"{bad}; {bad.hint}") from None
    if named is None:
        return Route()
    return Route(
        use_proxy=True,
        proxy_host=named.host,
        proxy_port=named.port,
        proxy_username=named.username,
        proxy_password=named.password,
        no_proxy=(*connection.no_proxy, *exceptions_named_in(environment)),
        proxy_source=named.variable,
    )


async def credentials_for(settings: SiteSettings, resolve: Resolve, *, one_time: OneTimeSignIn | None) -> Credentials:
    """The sign-in of this attempt. Raises `ProviderFault` where it is missing or cannot be read."""
    if one_time is not None and settings.binding.authentication_type != "application":
        # The configured password is not read: it may be what the one-time sign-in stands in for.
        how = one_time.authentication_type or settings.binding.authentication_type
        without = replace(settings, binding=replace(settings.binding, password=None, authentication_type=how))
        found = await configured_credentials(without, resolve)
        return replace(found, email=one_time.email, password=one_time.password)
    found = await configured_credentials(settings, resolve)
    demand_password(found)
    return found


async def configured_credentials(settings: SiteSettings, resolve: Resolve) -> Credentials:
    """The sign-in as it is configured, with or without a password. Raises `ProviderFault` if it cannot be read."""
    binding = settings.binding
    if binding.authentication_type == "application":
        return Credentials(
            method="application",
            email=binding.email,
            client_id=binding.client_id,
            client_secret=await resolved(binding.client_secret, resolve),
        )
    return Credentials(
        method=binding.authentication_type,
        email=binding.email,
        password=await resolved(binding.password, resolve),
        application_id=binding.application_id,
        application_key=await resolved(binding.application_key, resolve),
    )


def demand_password(credentials: Credentials) -> None:
    """Raise `ProviderFault` for a user's sign-in without a password."""
    if credentials.password is None and credentials.method != "application":
        raise ProviderFault(
            Fault.CREDENTIALS_MISSING,
            "no [binding] password is configured and no one-time sign-in was given",
        )


@dataclass(frozen=True, slots=True)
class _Kept:
    sign_in: OneTimeSignIn
    until: float


class OneTimeSignIns:
    """One-time credentials by site. Memory only.

    They are offered with a request and kept once its attempt starts, so that a request which is refused, or one
    that comes at the same time, never lends its credentials to the attempt of somebody else.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offered: dict[str, _Kept] = {}
        self._kept: dict[str, _Kept] = {}

    @contextmanager
    def offer(self, site: str, sign_in: OneTimeSignIn) -> Iterator[None]:
        """Hold ready while the request is answered; one request of a site at a time."""
        self._offered[site] = _Kept(sign_in, self._clock.monotonic() + ONE_TIME_SECONDS)
        try:
            yield
        finally:
            self._offered.pop(site, None)

    def accept(self, site: str) -> None:
        """The attempt that was asked for starts: what was offered is kept for it and its retries."""
        self.forget(site)
        if (offered := self._offered.pop(site, None)) is not None:
            self._kept[site] = offered

    def get(self, site: str) -> OneTimeSignIn | None:
        """What is kept and not too old."""
        kept = self._kept.get(site)
        if kept is None:
            return None
        if kept.until <= self._clock.monotonic():
            del self._kept[site]
            return None
        return kept.sign_in

    def forget(self, site: str) -> None:
        """The attempt is over for good, or another sign-in took its place."""
        self._kept.pop(site, None)

    def forget_old(self) -> None:
        """Drop what is too old, so that it does not wait in memory for the next question."""
        for site in tuple(self._kept):
            self.get(site)


@dataclass(slots=True)
class Token:
    """The resolved `[daemon] api_token`; read again at every reload that changes [daemon]."""

    value: Secret | None = None

    async def take(self, settings: DaemonSettings, resolve: Resolve) -> None:
        """Resolve. Raises `SecretUnreadable`."""
        self.value = await resolve(settings.api_token) if settings.api_token is not None else None
