"""The Microsoft side of one site: its mailbox account and its directory, examined as the configuration names them.

Called by the bind procedure for its steps `mailbox` and `directory`, by the doctor for their layers, and by
`resolving.py` for lookups, so that all three use the same adapters in the same way. Secrets are resolved each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from daemon.config.clouds import NationalCloud
from daemon.config.model import AccountSettings, SiteSettings
from daemon.config.prerequisites import (
    MICROSOFT_365,
    Platform,
    cloud_for,
    directory_lacks,
    is_hybrid,
    platform_lacks,
    platforms,
)
from daemon.engine.signin import Resolve, resolved
from daemon.ports import (
    DIRECTORY_LAYERS,
    MAILBOX_LAYERS,
    Directories,
    Directory,
    DirectoryAccess,
    Examination,
    Layer,
    MailboxAccess,
    Mailboxes,
    ProviderFault,
    Registration,
    Route,
    Secret,
    Sighting,
)
from states import Fault

MAILBOX_SIGN_IN: Final = MAILBOX_LAYERS[1]
DIRECTORY_SIGN_IN: Final = DIRECTORY_LAYERS[2]
NOT_ASKED: Final = "not looked at: a secret for the sign-in that follows cannot be read"
CLOUD_PREFIX: Final = "microsoft 365 "
"""Stands before the layers of the second platform where both are in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MicrosoftSide:
    """Makes the adapters of a site. Holds no state between two calls."""

    mailboxes: Mailboxes
    directories: Directories
    resolve: Resolve

    async def mailbox(self, settings: SiteSettings, route: Route, *, afresh: bool = False) -> Examination:
        """Examine the mailbox account on every platform that is in use, each to its end.

        What is not configured on one of them is skipped there, and says what is lacking; a secret that cannot be read
        fails the sign-in there. `afresh`: a person asks, so that a sign-in which was refused lately is tried all the
        same.
        """
        account = settings.account
        found = [await self._mailbox_on(each, settings, route, afresh=afresh) for each in platforms(account)]
        return _together(found) if is_hybrid(account) else found[0]

    async def _mailbox_on(
        self, platform: Platform, settings: SiteSettings, route: Route, *, afresh: bool
    ) -> Examination:
        """The mailbox account on one platform; what is wrong with the other one is none of its business."""
        lacking = platform_lacks(settings.account, platform)
        if lacking:
            return not_looked_at(MAILBOX_LAYERS, lacking)
        try:
            access = await mailbox_access(settings, self.resolve, platform=platform)
        except ProviderFault as fault:
            return unreadable(MAILBOX_LAYERS, MAILBOX_SIGN_IN, fault)
        return await self.mailboxes.mailbox(replace(access, afresh=afresh), route).examine()

    async def directory_examined(self, settings: SiteSettings, route: Route, *, afresh: bool = False) -> Examination:
        """Examine the site's directory, whose settings are whole; `afresh` and secrets as for the mailbox."""
        try:
            directory = await self.directory(settings, route, afresh=afresh)
        except ProviderFault as fault:
            return unreadable(DIRECTORY_LAYERS, DIRECTORY_SIGN_IN, fault)
        return await directory.examine()

    async def directory(self, settings: SiteSettings, route: Route, *, afresh: bool = False) -> Directory:
        """The site's directory; `afresh` as above. Raises `ProviderFault` where a secret cannot be read."""
        access = await directory_access(settings, self.resolve)
        return self.directories.directory(replace(access, afresh=afresh), route)


async def mailbox_access(settings: SiteSettings, resolve: Resolve, *, platform: Platform) -> MailboxAccess:
    """The mailbox account on one platform, with its secrets. Raises `ProviderFault` if one cannot be read."""
    account, cloud = settings.account, platform == "microsoft-365"
    own, other = account.smtp_address, settings.binding.email
    signs_in, online = account.requires_authentication and not cloud, cloud_for(account)
    return MailboxAccess(
        platform="microsoft-365" if cloud else "exchange",
        smtp_address=own,
        password=await resolved(account.password, resolve) if signs_in else None,
        requires_authentication=account.requires_authentication,
        impersonates=account.use_exchange_impersonation,
        probe_address=account.impersonation_probe,
        bind_address=other if other.casefold() != own.casefold() else "",
        autodiscover_url="" if cloud else account.autodiscover_url,
        trusted_hosts=account.trusted_hosts,
        # Where autodiscover on premises may lead, too.
        exchange_online=online.outlook if online is not None else "",
        registration=await registration_of(account, resolve) if cloud else _of_hybrid(account),
        protocol=account.microsoft_365_protocol if cloud else "ews",
    )


