"""Which servers hold a domain: as configured, or by DNS as a domain member finds them, those of our site first.

Called by `ldap_connector.py`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from daemon.ports import DirectoryAccess, ProviderFault
from daemon.providers.failure import authority
from daemon.providers.name_service import NameService, Record
from daemon.providers.netlogon import site_of_this_host
from states import Fault

PORTS: Final = {"ldaps": 636, "starttls": 389, "none": 389}
_SITE_KEPT: Final = 3600.0
_PINGED: Final = 3
_COMPONENT: Final = re.compile(r"\s*dc\s*=\s*([^,=]+?)\s*", re.IGNORECASE)
_LABEL: Final = re.compile(r"[a-z0-9_-]{1,63}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Server:
    """A server to try; `found` tells in a clause how it was found."""

    host: str
    port: int
    found: str = ""

    def __str__(self) -> str:
        return authority(self.host, self.port)


class DomainControllers:
    """Finds servers and their addresses. `nameservers`: asked instead of this system's own, `host` or `host:port`."""

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        nameservers: Sequence[str] = (),
        chance: random.Random | None = None,
    ) -> None:
        self._monotonic = monotonic
        self._names = NameService([(one.host, one.port) for one in (_configured(each, 53) for each in nameservers)])
        # SRV weights spread load; nothing is kept secret by this.
        self._chance = chance or random.Random()  # noqa: S311
        self._sites: dict[str, tuple[str, float]] = {}

    async def servers(self, access: DirectoryAccess, *, seconds: float) -> list[Server]:
        """The servers in the order in which they are to be tried, at least one. Raises `ProviderFault`."""
        port = PORTS[access.security]
        if access.server:
            return [_configured(access.server, port)]
        domain = domain_of(access.base_dn)
        if not domain:
            raise ProviderFault(
                Fault.DIRECTORY_UNREACHABLE,
                "neither [directory] server names a host nor does base_dn name a domain whose servers DNS could tell",
            )
        everywhere = await self._recorded(f"_ldap._tcp.dc._msdcs.{domain}", seconds=seconds)
        site = await self._site(domain, everywhere)
        near = await self._near(site, domain, seconds=seconds) if site else []
        names = {record.host for record in near}
        here = [Server(each.host, port, f"from DNS, of this host's site {site}") for each in near]
        rest = [Server(each.host, port, f"from DNS for {domain}") for each in everywhere if each.host not in names]
        return here + rest

    async def addresses(self, host: str, *, seconds: float) -> list[str]:
        """The addresses of a server. Raises `ProviderFault`."""
        return await self._names.addresses(host, seconds=seconds)

    async def _recorded(self, name: str, *, seconds: float) -> list[Record]:
        records = await self._names.services(name, seconds=seconds)
        if not records:
            raise ProviderFault(
                Fault.NAME_NOT_RESOLVED,
                f"DNS names no domain controller: {name} has no SRV record. Ask a DNS server that knows the domain, or "
                "set [directory] server",
            )
        return in_order(records, self._chance)

    async def _site(self, domain: str, records: Sequence[Record]) -> str:
        """The site of this host, as the first domain controllers that answer see it; empty if none does."""
        site, until = self._sites.get(domain, ("", 0.0))
        if self._monotonic() < until:
            return site
        for record in records[:_PINGED]:
            site = await self._site_by(record.host, domain)
            if site:
                break
        self._sites[domain] = site, self._monotonic() + _SITE_KEPT
        return site

    async def _site_by(self, host: str, domain: str) -> str:
        try:
            addresses = await self.addresses(host, seconds=1.0)
        except ProviderFault:
            # Which site we are in only sorts the servers; that this one is down is found when it is connected to.
            return ""
        return await site_of_this_host(addresses[0], domain)

    async def _near(self, site: str, domain: str, *, seconds: float) -> list[Record]:
        try:
            return await self._recorded(f"_ldap._tcp.{site}._sites.dc._msdcs.{domain}", seconds=seconds)
        except ProviderFault:
            # A site without a domain controller of its own is usual.
            return []


def domain_of(dn: str) -> str:
    """The DNS domain in which a distinguished name lies; empty where it names none."""
    parts = [found[1] for piece in dn.split(",") if (found := _COMPONENT.fullmatch(piece))]
    return ".".join(parts).lower() if parts and all(_LABEL.fullmatch(part) for part in parts) else ""


def in_order(records: Sequence[Record], chance: random.Random) -> list[Record]:
    """By priority, and by weight within one priority (RFC 2782)."""
    ordered: list[Record] = []
    for priority in sorted({record.priority for record in records}):
        left = [record for record in records if record.priority == priority]
        while left:
            # A weight of zero must stay possible beside others.
            weights = [record.weight + 0.01 for record in left]
            [taken] = chance.choices(left, weights)
            left.remove(taken)
            ordered.append(taken)
    return ordered


def _configured(server: str, port: int) -> Server:
    host, colon, given = server.strip().rpartition(":")
    if colon and given.isdecimal() and (":" not in host or host.endswith("]")):
        return Server(host.strip("[]"), int(given))
    return Server(server.strip().strip("[]"), port)
