"""The SRV record of autodiscover. Called by `autodiscover.py`; anybody who forges DNS can forge its answer."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Sequence
from typing import Final

from daemon.providers.failure import authority
from daemon.providers.name_service import resolver_of, services_in
from daemon.providers.quoting import quoted

_MOST: Final = 3


class SrvRecords:
    """Looks them up, within `seconds`. `nameservers` are addresses; none given: those of this host."""

    def __init__(self, nameservers: Sequence[str] = (), *, port: int = 53, seconds: float = 3.0) -> None:
        self._nameservers = [(address, port) for address in nameservers]
        self._seconds = seconds

    async def of(self, domain: str) -> tuple[tuple[str, ...], str]:
        """The https addresses for `domain`, the preferred one first; none, and why, in a clause."""
        # Loaded off the loop: it takes 200 ms.
        await asyncio.to_thread(importlib.import_module, "dns.asyncresolver")
        import dns.exception  # noqa: PLC0415 - rarely needed, and it delays every start

        try:
            resolver = await resolver_of(self._nameservers)
            answer = await resolver.resolve(f"_autodiscover._tcp.{domain}", "SRV", lifetime=self._seconds)
        except (dns.exception.DNSException, OSError) as error:
            return (), _reason(error)
        records = sorted(services_in(answer), key=lambda record: (record.priority, -record.weight))
        places = tuple(f"https://{_place(record.host, record.port)}" for record in records[:_MOST])
        return places, "" if places else "its record says that there is none"


def _place(host: str, port: int) -> str:
    return host.lower() if port == 443 else authority(host.lower(), port)


def _reason(error: Exception) -> str:
    """Say why there is no record, by the kind of the error."""
    known = {
        "NXDOMAIN": "there is no such record",
        "NoAnswer": "there is no such record",
        "NoNameservers": "no name server answered usefully",
        "NoResolverConfiguration": "this host has no name server",
        "LifetimeTimeout": "no name server answered in time",
    }
    kind = type(error).__name__
    return known.get(kind) or f"it cannot be looked up ({quoted(kind, longest=40)})"
