"""Where autodiscover on premises says that a mailbox is: the one decision under its SOAP, XML and JSON.

Used by the `autodiscover` modules of the sandbox.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from daemon.sandbox.call import Answer, Call, Refusal
from daemon.sandbox.script import Script, Trouble
from daemon.sandbox.tenant import Person, Tenant


@dataclass(frozen=True, slots=True)
class Here:
    """The mailbox is on this server."""

    person: Person


@dataclass(frozen=True, slots=True)
class AtHost:
    """Another host is to be asked for the same address: `url` is https and a host."""

    url: str


@dataclass(frozen=True, slots=True)
class ByAddress:
    """Another address is to be asked for."""

    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Nobody:
    """No mailbox has the address. `foreign`: not even its domain is known here."""

    foreign: bool


Place = Here | AtHost | ByAddress | Nobody


class Whereabouts:
    """`url` is this server's address, `cloud_url` that of Exchange Online."""

    def __init__(self, *, tenant: Tenant, script: Script, url: Callable[[], str], cloud_url: Callable[[], str]) -> None:
        self._tenant = tenant
        self._script = script
        self._url = url
        self._cloud_url = cloud_url

    @property
    def cloud(self) -> str:
        """Exchange Online's address."""
        return self._cloud_url()

    def check_served(self, call: Call) -> None:
        """Refuse the call, with 404, where autodiscover is not set up."""
        if self._script.strikes(Trouble.NO_AUTODISCOVER, call.endpoint):
            raise Refusal(Answer(status=404, body=b"", headers={"Content-Type": "text/plain"}))

    def of(self, address: str, call: Call) -> Place:
        """Say where the mailbox of an address is."""
        if self._script.strikes(Trouble.REDIRECT_LOOP, call.endpoint):
            return AtHost(self._url())
        person = self._tenant.person(address)
        if person is None or not person.mailbox:
            domain = address.rpartition("@")[2].casefold()
            return Nobody(foreign=domain not in map(str.casefold, self._tenant.domains))
        half_migrated = self._script.strikes(Trouble.HALF_MIGRATED, call.endpoint)
        if person.mailbox == "on-premises" and not half_migrated:
            return Here(person)
        # [gap] ours: real hybrids send to an address of the cloud's domain, which a sandbox does not have by itself.
        return ByAddress(person.routed_to) if person.routed_to else AtHost(self._cloud_url())
