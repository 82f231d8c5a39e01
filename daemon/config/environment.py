"""The proxy that the process's environment names: HTTPS_PROXY and NO_PROXY, in either case.

Asked only by `[connection] from_environment = yes`. Called by `daemon.engine.signin` and `fingerprints`. What stands
in the variables may hold a password, so nothing of it is ever quoted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from daemon.config import addresses
from daemon.config.problems import BadValue
from daemon.ports import Secret

# Lower case first, as curl and Python's own library have it.
_PROXY: Final = ("https_proxy", "HTTPS_PROXY")
_EXCEPTIONS: Final = ("no_proxy", "NO_PROXY")
_WANTED: Final = "it is written http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, the sign-in percent-encoded"
_OTHER_KINDS: Final = frozenset({"https", "socks4", "socks4a", "socks5", "socks5h"})
_PLAIN_PORT: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedProxy:
    """A proxy and the variable that names it; `username` is empty where the URL holds no sign-in."""

    variable: str
    host: str
    port: int
    username: str = ""
    password: Secret | None = None


def proxy_named_in(environment: Mapping[str, str]) -> NamedProxy | None:
    """The proxy, or None where no variable names one. `BadValue` for one that cannot be used, without quoting it."""
    variable, text = _first_of(_PROXY, environment)
    if not text:
        return None
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port = parts.port
    except ValueError:  # its text quotes what it could not read
        raise BadValue(f"the address in {variable} cannot be read", _WANTED) from None
    _check_shape(parts, variable)
    return NamedProxy(
        variable=variable,
        host=_host(parts, variable),
        port=port or _PLAIN_PORT,
        username=_decoded(parts.username, variable),
        password=Secret(_decoded(parts.password, variable)) if parts.username else None,
    )


def exceptions_named_in(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The patterns of NO_PROXY, as written. Commas and blanks separate them; one that means nothing matches nothing."""
    return tuple(dict.fromkeys(filter(None, re.split(r"[,\s]+", _first_of(_EXCEPTIONS, environment)[1]))))


def all_of(environment: Mapping[str, str]) -> str:
    """Everything that the way out depends on, for a keyed digest only: it may hold a password."""
    return "\n".join((_first_of(_PROXY, environment)[1], *exceptions_named_in(environment)))


def _first_of(names: tuple[str, ...], environment: Mapping[str, str]) -> tuple[str, str]:
    """The first variable that is set to something, and its text."""
    found = ((name, environment.get(name, "").strip()) for name in names)
    return next((pair for pair in found if pair[1]), (names[-1], ""))


def _check_shape(parts: SplitResult, variable: str) -> None:
    if parts.scheme in _OTHER_KINDS:
        raise BadValue(f"{variable} names a proxy of the kind {parts.scheme}://, which is not spoken here", _WANTED)
    if parts.scheme != "http" or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise BadValue(f"the address in {variable} is more or less than scheme, sign-in, host and port", _WANTED)


def _host(parts: SplitResult, variable: str) -> str:
    try:
        return addresses.host(parts.hostname or "")
    except BadValue:  # its text quotes the host, which may be a piece of a password that was not encoded
        raise BadValue(f"the address in {variable} names no usable host", _WANTED) from None


def _decoded(text: str | None, variable: str) -> str:
    try:
        return unquote(text or "", errors="strict")
    except UnicodeDecodeError:
        raise BadValue(f"the sign-in in {variable} is not percent-encoded UTF-8", _WANTED) from None
