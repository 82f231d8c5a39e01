"""Which settings stand on which page, under the names that the Windows utility gave them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Fields that belong together. `folded`: few need them, so they open on demand."""

    title: str
    section: str
    options: tuple[str, ...]
    folded: bool = False

    @property
    def keys(self) -> tuple[Key, ...]:
        """The places of the fields in a file."""
        return tuple((self.section, option) for option in self.options)


GROUPS: Final[dict[str, tuple[Group, ...]]] = {
    "accounts": (
        Group(
            title="Microsoft mailbox account",
            section="account",
            options=(
                "smtp_address",
                "password",
                "use_exchange_impersonation",
                "requires_authentication",
                "directory_type",
            ),
        ),
        Group(
            title="OAuth: the app registration in Microsoft 365",
            section="account",
            options=("host_address", "tenant_id", "client_id", "client_secret"),
        ),
        Group(
            title="Seldom needed",
            section="account",
            options=(
                "impersonation_probe",
                "autodiscover_url",
                "trusted_hosts",
                "microsoft_365_protocol",
                "graph_url",
                "exchange_online_url",
            ),
            folded=True,
        ),
    ),
    "connection": (
        Group(
            title="Proxy",
            section="connection",
            options=(
                "use_proxy",
                "proxy_host",
                "proxy_port",
                "proxy_requires_authentication",
                "proxy_username",
                "proxy_password",
                "no_proxy",
                "from_environment",
            ),
        ),
        Group(title="Certificates", section="connection", options=("ca_file",)),
    ),
    "site": (Group(title="Name", section="site", options=("display_name",)),),
    "bind": (
        Group(
            title="Sign-in that is used when nobody types one",
            section="binding",
            options=(
                "authentication_type",
                "email",
                "password",
                "application_id",
                "application_key",
                "client_id",
                "client_secret",
            ),
        ),
        Group(
            title="What must pass, and when it is tried",
            section="binding",
            options=(
                "require",
                "automatic",
                "verify_every",
                "lost_after",
                "retry_first",
                "retry_ceiling",
                "service_url",
                "trusted_suffixes",
            ),
            folded=True,
        ),
    ),
    "directory": (
        Group(
            title="Where addresses and groups are looked up",
            section="directory",
            options=(
                "server",
                "base_dn",
                "security",
                "sign_in",
                "user",
                "password",
                "keytab",
                "domains",
                "cache_for",
                "members_limit",
            ),
        ),
    ),
}

_LABELS: Final[dict[Key, str]] = {
    ("account", "smtp_address"): "SMTP Address",
    ("account", "directory_type"): "Directory Type",
    ("account", "tenant_id"): "Tenant ID",
    ("account", "client_id"): "Client ID",
    ("account", "microsoft_365_protocol"): "Protocol for Microsoft 365",
    ("account", "graph_url"): "Address of Microsoft Graph",
    ("account", "exchange_online_url"): "Address of Exchange Online",
    ("account", "autodiscover_url"): "Address of Autodiscover",
    ("connection", "use_proxy"): "Use a Proxy Server",
    ("connection", "no_proxy"): "Exceptions",
    ("connection", "from_environment"): "Take the proxy from the environment",
    ("connection", "ca_file"): "File of further CAs",
    ("directory", "base_dn"): "Base DN",
    ("directory", "sign_in"): "Sign in by",
    ("directory", "domains"): "Mail domains",
    ("directory", "cache_for"): "Keep answers for",
    ("directory", "members_limit"): "Most members of a group",
    ("binding", "email"): "E-mail address",
    ("binding", "application_id"): "Application ID",
    ("binding", "client_id"): "Client ID",
    ("binding", "require"): "Steps that must pass",
    ("binding", "automatic"): "Bind without being asked",
    ("binding", "verify_every"): "Verify every",
    ("binding", "lost_after"): "Refusals until it counts as lost",
    ("binding", "retry_first"): "First retry within",
    ("binding", "retry_ceiling"): "Longest wait between retries",
    ("binding", "service_url"): "Address of the service",
    ("site", "display_name"): "Display Name",
}


def label(section: str, option: str) -> str:
    """The field's name for people."""
    return _LABELS.get((section, option)) or option.replace("_", " ").title()


def name(section: str, option: str) -> str:
    """The field's name in a form."""
    return f"{section}.{option}"
