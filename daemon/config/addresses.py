"""Names on the network as an administrator writes them: domains, hosts, mail addresses. Used by `daemon.config.values`.

Every function returns the checked value, or raises `BadValue` in words.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from daemon.audit_values import Receiver
from daemon.config.problems import BadValue, shown

_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_DIGITS = re.compile(r"[0-9]{1,5}")
_WILDCARD = re.compile(r"[a-z0-9_.:*?-]+")
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NAMED = r"\s*(?:[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+)\s*=\s*(?:[^\\,=\s]|\\.)(?:[^\\,]|\\.)*"
_DISTINGUISHED_NAME = re.compile(f"{_NAMED}(?:,{_NAMED})*")


def ascii_domain(text: str) -> str:
    """A host or domain name in lower-case ASCII (`bücher.example` is `xn--bcher-kva.example`)."""
    name = text.lower()
    if not name.isascii():
        name = _internationalised(name)
    labels = name.split(".")
    if len(name) > 253 or labels[-1].isdigit() or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadValue(f"{shown(text)} is not a domain name", "letters, digits and - between dots, as in example.com")
    return name


def _internationalised(name: str) -> str:
    import idna  # noqa: PLC0415 - its tables take 10 ms to load, and few domains need them

    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except UnicodeError:  # which IDNAError is
        raise BadValue(f"{shown(name)} is not a domain name") from None


def mail_domain(text: str) -> str:
    """A domain that mail goes to: at least two labels. Kept as written, in lower case."""
    if "." not in ascii_domain(text):
        raise BadValue(f"{shown(text)} has no dot", "the whole domain is wanted, as in example.com")
    return text.lower()


def mail_address(text: str) -> str:
    """`local@domain`, as written; the domain may be internationalised, the local part is plain ASCII."""
    local, at, domain = text.rpartition("@")
    if not at or not local:
        raise BadValue("is not an e-mail address", "it is written name@example.com")
    if len(local) > 64 or not _LOCAL_PART.fullmatch(local):
        raise BadValue(
            "is not an e-mail address: the part before the @ is out of order",
            "64 ASCII letters, digits and common signs at most, no blanks, single dots inside",
        )
    try:
        mail_domain(domain)
    except BadValue as bad:
        raise BadValue(f"is not an e-mail address: the domain {bad}", bad.hint) from None
    return text


def tenant(text: str) -> str:
    """A tenant as Microsoft's identity platform knows it: a GUID, or a domain of at least two labels. As written."""
    wanted = "the Directory (tenant) ID of the app registration, or a domain such as example.onmicrosoft.com"
    if _GUID.fullmatch(text):
        return text
    try:
        mail_domain(text)
    except BadValue:
        raise BadValue(f"{shown(text)} is neither a GUID nor a domain", wanted) from None
    return text


def distinguished_name(text: str) -> str:
    """A place in a directory (RFC 4514), names and values between commas. As written."""
    if _DISTINGUISHED_NAME.fullmatch(text):
        return text
    raise BadValue(f"{shown(text)} is not a distinguished name", f"it is written {_as_components(text)}")


def _as_components(text: str) -> str:
    """The components of a domain that was written for a distinguished name; an example for anything else."""
    try:
        name = mail_domain(text)
    except BadValue:
        name = "corp.example.com"
    return ",".join(f"DC={label}" for label in name.split("."))


def host(text: str) -> str:
    """A host name or an IP address, IPv6 without brackets; in lower case."""
    if "://" in text:
        raise BadValue(f"{shown(text)} is a URL", "only the host is wanted, without http:// and without a path")
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return ipaddress.ip_address(bare).compressed
    except ValueError:
        return ascii_domain(text)


def host_and_port(text: str) -> tuple[str, int]:
    """`host`, `host:port`, `[::1]:port` or a bare IPv6 address; port 0 where none was written."""
    name, colon, number = text.rpartition(":")
    bracketed = name.startswith("[") and name.endswith("]")
    if colon and (bracketed or ":" not in name) and "//" not in number:
        return host(name), port(number)
    return host(text), 0


def port(text: str) -> int:
    """A port, 1 to 65535."""
    if not _DIGITS.fullmatch(text) or not 1 <= int(text) <= 65535:
        raise BadValue(f"{shown(text)} is not a port", "a number from 1 to 65535")
    return int(text)


