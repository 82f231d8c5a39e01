"""Addresses and SRV records of names. Called by `domain_controllers.py` and `autodiscover_srv.py`.

Addresses are the system's business (/etc/hosts and nsswitch.conf hold); SRV records are asked of DNS by dnspython,
which is loaded when it is first needed, and off the loop: that takes 200 ms.
"""

from __future__ import annotations

import asyncio
import importlib
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.ports import ProviderFault
from daemon.providers.hosts import is_address
from daemon.providers.quoting import quoted
from states import Fault

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver
    from dns.resolver import Answer


@dataclass(frozen=True, slots=True)
class Record:
    """Where a service is offered, as an SRV record tells it."""

    priority: int
    weight: int
    host: str
    port: int = 0


class NameService:
    """Names by this system, or by `nameservers` (address and port) alone, where there are some."""

    def __init__(self, nameservers: Sequence[tuple[str, int]] = ()) -> None:
        self._nameservers = tuple(nameservers)

    async def addresses(self, host: str, *, seconds: float) -> list[str]:
        """The addresses of a host, at least one. Raises `ProviderFault`."""
        try:
            async with asyncio.timeout(seconds):
                return await self._addresses(host, seconds=seconds)
        except TimeoutError:
            fault = ProviderFault(Fault.TIMED_OUT, f"resolving {host} took longer than {seconds:g} s")
        except OSError as error:
            fault = _unresolved(host, quoted(error.strerror) or "no address found")
        except UnicodeError:
            fault = _unresolved(host, "it is not a host name")
        raise fault

    async def services(self, name: str, *, seconds: float) -> list[Record]:
        """The SRV records of a name; empty where it has none. Raises `ProviderFault` when DNS does not answer."""
        answer = await self._answer(name, "SRV", seconds=seconds)
        return services_in(answer) if answer is not None else []

    async def _addresses(self, host: str, *, seconds: float) -> list[str]:
        if self._nameservers and not is_address(host):
            answers = [await self._answer(host, kind, seconds=seconds) for kind in ("A", "AAAA")]
            if found := [record.to_text() for answer in answers for record in answer or ()]:
                return found
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        entries = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(entry[4][0]) for entry in entries))

    async def _answer(self, name: str, kind: str, *, seconds: float) -> Answer | None:
        """The records of a name; None where there are none. Raises `ProviderFault` when no server answers."""
        await asyncio.to_thread(importlib.import_module, "dns.asyncresolver")
        from dns import exception  # noqa: PLC0415 - see the module's head
        from dns import resolver as failed  # noqa: PLC0415 - see the module's head

        try:
            resolver = await resolver_of(self._nameservers)
            return await resolver.resolve(name, kind, lifetime=seconds)
        except (failed.NXDOMAIN, failed.NoAnswer):
            return None
        except failed.NoResolverConfiguration:
            reason = "this host has no name server: /etc/resolv.conf is missing or names none"
        except exception.Timeout:
            reason = f"no DNS server answered within {seconds:g} s"
        except (exception.DNSException, OSError, UnicodeError) as error:
            reason = quoted(str(error)) or type(error).__name__
        raise ProviderFault(Fault.NAME_NOT_RESOLVED, f"DNS could not be asked for {kind} {quoted(name)}: {reason}")


async def resolver_of(nameservers: Sequence[tuple[str, int]]) -> Resolver:
    """What asks DNS: `nameservers` (address and port), else those of this system; a `DNSException` if it has none."""
    await asyncio.to_thread(importlib.import_module, "dns.asyncresolver")
    from dns import asyncresolver, nameserver  # noqa: PLC0415 - see the module's head

    resolver = await asyncio.to_thread(asyncresolver.Resolver, configure=not nameservers)
    if nameservers:
        resolver.nameservers = [nameserver.Do53Nameserver(address, port) for address, port in nameservers]
    return resolver


def services_in(answer: Answer) -> list[Record]:
    """The SRV records of an answer. A single dot says that the service is decidedly not there: it is left out."""
    found = (Record(each.priority, each.weight, each.target.to_text(omit_final_dot=True), each.port) for each in answer)
    return [record for record in found if record.host not in {"", "."}]


def _unresolved(host: str, reason: str) -> ProviderFault:
    return ProviderFault(Fault.NAME_NOT_RESOLVED, f"{quoted(host)} does not resolve: {reason}")
