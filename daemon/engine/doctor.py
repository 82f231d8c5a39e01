"""The doctor: walks every layer between this server and a working binding, and names the one that fails.

It goes the ways of the binding itself: the same route, the same sign-in, the same adapter. It changes nothing: held
keys are proved by one cheap call, and a real login happens only when `Patient.login` is given. Called by
`daemon.engine.practice` for a running daemon, and by `daemon.alone` for a configuration without one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from daemon.config.model import SiteSettings
from daemon.engine.binding import lifetime, who
from daemon.engine.chart import LET_IN, Chart, Ended, Told, nobody
from daemon.engine.issuing import SignIn
from daemon.engine.microsoft import MicrosoftSide
from daemon.engine.microsoft_doctor import MicrosoftDoctor, not_reached
from daemon.engine.progress import Line
from daemon.engine.signin import Resolve, configured_credentials, demand_password, route_for
from daemon.ports import (
    PROXY_WAY,
    Authorization,
    Clock,
    Cloud,
    Clouds,
    Credentials,
    Keys,
    Layer,
    Place,
    ProviderFault,
    Route,
)
from states import BindStep, Fault

NO_KEYS: Final = "no keys are held to prove it with; --sign-in tries a real login, and logs out again"
SIGNED_OUT: Final = "signed out again, its keys are ended"
SUSPICIOUS: Final = timedelta(minutes=1)
REFUSED: Final = timedelta(minutes=5)
_MEND: Final = "Mend the file: sitebind check-config prints every finding. It is read again when it is saved."

Login = Callable[[SignIn], Awaitable[tuple[Authorization | ProviderFault, str]]]
"""Signs in and out; what the user may do, and what became of the keys. Raises `ProviderFault` if none were issued."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """One site as it is examined.

    `findings` say why there are no settings, or that newer ones were rejected. `keys` gives the held ones; without it
    `no_keys` says why. `login` orders a real login; `no_login` says why an ordered one is not tried: a fault that is
    known already, or a reason.
    """

    settings: SiteSettings | None
    findings: tuple[str, ...] = ()
    keys: Callable[[], Awaitable[Keys]] | None = None
    no_keys: str = "no keys are held"
    login: Login | None = None
    no_login: ProviderFault | str = NO_KEYS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """What the configuration leads to."""

    settings: SiteSettings
    route: Route
    cloud: Cloud
    credentials: Credentials


class Doctor:
    """Examines. Holds no state between two patients."""

    def __init__(self, *, clouds: Clouds, microsoft: MicrosoftSide, resolve: Resolve, clock: Clock) -> None:
        self._clouds = clouds
        self._microsoft = MicrosoftDoctor(microsoft)
        self._resolve = resolve
        self._clock = clock

    async def examine(self, patient: Patient, told: Told = nobody) -> tuple[BindStep, ...]:
        """Every layer in order, with what was not reached behind the first one that failed.

        `told` is called with the layers as they end; those of the Microsoft side end together.
        """
        chart = Chart(self._clock, told)
        with suppress(Ended):
            await self._walk(patient, chart)
        way = chart.finished()
        side = await self._microsoft_side(patient)
        for layer in side:
            told(layer)
        return (*way, *side)

    async def _microsoft_side(self, patient: Patient) -> tuple[BindStep, ...]:
        """A way of its own, whatever became of the way to the service; only the way out is the same."""
        settings = patient.settings
        if settings is None:
            return not_reached(None, because="configuration")
        try:
            route = await route_for(settings.connection, self._resolve)
        except ProviderFault:
            return not_reached(settings, because="configuration")  # where it is told
        return await self._microsoft.examine(settings, route)

    async def _walk(self, patient: Patient, chart: Chart) -> None:
        way = await self._configuration(patient, chart)
        layers = await _walked(way.cloud, chart)
        chart.proxied = layers[0].name in PROXY_WAY
        chart.way(layers)
        await self._http_and_clock(way, chart)
        async with chart.layer("discover") as line:
            place = await way.cloud.discover(way.credentials)
            region = f" (region {place.region})" if place.region else ""
            line.detail = f"the account is served by {place.base_url}{region}"
        await self._region(way, place, chart)
        keys = await self._held(patient, chart)
        sign_in = SignIn(cloud=way.cloud, place=place, credentials=way.credentials)
        if patient.login is not None:
            await self._log_in(patient.login, sign_in, chart)
        elif keys is not None:
            await self._verify(way, keys, chart)
        else:
            _not_proved(patient.no_login, chart)

    async def _configuration(self, patient: Patient, chart: Chart) -> _Way:
        settings = patient.settings
        if settings is None:
            chart.stop("configuration", " | ".join(patient.findings) or "there is none for this site", remedy=_MEND)
        chart.proxied = settings.connection.use_proxy
        async with chart.layer("configuration") as line:
            route = await route_for(settings.connection, self._resolve)
            credentials = await configured_credentials(settings, self._resolve)
            line.detail = f"{settings.source.name}: sign-in as {who(credentials)}, all secrets readable"
            if credentials.password is None and credentials.method != "application":
                line.detail += "; no password is configured, so each bind needs a one-time sign-in"
            if patient.findings:
                line.status, line.remedy = "warning", _MEND
                line.detail += f"; newer settings were rejected: {' | '.join(patient.findings)}"
        cloud = self._cloud(settings, credentials.method, route, service_url=settings.binding.service_url)
        return _Way(settings=settings, route=route, cloud=cloud, credentials=credentials)

    def _cloud(self, settings: SiteSettings, method: str, route: Route, *, service_url: str) -> Cloud:
        suffixes = settings.binding.trusted_suffixes
        return self._clouds.cloud(method, route, service_url=service_url, trusted_suffixes=suffixes)

    async def _http_and_clock(self, way: _Way, chart: Chart) -> None:
        async with chart.layer("http") as line:
            greeting = await way.cloud.greet()
            line.detail = greeting.detail
        async with chart.layer("clock") as line:
            # API 1.0 refuses a call whose date is too far off; API 2.0 does not look at it.
            strict = way.credentials.method != "application"
            judge_clock(line, service=greeting.service_time, host=self._clock.now(), strict=strict)

    async def _region(self, way: _Way, place: Place, chart: Chart) -> None:
        """The account's own host, where discovery led to another one than was asked."""
        if way.credentials.method == "application" or place.base_url == way.settings.binding.service_url.rstrip("/"):
            chart.skip(("region",), "the account is served by the same host")
            return
        layers = await _walked(way.cloud, chart, place.base_url)
        # What was passed of the proxy itself was told with the first host.
        new = [layer for layer in layers if layer.fault is not None or layer.name not in PROXY_WAY[:-1]]
        chart.way(new, prefix="region ")

    async def _held(self, patient: Patient, chart: Chart) -> Keys | None:
        if patient.keys is None:
            chart.skip(("keys held",), patient.no_keys)
            return None
        async with chart.layer("keys held") as line:
            keys = await patient.keys()
            line.detail = f"of {keys.email or 'the application'} ({keys.method}) at {keys.base_url}; {lifetime(keys)}"
        return keys

    async def _verify(self, way: _Way, keys: Keys, chart: Chart) -> None:
        """Prove the held keys, which may be of another sign-in than the one that is configured now."""
        cloud = self._cloud(way.settings, keys.method, way.route, service_url=keys.base_url)
        async with chart.layer("sign-in") as line:
            try:
                await cloud.verify(keys)
            except ProviderFault as fault:
                # The service knows the keys; what they may not do is judged at the role.
                if fault.fault is not Fault.PERMISSION_MISSING:
                    raise
            line.detail = "the service accepts the held keys"
        chart.passed("account", LET_IN)
        async with chart.layer("role") as line:
            _tell_role(line, await cloud.authorize(keys))

    async def _log_in(self, login: Login, sign_in: SignIn, chart: Chart) -> None:
        async with chart.layer("sign-in") as line:
            demand_password(sign_in.credentials)
            found, became = await login(sign_in)
            line.detail = f"signed in as {who(sign_in.credentials)}; {became}"
            if became != SIGNED_OUT:
                line.status, line.remedy = "warning", "See sitebind status until nothing is left to be revoked."
        chart.passed("account", LET_IN)
        async with chart.layer("role") as line:
            if isinstance(found, ProviderFault):
                raise found
            _tell_role(line, found)


