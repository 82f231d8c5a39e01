"""Which hosts are reached without the proxy: the patterns of `[connection] no_proxy`. Called by `failure.py`.

Written out because the standard library's matcher knows neither networks nor wildcards.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_WITH_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^:]+):(?P<port>\d+)")


def goes_direct(patterns: Iterable[str], host: str, port: int) -> bool:
    """Whether a connection to `host` and `port` leaves the proxy aside.

    A pattern is `*`; `<local>` (names without a dot, as Windows has it); a name (`corp.test`: itself and everything
    below); `.corp.test` or `*.corp.test` (only what is below); a name with wildcards; an address; a network
    (`10.0.0.0/8`, `fd00::/8`). Each may end in `:PORT`, an IPv6 address or network then in brackets. Networks
    match addresses only: no name is resolved.
    """
    name = _plain(host)
    return any(_matches(pattern, name, port=port) for pattern in patterns)


def _matches(pattern: str, name: str, *, port: int) -> bool:
    wanted = pattern.strip()
    found = _WITH_PORT.fullmatch(wanted)
    if found is not None:
        if int(found["port"]) != port:
            return False
        wanted = found["host"]
    wanted = _plain(wanted)
    if not wanted:
        return False
    address = _address(name)
    return _matches_name(wanted, name) if address is None else _matches_address(wanted, address, name)


def _matches_name(wanted: str, name: str) -> bool:
    if wanted == "<local>":
        return "." not in name
    if "*" in wanted or "?" in wanted:
        return fnmatchcase(name, wanted)
    if wanted.startswith("."):
        return name.endswith(wanted)
    return name == wanted or name.endswith(f".{wanted}")


def _matches_address(wanted: str, address: _Address, name: str) -> bool:
    if "*" in wanted or "?" in wanted:
        return fnmatchcase(name, wanted)
    try:
        # Not strict: "10.1.2.3/8" is what people write for 10.0.0.0/8.
        network = ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        return False
    return address in network


def _plain(host: str) -> str:
    """Lower case, without brackets and without the dot at a full name's end."""
    return host.strip().removeprefix("[").removesuffix("]").removesuffix(".").lower()


def _address(name: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
