"""What a directory server says of itself, and whether the base is a place in it. Called by session and directory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from daemon.ports import ProviderFault
from daemon.providers.domain_controllers import domain_of
from daemon.providers.ldap_connection import EVERYTHING, Ask, LdapConnection
from daemon.providers.quoting import quoted
from states import Fault

_ACTIVE_DIRECTORY: Final = "1.2.840.113556.1.4.800"
_LIGHTWEIGHT: Final = "1.2.840.113556.1.4.1851"
_ATTRIBUTES: Final = (
    "defaultNamingContext",
    "dnsHostName",
    "namingContexts",
    "supportedCapabilities",
    "vendorName",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """The root DSE, as far as it matters. `domain_dn` is the default naming context."""

    domain_dn: str
    host: str
    capabilities: frozenset[str]
    contexts: tuple[str, ...]

    @property
    def domain(self) -> str:
        """The DNS name of the domain that the server holds."""
        return domain_of(self.domain_dn)

    @property
    def is_active_directory(self) -> bool:
        """Whether it is a domain controller of an Active Directory."""
        return _ACTIVE_DIRECTORY in self.capabilities and bool(self.domain_dn)

    def unsuitable(self, server: str) -> ProviderFault:
        """The fault of a server that is none."""
        if _LIGHTWEIGHT in self.capabilities:
            what = "it is an AD LDS instance, not a domain controller"
        else:
            holds = ", ".join(quoted(one, longest=80) for one in self.contexts[:3]) or "nothing that it tells of"
            what = f"it names no capability of Active Directory; it holds {holds}"
        return ProviderFault(Fault.DIRECTORY_UNSUITABLE, f"{server}: {what}")


async def root_of(connection: LdapConnection) -> Root:
    """Ask for the root DSE. Raises `ProviderFault`."""
    ask = Ask(base="", scope="base", wanted=EVERYTHING, attributes=_ATTRIBUTES)
    page = await connection.page(ask)
    entry = next(iter(page.entries), None)
    if entry is None:
        raise ProviderFault(Fault.DIRECTORY_UNSUITABLE, f"{connection.server}: it says nothing of itself (root DSE)")
    return Root(
        domain_dn=entry.text("defaultnamingcontext"),
        host=entry.text("dnshostname"),
        capabilities=frozenset(entry.texts("supportedcapabilities")),
        contexts=tuple(entry.texts("namingcontexts")),
    )


def base_in(root: Root, base_dn: str, *, server: str) -> str:
    """The base to search below: the configured one, else the whole domain. Raises `ProviderFault`."""
    if not root.is_active_directory:
        raise root.unsuitable(server)
    return base_dn or root.domain_dn
