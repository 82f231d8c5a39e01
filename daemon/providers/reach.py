"""The `connect` step of a bind: name, TCP, (proxy,) TLS, each told apart and put into a sentence.

Called by the adapters through `http.HttpClient.reach`, and by `http.py` to say whose certificate was refused.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from daemon.ports import ProviderFault, Route
from daemon.providers import failure, trust
from daemon.providers.failure import Target
from daemon.providers.tunnel import Stream, way_to


async def reach(target: Target, route: Route, *, context: ssl.SSLContext, seconds: float) -> str:
    """Prove that `target` can be reached over TLS; each step has `seconds`.

    Says names, addresses, TLS version and certificate. Raises `ProviderFault` for the step that failed.
    """
    refusal = ""
    async with way_to(target, route, seconds=seconds) as stream:
        try:
            return await _shaken(target, stream, context=context, seconds=seconds)
        except ssl.SSLCertVerificationError as error:
            refusal = error.verify_message
    raise await untrusted(target, route, reason=refusal, seconds=seconds)


async def untrusted(target: Target, route: Route, *, reason: str, seconds: float) -> ProviderFault:
    """Make the fault for a refused certificate, which is fetched once more to name its issuer."""
    presented = ""
    try:
        async with way_to(target, route, seconds=seconds) as stream, asyncio.timeout(seconds):
            await stream.writer.start_tls(trust.reading_context(), server_hostname=target.host)
            der = stream.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            presented = trust.in_words(der) if der else ""
    except (OSError, ProviderFault):
        # The issuer is help, not the finding: without it the fault says that it could not be read.
        presented = ""
    return failure.certificate_untrusted(target, reason=reason, presented=presented)


async def _shaken(target: Target, stream: Stream, *, context: ssl.SSLContext, seconds: float) -> str:
    """Do the handshake. A refused certificate passes through as it is."""
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
        return f"{stream.said}; {tls.version()}; {trust.in_words(tls.getpeercert(binary_form=True))}"
    raise fault
