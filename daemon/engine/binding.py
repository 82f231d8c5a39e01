"""The bind procedure: the ordered steps from a configuration to proven keys, each reported as it ends.

Prerequisites come first, so that keys are issued last. Keys go into the vault the moment they are obtained,
before they are proven: a crash after that leaves an orphan which the next start finds and revokes.
"""

from __future__ import annotations

from dataclasses import dataclass

from daemon.config.model import SiteSettings
from daemon.engine.issuing import Issuing, SignIn
from daemon.engine.microsoft import MicrosoftSide
from daemon.engine.operations import OneTimeSignIn
from daemon.engine.prerequisites import Prerequisites
from daemon.engine.progress import Progress
from daemon.engine.signin import Resolve, credentials_for, route_for
from daemon.engine.unstored import Unstored
from daemon.ports import (
    Authorization,
    Clock,
    Cloud,
    Clouds,
    Credentials,
    JournalUnavailable,
    Keys,
    Place,
    ProviderFault,
    Vault,
    VaultLocked,
)
from states import DAEMON, Fault, HeldBinding, Snapshot

ONE_TIME_GONE = (
    "the one-time sign-in of this attempt is gone: it is kept for 15 minutes at most, and not over a restart; "
    "give it again with the bind request"
)

_BY_ITSELF = (DAEMON, "watch:", "signal:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What one attempt works with; taken when it starts."""

    bind_id: str
    number: int
    settings: SiteSettings
    snapshot: Snapshot
    one_time: OneTimeSignIn | None
    needs_one_time: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The attempt obtained and proved keys, which lie in the vault."""

    binding: HeldBinding
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotBound:
    """The attempt ended at a step."""

    fault: Fault
    detail: str
    retry_after: float | None


class Procedure:
    """Runs attempts. Holds no state between them."""

    def __init__(
        self, *, clouds: Clouds, microsoft: MicrosoftSide, vault: Vault, resolve: Resolve, clock: Clock
    ) -> None:
        self._clouds = clouds
        self._prerequisites = Prerequisites(microsoft)
        self._vault = vault
        self._resolve = resolve
        self._clock = clock
        self.unstored = Unstored()

    async def run(self, attempt: Attempt, progress: Progress) -> Bound | NotBound:
        """Bind once. Cancelling it leaves keys that it obtained in the vault under the attempt's id."""
        try:
            cloud, credentials = await self._prepare(attempt, progress)
            place = await self._discover(cloud, credentials, progress)
            refresh = await self._refreshable(attempt, credentials, place)
            sign_in = SignIn(cloud=cloud, place=place, credentials=credentials, refresh=refresh)
            keys = await self._authenticate(attempt, progress, sign_in)
            authorization = await self._authorize(cloud, keys, progress)
            return await self._register(attempt, progress, keys, authorization)
        except ProviderFault as fault:
            progress.skip_rest(f"{progress.steps[-1].step} failed")
            return NotBound(fault=fault.fault, detail=fault.detail, retry_after=fault.retry_after)

    async def _prepare(self, attempt: Attempt, progress: Progress) -> tuple[Cloud, Credentials]:
        settings = attempt.settings
        async with progress.step("configuration") as line:
            if attempt.needs_one_time and attempt.one_time is None:
                raise ProviderFault(Fault.CREDENTIALS_MISSING, ONE_TIME_GONE)
            route = await route_for(settings.connection, self._resolve)
            credentials = await credentials_for(settings, self._resolve, one_time=attempt.one_time)
            line.detail = f"{settings.source.name}: sign-in as {who(credentials)}, all secrets readable"
        cloud = self._clouds.cloud(
            credentials.method,
            route,
            service_url=settings.binding.service_url,
            trusted_suffixes=settings.binding.trusted_suffixes,
        )
        async with progress.step("connect") as line:
            line.detail = await cloud.connect()
        await self._prerequisites.prove(settings, route, progress, afresh=by_a_person(attempt.snapshot))
        return cloud, credentials

    async def _discover(self, cloud: Cloud, credentials: Credentials, progress: Progress) -> Place:
        async with progress.step("discover") as line:
            place = await cloud.discover(credentials)
            line.detail = f"the account is served by {place.base_url}"
            if place.region:
                line.detail += f" (region {place.region})"
        return place

    async def _refreshable(self, attempt: Attempt, credentials: Credentials, place: Place) -> Keys | None:
        """The held keys when they are expired and of the same sign-in: those are extended, not replaced.

        A user may hold only a limited number of bindings at the service.
        """
        held = attempt.snapshot.binding
        if held is None or credentials.method == "application" or not self._expired(attempt.snapshot):
            return None
        try:
            keys = await self._vault.get(held.bind_id)
        except (VaultLocked, JournalUnavailable) as error:
            raise ProviderFault(Fault.KEYS_NOT_STORED, str(error)) from None
        if keys is None or (keys.method, keys.email, keys.base_url) != (
            credentials.method,
            credentials.email,
            place.base_url,
        ):
            return None
        return keys

    def _expired(self, snapshot: Snapshot) -> bool:
        held, refusals = snapshot.binding, snapshot.refusals
        if refusals is not None and refusals.fault is Fault.BINDING_EXPIRED:
            return True
        return held is not None and held.expires_at is not None and held.expires_at <= self._clock.now()

    async def _authenticate(self, attempt: Attempt, progress: Progress, sign_in: SignIn) -> Keys:
        issuing = Issuing(
            vault=self._vault,
            unstored=self.unstored,
            bind_id=attempt.bind_id,
            site=attempt.settings.id,
            sealed=progress.seal,
        )
        async with progress.step("authenticate") as line:
            keys = await issuing.keys(sign_in)
            line.detail = f"signed in as {who(sign_in.credentials)}; {lifetime(keys)}"
            if sign_in.refresh is not None and sign_in.refresh.identity == keys.identity:
                line.detail += "; the expired binding was extended"
        return keys

    async def _authorize(self, cloud: Cloud, keys: Keys, progress: Progress) -> Authorization:
        async with progress.step("authorize") as line:
            authorization = await cloud.authorize(keys)
            line.detail = f"account {authorization.account_code} ({authorization.company})"
            if authorization.role:
                line.detail += f", role {authorization.role}"
            if authorization.warnings:
                line.status = "warning"
                line.remedy = " ".join(authorization.warnings)
        return authorization

    async def _register(self, attempt: Attempt, progress: Progress, keys: Keys, found: Authorization) -> Bound:
        now, terms = self._clock.now(), attempt.snapshot.terms
        binding = HeldBinding(
            bind_id=attempt.bind_id,
            method=keys.method,
            account_code=found.account_code,
            company=found.company,
            region=found.region or keys.region,
            fingerprint=terms.fingerprint if terms else "",
            bound_at=now,
            verified_at=now,
            expires_at=keys.expires_at,
        )
        async with progress.step("register") as line:
            line.detail = (
                f"site {attempt.snapshot.site_code} of account {binding.account_code} in region "
                f"{binding.region or 'unknown'}: recorded here; the service has no public registration"
            )
        return Bound(binding=binding, warnings=found.warnings)


def by_a_person(snapshot: Snapshot) -> bool:
    """Whether somebody asked for the open attempt; the daemon itself never repeats what was refused."""
    opened = snapshot.open
    return opened is not None and not opened.actor.startswith(_BY_ITSELF)


def who(credentials: Credentials) -> str:
    """Say who signs in."""
    if credentials.method == "application":
        return f"application {credentials.client_id}"
    return f"{credentials.email} ({credentials.method})"


def lifetime(keys: Keys) -> str:
    """Say how long keys hold."""
    if keys.expires_at is None:
        return "the keys do not expire by themselves"
    return f"the keys expire at {keys.expires_at:%Y-%m-%d %H:%M} UTC"
