"""The way to the service, walked: name, TCP, (proxy,) TLS, each told apart and put into words.

Called by the adapters through `http.HttpClient`, for a bind's `connect` step and for the doctor, and by `http.py`
to say whose certificate was refused.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from daemon.ports import ProviderFault, Route
from daemon.providers import failure, trust
from daemon.providers.failure import Target
from daemon.providers.trail import TLS, Trail, untold
from daemon.providers.trust import HTTP, TrustStore
from daemon.providers.tunnel import Stream, way_to


async def walk(target: Target, route: Route, *, store: TrustStore, seconds: float, trail: Trail) -> None:
    """Prove that `target` can be reached over TLS; each layer has `seconds` and is left on `trail`.

    Raises `ProviderFault` for the layer that failed.
    """
    async with way_to(target, route, seconds=seconds, trail=trail) as stream:
        with trail.layer(TLS) as note:
            context, refusal = await store.context(route.ca_file, protocols=HTTP), ""
            try:
                note.text = await shaken(target, stream, context=context, seconds=seconds)
            except ssl.SSLCertVerificationError as error:
                refusal = error.verify_message
            if refusal:
                raise await untrusted(target, route, reason=refusal, seconds=seconds)


async def vouched_for(target: Target, route: Route, *, store: TrustStore, seconds: float) -> str:
    """Say who vouches for the certificate of a way that was walked: this system's roots, or only the CA file.

    Where it is only the CA file, something that opens TLS stands in between, or the service is a private one.
    """
    try:
        async with way_to(target, route, seconds=seconds, trail=untold()) as stream:
            context = await store.context("", protocols=HTTP)
            await shaken(target, stream, context=context, seconds=seconds)
    except ssl.SSLCertVerificationError:
        return (
            "it is trusted because of [connection] ca_file, not by this system's own roots: a TLS-inspecting firewall "
            "or proxy stands in between, or the service is a private one"
        )
    except ProviderFault as fault:
        return f"who vouches for it could not be looked at again: {fault.detail}"
    return "its issuer is one of this system's own roots"


async def untrusted(target: Target, route: Route, *, reason: str, seconds: float) -> ProviderFault:
    """Make the fault for a refused certificate, which is fetched once more to name its issuer."""
    presented = ""
    try:
        async with way_to(target, route, seconds=seconds, trail=untold()) as stream, asyncio.timeout(seconds):
            await stream.writer.start_tls(trust.reading_context(), server_hostname=target.host)
            der = stream.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            presented = trust.in_words(der) if der else ""
    except (OSError, ProviderFault):
        # The issuer is help, not the finding: without it the fault says that it could not be read.
        presented = ""
    return failure.certificate_untrusted(target, reason=reason, presented=presented)


async def shaken(target: Target, stream: Stream, *, context: ssl.SSLContext, seconds: float) -> str:
    """Do the handshake and describe what came of it. A refused certificate passes through as it is."""
    try:
        async with asyncio.timeout(seconds):
            await stream.writer.start_tls(context, server_hostname=target.host)
    except ssl.SSLCertVerificationError:
        raise
    except TimeoutError:
        fault = failure.timed_out(target, doing="the TLS handshake", seconds=seconds)
    except OSError as error:
        fault = failure.tls_failed(target, error)
    else:
        tls: Any = stream.writer.get_extra_info("ssl_object")
        return f"{tls.version()}; {trust.in_words(tls.getpeercert(binary_form=True))}"
    raise fault