async def _walked(cloud: Cloud, chart: Chart, base_url: str = "") -> tuple[Layer, ...]:
    """Walk a way; where there is not even an address to go to, the configuration is what is wrong."""
    try:
        return await cloud.examine(base_url)
    except ProviderFault as fault:
        chart.fail("configuration", fault)


def judge_clock(line: Line, *, service: datetime | None, host: datetime, strict: bool) -> None:
    """Compare the service's Date with this host's time. Raises `ProviderFault` if that is why it will refuse calls."""
    if service is None:
        line.status, line.detail = "warning", "the service did not say its time"
        line.remedy = "Look whether something on the way removes the Date header, and check this host's clock."
        return
    apart = abs(service - host)
    line.detail = f"this host says {host:%Y-%m-%d %H:%M:%S} UTC, the service {service:%Y-%m-%d %H:%M:%S} UTC"
    if apart > REFUSED and strict:
        raise ProviderFault(Fault.CLOCK_SKEWED, f"{line.detail}: {apart.total_seconds():.0f} s apart")
    if apart > SUSPICIOUS:
        line.status, line.remedy = "warning", Fault.CLOCK_SKEWED.remedy
        line.detail += f": {apart.total_seconds():.0f} s apart"


def _tell_role(line: Line, found: Authorization) -> None:
    line.detail = f"account {found.account_code} ({found.company})"
    if found.role:
        line.detail = f"{found.role}; {line.detail}"
    if found.warnings:
        line.status, line.remedy = "warning", " ".join(found.warnings)


def _not_proved(why: ProviderFault | str, chart: Chart) -> None:
    if isinstance(why, ProviderFault):
        chart.fail("sign-in", why)
    else:
        chart.skip(("sign-in", "account", "role"), why)
