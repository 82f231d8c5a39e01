"""What a broken connection means: every way in which names, TCP, TLS or a proxy fail, as a `ProviderFault`.

Called by `tunnel.py`, `reach.py` and `http.py`, so that one trouble gets the same fault and words everywhere.
"""

from __future__ import annotations

import errno
import os
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from daemon.ports import ProviderFault, Route
from daemon.providers.no_proxy import goes_direct
from daemon.providers.quoting import quoted
from states import Fault

# In a list of challenges a scheme is a word that stands alone; a word before "=" is a parameter of one.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9_-]{0,30})(?=\s|$)(?!\s*=)")
_QUOTED_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_SQUID_ERROR = re.compile(r"ERR_[A-Z_]{1,40}")
# A peer that closes during the handshake shows as one of these, after TCP was already there.
_CUT = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
_TOO_OLD = frozenset({"TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A host that is called, and `proxy` as `host:port`, for people, when it is called through one.

    `beyond_ascii`: the sign-in at the proxy holds characters of which nobody can know how the proxy reads them.
    """

    host: str
    port: int
    proxy: str = ""
    signs_in: bool = False
    beyond_ascii: bool = False

    def __str__(self) -> str:
        way = f" through the proxy {self.proxy}" if self.proxy else ""
        return f"{authority(self.host, self.port)}{way}"


def authority(host: str, port: int) -> str:
    """`host:port`, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def target_of(route: Route, host: str, port: int) -> Target:
    """Decide whether `host` is reached through the route's proxy."""
    if not route.use_proxy or goes_direct(route.no_proxy, host, port):
        return Target(host=host, port=port)
    proxy = authority(route.proxy_host, route.proxy_port)
    if route.proxy_source:
        proxy += f" (from {route.proxy_source})"
    password = route.proxy_password.reveal() if route.proxy_password is not None else ""
    return Target(
        host=host,
        port=port,
        proxy=proxy,
        signs_in=bool(route.proxy_username),
        beyond_ascii=not (route.proxy_username + password).isascii(),
    )


def with_request_id(fault: ProviderFault, request_id: str) -> ProviderFault:
    """Name the call in the detail, so that the service's support can find it."""
    if not request_id:
        return fault
    detail = f"{fault.detail} (request id {quoted(request_id, longest=64)})"
    return ProviderFault(fault.fault, detail, retry_after=fault.retry_after)


def reason_of(error: OSError) -> str:
    """Say why, in the system's own words."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return quoted(error.strerror or str(error)) or type(error).__name__


def name_not_resolved(target: Target, error: OSError | UnicodeError) -> ProviderFault:
    """No address is known: for the proxy when there is one, since it resolves the service's name itself."""
    reason = quoted(error.strerror) if isinstance(error, OSError) else "it is not a host name"
    reason = reason or "no address found"
    if target.proxy:
        return ProviderFault(
            Fault.PROXY_NAME_NOT_RESOLVED, f"the name of the proxy {target.proxy} does not resolve: {reason}"
        )
    return ProviderFault(Fault.NAME_NOT_RESOLVED, f"{target.host} does not resolve: {reason}")


def not_connected(target: Target, error: OSError) -> ProviderFault:
    """TCP was refused or found no way."""
    if target.proxy:
        return ProviderFault(Fault.PROXY_UNREACHABLE, f"no connection to the proxy {target.proxy}: {reason_of(error)}")
    return ProviderFault(Fault.UNREACHABLE, f"no connection to {target}: {reason_of(error)}")


def timed_out(target: Target, *, doing: str, seconds: float) -> ProviderFault:
    """Nothing came in time."""
    return ProviderFault(Fault.TIMED_OUT, f"{target}: {doing} took longer than {seconds:g} s")


def connection_lost(target: Target, *, doing: str) -> ProviderFault:
    """The connection was cut while it was used."""
    return ProviderFault(Fault.CONNECTION_LOST, f"{target}: the connection was cut {doing}")


def tls_failed(target: Target, error: OSError) -> ProviderFault:
    """The handshake broke for another reason than the certificate."""
    if isinstance(error, _CUT) or error.errno in {errno.ECONNRESET, errno.EPIPE}:
        reason = "the other side closed the connection during the handshake"
    elif isinstance(error, ssl.SSLError) and error.reason in _TOO_OLD:
        reason = "the other side speaks only TLS versions older than 1.2"
    elif isinstance(error, ssl.SSLError) and error.reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST"}:
        reason = "the other side does not speak TLS"
    elif isinstance(error, ssl.SSLError):
        reason = quoted((error.reason or "").replace("_", " ").lower()) or "handshake failure"
    else:
        reason = reason_of(error)
    return ProviderFault(Fault.TLS_FAILED, f"no TLS with {target}: {reason}")


def broke_in_handshake(error: OSError) -> bool:
    """Whether an error of connecting came after TCP was there."""
    return isinstance(error, (ssl.SSLError, *_CUT)) or error.errno in {errno.ECONNRESET, errno.EPIPE}


def certificate_untrusted(target: Target, *, reason: str, presented: str) -> ProviderFault:
    """The certificate does not prove the host. `presented` describes it; empty when it could not be read."""
    shown = presented or "the certificate itself could not be read"
    if "expired" in reason or "not yet valid" in reason:
        shown += "; if that should hold, this host's clock is wrong"
    return ProviderFault(Fault.CERTIFICATE_UNTRUSTED, f"{target}: {quoted(reason)}; {shown}")


def proxy_refused(
    target: Target, *, status: int, schemes: Sequence[str], squid_error: str = "", method: str = "CONNECT"
) -> ProviderFault:
    """The proxy did not open the way. `schemes`: its Proxy-Authenticate headers, `squid_error`: X-Squid-Error.

    tinyproxy answers a wrong password with 401 instead of 407. `method` is another one for plain HTTP.
    """
    asked = f"the proxy {target.proxy} answered {status} to {method} {authority(target.host, target.port)}"
    if status in {401, 407}:
        return ProviderFault(Fault.PROXY_AUTHENTICATION, f"{asked}: {_sign_in_advice(target, schemes)}")
    if status >= 500:
        known = _SQUID_ERROR.match(squid_error)
        why = f" ({known[0]})" if known else ""
        return ProviderFault(Fault.UNREACHABLE, f"{asked}{why}: it could not reach the service itself")
    return ProviderFault(Fault.PROXY_REFUSED, f"{asked}: it does not allow this destination")


def schemes_in(headers: Sequence[str]) -> list[str]:
    """The schemes of Proxy-Authenticate headers in their order; one header may list several challenges."""
    parts = (part.strip() for header in headers for part in _QUOTED_STRING.sub('""', header).split(","))
    found = (match[1] for part in parts if (match := _SCHEME.match(part)))
    return list({scheme.lower(): scheme for scheme in found}.values())


def _sign_in_advice(target: Target, headers: Sequence[str]) -> str:
    offered = schemes_in(headers)
    names = ", ".join(offered)
    if offered and "basic" not in {scheme.lower() for scheme in offered}:
        return (
            f"it offers {names}, but sitebind signs in with Basic only: have the proxy offer Basic to this server or "
            "let it through without a sign-in, or run a relay that speaks such schemes (cntlm, for example) on it"
        )
    offer = f"it offers {names}, sitebind speaks Basic" if names else "it names no scheme, sitebind speaks Basic"
    if not target.signs_in:
        return f"it wants a name and a password ({offer}), and none is configured"
    spelling = "; characters beyond ASCII in them are sent as UTF-8" if target.beyond_ascii else ""
    return f"it did not accept the name and password ({offer}{spelling})"
