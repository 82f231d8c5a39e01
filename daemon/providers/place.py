"""Addresses of the service: which may be used, and the region that a host's name tells. Called by the adapters."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from daemon.ports import ProviderFault
from daemon.providers.failure import authority
from daemon.providers.hosts import is_address, is_on
from daemon.providers.quoting import quoted
from states import Fault

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_REGIONAL: Final = re.compile(r"(?P<region>[a-z]{2,4})-api\.")
_ALIASES: Final = {"jer": "je", "uk": "eu"}


def base_of(service_url: str, *, default: str) -> str:
    """The configured base address without its trailing slash, or the public one."""
    return service_url.rstrip("/") or default


def trusted_base(named: object, *, suffixes: Iterable[str]) -> str:
    """Give the base address that discovery named, written anew, if credentials may be sent there.

    It has to be HTTPS, without user, path or query, and its host on one of `suffixes`; a suffix of one label
    (`localhost`) and an address have to be equal. Raises `ProviderFault`.
    """
    if not isinstance(named, str):
        raise _untrusted(named, "it is not an address")
    try:
        parts = urlsplit(named.strip())
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise _untrusted(named, "it is not an address") from None
    if parts.scheme != "https" or parts.username is not None or parts.query or parts.fragment:
        raise _untrusted(named, "only a plain https address is used")
    if parts.path not in {"", "/"} or not (_NAME.fullmatch(host) or is_address(host)):
        raise _untrusted(named, "only a plain https address is used")
    if not any(is_on(host, suffix) for suffix in suffixes):
        raise _untrusted(named, f"its host is not on {', '.join(suffixes) or 'any trusted suffix'}")
    return f"https://{host}" if port in {None, 443} else f"https://{authority(host, port or 443)}"


def region_in(base_url: str) -> str:
    """The region in a name like `us-api.mimecast.com`; empty for any other host."""
    found = _REGIONAL.match(urlsplit(base_url).hostname or "")
    return _ALIASES.get(found["region"], found["region"]) if found else ""


def _untrusted(named: object, why: str) -> ProviderFault:
    shown = f'"{quoted(named)}"' if isinstance(named, str) else "something else than text"
    return ProviderFault(Fault.SERVICE_ADDRESS_UNTRUSTED, f"discovery named {shown} as the service's address: {why}")
