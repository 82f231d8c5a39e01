"""Whose host it is that autodiscover leads to, and which addresses may be called at all. Pure.

Called by the `autodiscover` modules and by `ews.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import urlsplit

from daemon.providers.ews_signin import host_of
from daemon.providers.hosts import is_on

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?|[0-9a-f:.]+", re.IGNORECASE)
# Exchange Online and its autodiscover, in every national cloud; by their endings.
_MICROSOFT: Final = (
    "outlook.com",
    "office.com",
    "office365.com",
    "office365.us",
    "outlook.cn",
    "onmicrosoft.com",
    "onmicrosoft.us",
    "onmschina.cn",
)


class Standing(Enum):
    """Whose a host is, as seen from the account's address and the configuration."""

    OWN = "own"
    NAMED = "named"
    MICROSOFT = "microsoft"
    STRANGER = "stranger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """`domains` are the address's own; `named` are suffixes and `places` addresses that the configuration names.

    `online` is the address of Exchange Online in the registration's cloud; empty without one.
    """

    domains: tuple[str, ...]
    named: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    online: str = ""

    def of(self, url: str) -> Standing:
        """Whose host `url` leads to. What stands in the registration goes first, then what is configured."""
        place, host = host_of(url), (urlsplit(url).hostname or "").rstrip(".").lower()
        if self.online and place == host_of(self.online):
            return Standing.MICROSOFT
        if any(place == host_of(known) for known in self.places):
            return Standing.NAMED
        if any(is_on(host, suffix) for suffix in self.named):
            return Standing.NAMED
        if any(is_on(host, suffix) for suffix in _MICROSOFT):
            return Standing.MICROSOFT
        return Standing.OWN if any(is_on(host, domain) for domain in self.domains) else Standing.STRANGER


def domain_of(address: str) -> str:
    """The domain of an address as DNS spells it, in lower case."""
    domain = address.rpartition("@")[2].lower()
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        return domain


def why_unusable(url: str) -> str:
    """Why an address that an answer names is not called, in a clause; empty for one that may be."""
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return "it is not an address"
    if parts.scheme.lower() != "https":
        return "it is not https"
    if parts.username is not None or not _NAME.fullmatch(host):
        return "it is not a plain https address"
    return ""


def origin(url: str) -> str:
    """Scheme and host of an https address, without a path."""
    return f"https://{host_of(url)}"
