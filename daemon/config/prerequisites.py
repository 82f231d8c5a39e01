"""What a site's settings say of the Microsoft side: on which platforms its mailbox account works, and what is lacking.

Pure functions over `SiteSettings`, read by the configuration's rules and by the engine, so that both say the same.
"""

from __future__ import annotations

import importlib.util
from typing import Literal

from daemon.config.clouds import NationalCloud, cloud_of
from daemon.config.model import AccountSettings, DirectorySettings, SiteSettings

MICROSOFT_365 = "microsoft-365-directory"

Platform = Literal["exchange", "microsoft-365"]


def is_hybrid(account: AccountSettings) -> bool:
    """Whether Exchange and Microsoft 365 are both in use: Active Directory with a tenant."""
    return account.directory_type != MICROSOFT_365 and bool(account.tenant_id)


def platforms(account: AccountSettings) -> tuple[Platform, ...]:
    """Where the mailbox account works: the guide's table of target environments."""
    if account.directory_type == MICROSOFT_365:
        return ("microsoft-365",)
    return ("exchange", "microsoft-365") if is_hybrid(account) else ("exchange",)


def cloud_for(account: AccountSettings) -> NationalCloud | None:
    """The national cloud of the app registration; None where its addresses are not known."""
    return cloud_of(account.host_address, graph_url=account.graph_url, exchange_online_url=account.exchange_online_url)


def registration_lacks(account: AccountSettings) -> str:
    """The first option of the app registration that is not set; empty when it is whole."""
    names = ("tenant_id", "client_id", "client_secret")
    return next((f"[account] {name}" for name in names if not getattr(account, name)), "")


def platform_lacks(account: AccountSettings, platform: Platform) -> str:
    """The first option that the mailbox account needs on this platform and that is not set; empty when it is whole."""
    if not account.smtp_address:
        return "[account] smtp_address"
    if platform == "microsoft-365":
        return registration_lacks(account)
    return "[account] password" if account.requires_authentication and account.password is None else ""


def can_be_looked_at_anywhere(account: AccountSettings) -> bool:
    """Whether the mailbox account is whole on at least one platform."""
    return any(not platform_lacks(account, platform) for platform in platforms(account))


def mailbox_lacks(site: SiteSettings) -> str:
    """The first option that the `mailbox` step needs and that is not set; empty when nothing is lacking."""
    lacking = (platform_lacks(site.account, platform) for platform in platforms(site.account))
    return next(filter(None, lacking), "")


def directory_lacks(site: SiteSettings) -> str:
    """The first option that the `directory` step needs and that is not set; empty when nothing is lacking."""
    if site.account.directory_type == MICROSOFT_365:
        return registration_lacks(site.account)
    return _sign_in_lacks(site.directory) or (
        "" if site.directory.server or site.directory.base_dn else "[directory] server"
    )


def _sign_in_lacks(directory: DirectorySettings) -> str:
    """Kerberos takes a keytab for the password, and without any of it the ticket that the process has anyway."""
    with_ticket = directory.sign_in == "kerberos"
    if with_ticket and not directory.user and directory.password is None and directory.keytab is None:
        return ""
    if not directory.user:
        return "[directory] user"
    has_key = directory.password is not None or (with_ticket and directory.keytab is not None)
    return "" if has_key else "[directory] password"


def kerberos_is_installed() -> bool:
    """Whether the extra that speaks Kerberos is there."""
    return importlib.util.find_spec("gssapi") is not None


def traces_can_be_sent() -> bool:
    """Whether the extra that sends them is there."""
    try:
        return importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


LACKS = {"mailbox": mailbox_lacks, "directory": directory_lacks}
"""By the name of the step in `[binding] require`."""
