"""What a host's name says about itself. Pure; called by whoever decides about addresses."""

from __future__ import annotations

import ipaddress


def is_address(host: str) -> bool:
    """Whether it is an IP address, and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_on(host: str, suffix: str) -> bool:
    """Whether `host` is `suffix` or lies below it; a suffix of one label and an address have to be equal."""
    plain, host = suffix.strip().strip(".").strip("[]").lower(), host.rstrip(".").lower()
    if "." not in plain or is_address(plain) or is_address(host):
        return bool(plain) and host == plain
    return host == plain or host.endswith(f".{plain}")