async def directory_access(settings: SiteSettings, resolve: Resolve) -> DirectoryAccess:
    """Where the site looks up, with its secrets. Raises `ProviderFault` if one cannot be read."""
    account, directory = settings.account, settings.directory
    if account.directory_type == MICROSOFT_365:
        return DirectoryAccess(
            platform="microsoft-365",
            domains=directory.domains,
            registration=await registration_of(account, resolve),
            lookup=account.smtp_address,
        )
    return DirectoryAccess(
        platform="active-directory",
        server=directory.server,
        base_dn=directory.base_dn,
        security=directory.security,
        sign_in=directory.sign_in,
        user=directory.user,
        password=await resolved(directory.password, resolve),
        keytab=str(directory.keytab or ""),
        domains=directory.domains,
        lookup=account.smtp_address,
    )


async def registration_of(account: AccountSettings, resolve: Resolve) -> Registration:
    """The app registration with its secret, in the cloud of its host address. Raises `ProviderFault`."""
    cloud, secret = cloud_for(account), await resolved(account.client_secret, resolve)
    if cloud is None or secret is None:
        # The configuration's rules let neither through for a step that is taken.
        raise ProviderFault(Fault.REGISTRATION_UNKNOWN, "the app registration in [account] is not whole")
    return _registration(account, cloud, secret)


def _of_hybrid(account: AccountSettings) -> Registration | None:
    """What Exchange on premises has to know of the tenant beside it, if there is one: that, and where it is.

    Never its secret, which may be missing or unreadable: Exchange is looked at all the same.
    """
    cloud = cloud_for(account)
    return _registration(account, cloud, Secret("")) if is_hybrid(account) and cloud is not None else None


def _registration(account: AccountSettings, cloud: NationalCloud, secret: Secret) -> Registration:
    return Registration(
        tenant_id=account.tenant_id,
        client_id=account.client_id,
        client_secret=secret,
        authority=cloud.authority,
        graph=cloud.graph,
        outlook=cloud.outlook,
    )


@dataclass(frozen=True, slots=True)
class Contradiction:
    """How what was seen contradicts the Directory Type, in one sentence; `certain`: nothing else could explain it."""

    sentence: str
    certain: bool


def contradiction(settings: SiteSettings, sightings: Sequence[Sighting]) -> Contradiction | None:
    """Compare what was seen with the Directory Type; None where they fit.

    The guide's table: on premises and hybrid want Microsoft Active Directory, Microsoft 365 alone its own. A tenant
    whose users come from an Active Directory may have all its mailboxes and groups in the cloud, so that alone is no
    certainty.
    """
    seen = {sighting.whereabouts: sighting.seen for sighting in reversed(sightings)}
    named = settings.account.directory_type
    if named != MICROSOFT_365:
        if "microsoft-365" not in seen or "on-premises" in seen or "hybrid" in seen:
            return None
        # A directory that is configured and did not answer may still be there.
        return _against(named, seen["microsoft-365"], MICROSOFT_365, certain=bool(directory_lacks(settings)))
    if "on-premises" in seen:
        return _against(named, seen["on-premises"], "microsoft-active-directory")
    if "hybrid" in seen:
        right = (
            "microsoft-active-directory, with the tenant as it is, unless mailboxes and groups are all in the tenant"
        )
        return _against(named, seen["hybrid"], right, certain=False)
    return None


def _against(named: str, witness: str, right: str, *, certain: bool = True) -> Contradiction:
    return Contradiction(f"[account] directory_type is {named}, but {witness}: it has to be {right}", certain)


def not_looked_at(names: Iterable[str], lacking: str) -> Examination:
    """Layers that could not be walked, because the option `lacking` is not set."""
    detail = f"not looked at: {lacking} is not set"
    return Examination(layers=tuple(Layer(name=name, seconds=0.0, detail=detail, status="skipped") for name in names))


def unreadable(names: Sequence[str], at: str, fault: ProviderFault) -> Examination:
    """A secret could not be read, so the way ends `at` the sign-in that it is for, and nothing was asked before."""
    before = names[: names.index(at)]
    skipped = (Layer(name=name, seconds=0.0, detail=NOT_ASKED, status="skipped") for name in before)
    return Examination(layers=(*skipped, Layer(name=at, seconds=0.0, detail=fault.detail, fault=fault)))


def fault_of(layers: Sequence[Layer]) -> ProviderFault | None:
    """The first fault, with the layer that it belongs to in its words."""
    for layer in layers:
        if layer.fault is not None:
            fault = layer.fault
            return ProviderFault(fault.fault, f"{layer.name}: {fault.detail}", retry_after=fault.retry_after)
    return None


def _together(examined: Sequence[Examination]) -> Examination:
    """Hybrid: both platforms, the cloud's layers under a prefix."""
    own, cloud = examined
    prefixed = tuple(replace(layer, name=f"{CLOUD_PREFIX}{layer.name}") for layer in cloud.layers)
    return Examination(layers=own.layers + prefixed, sightings=own.sightings + cloud.sightings)
