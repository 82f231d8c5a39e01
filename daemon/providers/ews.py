"""The mailbox account on Exchange: on premises with a password, or in Exchange Online with an application's token.

Implements `daemon.ports.Mailbox`. Reads only, and of a mailbox nothing but the id of its inbox.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from daemon.ports import MAILBOX_LAYERS, Examination, MailboxAccess, ProviderFault, Sighting
from daemon.providers import layers
from daemon.providers.autodiscover import Autodiscover
from daemon.providers.autodiscover_journey import Discovery
from daemon.providers.autodiscover_srv import SrvRecords
from daemon.providers.autodiscover_trust import Trust, domain_of
from daemon.providers.ews_folder import Opened
from daemon.providers.ews_impersonation import Impersonation
from daemon.providers.ews_inbox import Inbox, copied
from daemon.providers.ews_signin import Bearer, Caller, Nobody, Password, TokenSource, Wire, host_of
from daemon.providers.http import HttpClient
from daemon.providers.layers import Finding
from daemon.providers.refused_sign_ins import RefusedSignIns
from states import Fault

_REFUSED_EVERYWHERE: Final = "Nothing to do for autodiscover itself: mend the sign-in, as the next layer says."


class ExchangeMailbox:
    """`refused` is shared by all; `token` gives tokens of `access.registration`, which Exchange Online needs.

    On premises a password is needed, unless the server requires no sign-in. `srv` looks up SRV records.
    """

    def __init__(
        self,
        client: HttpClient,
        access: MailboxAccess,
        *,
        refused: RefusedSignIns,
        monotonic: Callable[[], float],
        new_request_id: Callable[[], str],
        token: TokenSource | None = None,
        srv: SrvRecords | None = None,
    ) -> None:
        self._wire = Wire(client, new_request_id, access.smtp_address)
        self._access = access
        self._refused = refused
        self._monotonic = monotonic
        self._token = token
        self._srv = srv or SrvRecords()

    async def examine(self) -> Examination:
        walk = _Walk(self._access, self._caller(), wire=self._wire, srv=self._srv)
        looks = (walk.autodiscover, walk.sign_in, walk.mail_enabled, walk.impersonation)
        steps = tuple(zip(MAILBOX_LAYERS, looks, strict=True))
        walked = await layers.walked(steps, monotonic=self._monotonic)
        return Examination(layers=walked, sightings=tuple(walk.sightings))

    def _caller(self) -> Caller:
        access = self._access
        if access.platform == "microsoft-365":
            if self._token is None or access.registration is None:
                raise ValueError("EWS in Exchange Online needs an app registration and a source of its tokens")
            return Bearer(self._wire, self._token, scope=f"{access.registration.outlook}/.default")
        if not access.requires_authentication:
            return Nobody(self._wire)
        if access.password is None:
            raise ValueError("Exchange needs the mailbox account's password, or requires_authentication = no")
        return Password(self._wire, self._refused, user=access.smtp_address, password=access.password)


class _Walk:
    """One examination: the layers one after the other, each building on what the earlier ones saw."""

    def __init__(self, access: MailboxAccess, caller: Caller, *, wire: Wire, srv: SrvRecords) -> None:
        self._access = access
        self._caller = caller
        self._wire = wire
        self._srv = srv
        self._online = access.platform == "microsoft-365"
        registration = access.registration
        self._outlook = registration.outlook if registration is not None else access.exchange_online
        self._first = self._outlook if self._online else access.autodiscover_url
        self._found: Discovery
        self._inbox: Inbox
        self._own: Opened
        self.sightings: list[Sighting] = []

    async def autodiscover(self) -> Finding:
        found = self._found = await self._discovered(self._access.smtp_address, first=self._first)
        if there := found.online or (host_of(found.ews_url) if found.ews_url else ""):
            seen = f"autodiscover of {found.address} leads to {there}"
            self.sightings.append(Sighting(whereabouts="microsoft-365" if found.online else "on-premises", seen=seen))
        fault = found.fault or self._elsewhere(found)
        if fault is not None:
            raise copied(fault)
        if found.refused is not None:
            return Finding(detail=found.detail, status="warning", remedy=_REFUSED_EVERYWHERE)
        return _with_strangers(found)

    async def sign_in(self) -> Finding:
        if self._found.refused is not None:
            raise copied(self._found.refused)
        if self._online:
            layers.demand_sign_in(self._access)
        url = self._found.ews_url
        self._inbox = Inbox(self._caller, url, online=self._online, by_impersonation=self._online)
        self._own = await self._inbox.own(self._access.smtp_address)
        if self._own.fault is not None and (self._own.about == "sign-in" or not self._own.signed_in):
            raise copied(self._own.fault)
        return Finding(detail=f"{host_of(url)} {self._accepted()}")

    async def mail_enabled(self) -> Finding:
        """Judge the same answer: it came from the account's own inbox."""
        own, address = self._own, self._access.smtp_address
        if own.fault is None:
            return Finding(detail=f"the inbox of {address} answered")
        if own.about != "right":
            raise copied(own.fault)
        return Finding(
            detail=f"whether {address} is mail enabled was not seen: {own.fault.detail}",
            status="warning",
            remedy=own.fault.fault.remedy,
        )

    async def impersonation(self) -> Finding:
        place = self._found.place or self._first
        last = Impersonation(
            self._access,
            self._inbox,
            own=self._own,
            discover=lambda address: self._discovered(address, first=place),
        )
        return await last.look()

    async def _discovered(self, address: str, *, first: str) -> Discovery:
        """Search with the account's sign-in in its own domain; elsewhere without any, as in Exchange Online."""
        domain = domain_of(address)
        own = not self._online and domain == domain_of(self._access.smtp_address)
        places = tuple(filter(None, (self._access.autodiscover_url,)))
        trust = Trust(domains=(domain,), named=self._access.trusted_hosts, places=places, online=self._outlook)
        search = Autodiscover(self._wire, self._caller if own else None, trust=trust, srv=self._srv)
        return await search.of(address, first=first)

    def _elsewhere(self, found: Discovery) -> ProviderFault | None:
        """The fault where the mailbox lives on the other platform, which takes another sign-in: nothing was sent."""
        address, host = found.address, found.online or (host_of(found.ews_url) if found.ews_url else "")
        if not host or bool(found.online) is self._online:
            return None
        led = f"autodiscover of {address} leads to {host}"
        if self._online:
            why = "its mailbox lives on premises, where no token of an app registration is taken, so none was sent"
            return ProviderFault(Fault.MAILBOX_MISSING, f"{led}: {why}")
        why = "its mailbox lives in Microsoft 365, which takes no password, so none was sent there"
        if self._access.registration is not None:
            return ProviderFault(Fault.MAILBOX_MISSING, f"{led}: {why}; on premises it has none")
        advice = (
            "[account] directory_type says Exchange on premises: set microsoft-365-directory, or for hybrid tenant_id"
        )
        return ProviderFault(Fault.DIRECTORY_TYPE_CONTRADICTED, f"{led}: {why}. {advice}")

    def _accepted(self) -> str:
        if self._online:
            return "took the application's token"
        if not self._access.requires_authentication:
            return "answered without a sign-in ([account] requires_authentication = no)"
        return f"took the sign-in of {self._access.smtp_address}"


def _with_strangers(found: Discovery) -> Finding:
    """A warning where an answer led out of the domain; it came over https from a host that was trusted."""
    if not found.strangers:
        return Finding(detail=found.detail)
    hosts = ", ".join(found.strangers)
    domain = domain_of(found.address)
    return Finding(
        detail=f"{found.detail}; this leaves the domain {domain} ({hosts})",
        status="warning",
        remedy=(
            f"If {hosts} is yours, add it to [account] trusted_hosts. If not, correct the autodiscover of {domain} and "
            "change the mailbox account's password, which goes there."
        ),
    )