def is_loopback(name: str) -> bool:
    """Whether a host (as `host` returns it) is this machine for certain."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def trusted_suffix(text: str) -> str:
    """A suffix that credentials may go to: a domain of two labels or more, `localhost`, or a loopback address."""
    name = host(text.removeprefix("*.").removeprefix("."))
    if is_loopback(name):
        return name
    if "." not in name or ":" in name or name.replace(".", "").isdigit():
        raise BadValue(f"{shown(text)} is too wide or no domain", "name a domain such as mimecast.com")
    return name


def is_trusted(name: str, suffixes: tuple[str, ...]) -> bool:
    """Whether a host is one of the suffixes or ends in one, at a dot."""
    return any(name == suffix or name.endswith(f".{suffix}") for suffix in suffixes)


def service_url(text: str) -> str:
    """`https://host[:port]` without anything behind it, in lower case and without a trailing slash."""
    wanted = "it is written https://host or https://host:port"
    try:
        parts = urlsplit(text)
    except ValueError:
        raise BadValue("is not a URL", wanted) from None
    if parts.scheme != "https":
        raise BadValue("does not begin with https://", "sign-ins go over TLS only; " + wanted)
    if "@" in parts.netloc or parts.path.strip("/") or parts.query or parts.fragment or not parts.netloc:
        raise BadValue("is more or less than scheme, host and port", wanted)
    name, number = host_and_port(parts.netloc)
    shape = f"[{name}]" if ":" in name else name
    return f"https://{shape}:{number}" if number else f"https://{shape}"


def receiver(text: str) -> Receiver:
    """`tcp://host:port` or `tls://host:port`, without anything behind it."""
    wanted = "it is written tls://host:port or tcp://host:port; the usual ports of syslog are 6514 and 601"
    scheme, separator, place = text.partition("://")
    if not separator or scheme.lower() not in {"tcp", "tls"}:
        raise BadValue(f"{shown(text)} begins with neither tls:// nor tcp://", wanted)
    name, number = host_and_port(place.removesuffix("/"))
    if not number:
        raise BadValue(f"{shown(text)} names no port", wanted)
    return Receiver(host=name, port=number, tls=scheme.lower() == "tls")


def collector(text: str) -> str:
    """`https://host[:port]/path` or the same with http, without a user, a query or a fragment."""
    wanted = "it is written http://host:4318/v1/traces, or the same with https"
    try:
        parts = urlsplit(text)
    except ValueError:
        raise BadValue("is not a URL", wanted) from None
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise BadValue(f"{shown(text)} begins with neither http:// nor https://", wanted)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise BadValue("is more than scheme, host, port and path", wanted)
    if not parts.path.strip("/"):
        raise BadValue(f"{shown(text)} names no path", wanted)
    name, number = host_and_port(parts.netloc)
    shape = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{shape}{f':{number}' if number else ''}{parts.path}"


def host_of(url: str) -> str:
    """The host of a URL that `service_url` returned."""
    return host_and_port(url.removeprefix("https://"))[0]


def proxy_exception(text: str) -> str:
    """One entry of no_proxy: `<local>`, `*`, a name with wildcards, a host, `.suffix`, an address or a network.

    Each may end in `:port`, an IPv6 address then in brackets. As written, except for an internationalised name, which
    is compared in ASCII.
    """
    if text == "<local>":
        return text
    name, colon, number = text.rpartition(":")
    if not colon or not number.isdigit() or (":" in name and not name.endswith("]")):
        return _exception(text)
    return f"{_exception(name)}:{port(number)}"


def _exception(text: str) -> str:
    """The same without a port."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if "/" in bare:
        try:
            ipaddress.ip_network(bare, strict=False)
        except ValueError:
            raise BadValue(f"{shown(text)} is not a network", "a network is written 10.0.0.0/8") from None
        return text
    if "*" in bare or "?" in bare:
        if not _WILDCARD.fullmatch(bare.lower()):
            raise BadValue(f"{shown(text)} is not a name with wildcards", "one is written *.example.com or srv?.local")
        return text
    name = host(bare.removeprefix(".").removesuffix("."))
    return text if text.isascii() else f"{'.' * bare.startswith('.')}{name}"
