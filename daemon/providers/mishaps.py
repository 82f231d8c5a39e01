"""What aiohttp's exceptions and useless responses mean, as `ProviderFault`s. Called by `http.py` only."""

from __future__ import annotations

import aiohttp
from multidict import CIMultiDict, MultiMapping
from yarl import URL

from daemon.ports import ProviderFault
from daemon.providers import failure
from daemon.providers.failure import Target
from daemon.providers.quoting import quoted
from states import Fault


def redirected(response: aiohttp.ClientResponse) -> ProviderFault:
    """Nobody follows a redirect with credentials in hand."""
    try:
        there = URL(response.headers.get("Location", "")).host
    except ValueError:
        there = None
    where = f' to "{quoted(there)}"' if there else ""
    return ProviderFault(
        Fault.ANSWER_MALFORMED,
        f"{response.url.host} answered {response.status} and wants to redirect{where}; the service never "
        "does: a captive portal or an inspecting proxy may have answered",
    )


def too_large(url: URL, largest: int) -> ProviderFault:
    """The answer went on and on."""
    return ProviderFault(
        Fault.ANSWER_TOO_LARGE, f"the answer of {url.host} to {url.path} is larger than {largest} bytes"
    )


def classified(error: Exception, target: Target, *, connect: float, total: float) -> ProviderFault:
    """Tell every way apart in which aiohttp fails; of the exception only the system's words are quoted."""
    match error:
        case aiohttp.ClientConnectorError():
            return _not_connected(error, target)
        case aiohttp.ClientHttpProxyError():
            return _proxy_refused(error, target)
        case aiohttp.ConnectionTimeoutError():
            return failure.timed_out(target, doing="connecting", seconds=connect)
        case TimeoutError():
            return failure.timed_out(target, doing="the call", seconds=total)
        case aiohttp.ClientPayloadError():
            return failure.connection_lost(target, doing="in the middle of the answer")
        case aiohttp.ClientResponseError():
            return ProviderFault(Fault.ANSWER_MALFORMED, f"{target}: what was answered is not HTTP")
        case aiohttp.InvalidURL() | ValueError():
            return _unwritable(target)
        case _:
            return failure.connection_lost(target, doing="before an answer came")


def sign_in_refused(response: aiohttp.ClientResponse, target: Target) -> ProviderFault | None:
    """The fault of a proxy that did not take the sign-in of a request over plain HTTP; None for any other answer.

    Over TLS no answer is the proxy's. Without a sign-in it is for the caller to say what a 407 means.
    """
    if response.status != 407 or response.url.scheme != "http" or not target.signs_in:
        return None
    return _refused(response.headers, target, status=407, method=response.method)


def _proxy_refused(error: aiohttp.ClientHttpProxyError, target: Target) -> ProviderFault:
    return _refused(error.headers or CIMultiDict[str](), target, status=error.status)


def _refused(headers: MultiMapping[str], target: Target, *, status: int, method: str = "CONNECT") -> ProviderFault:
    schemes = [*headers.getall("Proxy-Authenticate", ()), *headers.getall("WWW-Authenticate", ())]
    squid = headers.get("X-Squid-Error", "")
    return failure.proxy_refused(target, status=status, schemes=schemes, squid_error=squid, method=method)


def _unwritable(target: Target) -> ProviderFault:
    detail = f"{target}: the request cannot be written: an id or a key in [binding] holds a line break or the like"
    return ProviderFault(Fault.REQUEST_REFUSED, detail)


def _not_connected(error: aiohttp.ClientConnectorError, target: Target) -> ProviderFault:
    cause = error.os_error
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return failure.name_not_resolved(target, cause)
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return failure.not_connected(target, cause)
    if failure.broke_in_handshake(cause):
        return failure.tls_failed(target, cause)
    return failure.not_connected(target, cause)
