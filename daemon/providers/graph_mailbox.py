"""The mailbox account in Microsoft 365, over Graph; implements `daemon.ports.Mailbox`.

Whether the app registration may open mailboxes shows only when it does: RBAC for Applications leaves no trace in
a token. So a token without mail permissions is no failure, and a refusal names both ways to grant the right.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from daemon.ports import MAILBOX_LAYERS, Clock, Examination, MailboxAccess, ProviderFault, Sighting
from daemon.providers import cloud_autodiscover, graph_answer, graph_permissions
from daemon.providers.app_roles import MAIL, USERS
from daemon.providers.failure import with_request_id
from daemon.providers.graph import Ask, Graph, literal, segment
from daemon.providers.graph_answer import About, Reply
from daemon.providers.graph_examination import HYBRID
from daemon.providers.http import HttpClient
from daemon.providers.layers import Finding, demand_sign_in, walked
from daemon.providers.quoting import quoted
from states import Fault

PATIENCE: Final = 10.0
"""Seconds that an examination waits for a busy Graph: somebody looks at it meanwhile."""

_SELECT: Final = "id,displayName,mail,userPrincipalName,accountEnabled,onPremisesSyncEnabled"
_BOTH_WAYS: Final = (
    f"the right comes by admin consent to {MAIL}, or by RBAC for Applications with a scope that holds this mailbox"
)


class GraphMailbox:
    """Looks at `access` with the app registration of `graph`; `client` asks autodiscover, which needs no sign-in."""

    def __init__(
        self,
        client: HttpClient,
        access: MailboxAccess,
        *,
        graph: Graph,
        clock: Clock,
        new_request_id: Callable[[], str],
    ) -> None:
        self._client = client
        self._access = access
        self._graph = graph
        self._clock = clock
        self._new_request_id = new_request_id

    async def examine(self) -> Examination:
        graph = self._graph.with_patience(PATIENCE)
        visit = _Visit(self._client, self._access, graph=graph, new_request_id=self._new_request_id)
        return await visit.examined(self._clock.monotonic)


class _Visit:
    """One walk; made anew for each."""

    def __init__(
        self, client: HttpClient, access: MailboxAccess, *, graph: Graph, new_request_id: Callable[[], str]
    ) -> None:
        self._client = client
        self._access = access
        self._graph = graph
        self._new_request_id = new_request_id
        self._roles: frozenset[str] | None = None
        self._sightings: list[Sighting] = []

    async def examined(self, monotonic: Callable[[], float]) -> Examination:
        looks = (self._autodiscover, self._sign_in, self._mail_enabled, self._impersonation)
        layers = await walked(zip(MAILBOX_LAYERS, looks, strict=True), monotonic=monotonic)
        return Examination(layers=layers, sightings=tuple(dict.fromkeys(self._sightings)))

    async def _autodiscover(self) -> Finding:
        address, outlook = self._access.smtp_address, self._graph.registration.outlook
        lead = await cloud_autodiscover.lead_of(
            self._client, address, outlook=outlook, new_request_id=self._new_request_id
        )
        if lead.in_cloud and lead.redirected:
            return Finding(
                detail=f"autodiscover of {outlook} redirects {address} to {lead.host}, in the cloud too; not followed",
                status="warning",
                remedy="Nothing to do if the next layers pass: Graph needs no autodiscover.",
            )
        if lead.in_cloud:
            return Finding(detail=f"autodiscover of {outlook} leads {address} to {lead.host}, so to Exchange Online")
        seen = f"autodiscover of Microsoft 365 leads {address} to {lead.host}, a server of your own"
        self._sightings.append(Sighting(whereabouts="on-premises", seen=seen))
        return Finding(
            detail=f"{seen}; not followed{'' if lead.secure else ', and it is not even https'}",
            status="warning",
            remedy="If the mailbox lives on premises, set [account] directory_type = microsoft-active-directory; "
            "if it was moved to the cloud, finish its migration, so that autodiscover names Exchange Online.",
        )

    async def _sign_in(self) -> Finding:
        demand_sign_in(self._access)
        own = self._graph.registration
        self._roles = await graph_permissions.permissions(
            self._graph, fresh_without=(MAIL,), afresh=self._access.afresh
        )
        detail = f"signed in at {own.authority} as {own.client_id}; {graph_permissions.in_words(self._roles)}"
        if not MAIL.met_by(self._roles):
            detail += "; none of them opens mailboxes, so RBAC for Applications has to"
        return Finding(detail=detail)

    async def _mail_enabled(self) -> Finding:
        address = self._access.smtp_address
        user = await self._user(address)
        if user.get("onPremisesSyncEnabled") is True:
            self._sightings.append(HYBRID)
        await self._open(address, user, missing=Fault.MAILBOX_MISSING)
        seen = f"{address} has a mailbox in Exchange Online"
        self._sightings.append(Sighting(whereabouts="microsoft-365", seen=seen))
        disabled = "; its user is disabled, which the app registration does not mind"
        return Finding(detail=f"{seen}{disabled if user.get('accountEnabled') is False else ''}")

    async def _impersonation(self) -> Finding:
        access = self._access
        if not access.impersonates:
            return Finding(
                detail="[account] use_exchange_impersonation = no, so the right is not proved", status="skipped"
            )
        own, other = access.smtp_address.casefold(), access.bind_address
        other = "" if other.casefold() == own else other
        probe = "" if access.probe_address.casefold() == own else access.probe_address
        if not probe:
            return await self._by_bind_account(other)
        await self._open(probe, await self._user(probe, probe=True), missing=Fault.PROBE_MAILBOX_MISSING)
        proved = f"opened the inbox of {probe}, another mailbox"
        if not other or other.casefold() == probe.casefold():
            return Finding(detail=proved)
        trouble = await self._trouble_with(other)
        if trouble is None:
            return Finding(detail=f"{proved}, and of {other}, the bind account's")
        return Finding(
            detail=f"{proved}; not so that of {other}, the bind account: {trouble.detail}",
            status="warning",
            remedy=f"Give {other} a mailbox in this tenant: the guide wants the bind account's user mail enabled.",
        )

    async def _by_bind_account(self, other: str) -> Finding:
        """Without a probe, the bind account's mailbox is one, if it is another one and there is any."""
        if other:
            trouble = await self._trouble_with(other)
            if trouble is None:
                return Finding(detail=f"opened the inbox of {other}, the bind account's, which is another mailbox")
            if trouble.fault is not Fault.PROBE_MAILBOX_MISSING:
                raise trouble
        lacks = f": {other}, the bind account, has no mailbox here" if other else ""
        return Finding(
            detail=f"not proved: there is no other mailbox to open than the account's own{lacks}",
            status="warning",
            remedy="Name another mailbox of this tenant in [account] impersonation_probe; only its inbox's id is read.",
        )

    async def _trouble_with(self, address: str) -> ProviderFault | None:
        """Why another mailbox does not open: its own lack or the right's. What is wrong otherwise is raised."""
        try:
            await self._open(address, await self._user(address, probe=True), missing=Fault.PROBE_MAILBOX_MISSING)
        except ProviderFault as fault:
            if fault.fault not in {Fault.PROBE_MAILBOX_MISSING, Fault.IMPERSONATION_DENIED, Fault.CONSENT_MISSING}:
                raise
            return fault
        return None

    async def _open(self, address: str, user: dict[str, Any], *, missing: Fault) -> None:
        """Read the id of the inbox. Raises `ProviderFault`."""
        about = About(what=f"opening the inbox of {address}", busy=Fault.EXCHANGE_BUSY, missing=missing)
        path = f"/users/{segment(user.get('id') or address)}/mailFolders/inbox"
        reply = await self._graph.get(Ask(path=path, about=about, query={"$select": "id"}))
        if reply.status == 403:
            raise self._denied(reply, about)
        graph_answer.one(reply, about)

    def _denied(self, reply: Reply, about: About) -> ProviderFault:
        """No right to open a mailbox: none was consented to, or a scope leaves this one out."""
        fault = Fault.IMPERSONATION_DENIED if MAIL.met_by(self._roles) else Fault.CONSENT_MISSING
        detail = f"{graph_answer.refusal(reply, about).detail}; {_BOTH_WAYS}"
        return ProviderFault(fault, detail)

    async def _user(self, address: str, *, probe: bool = False) -> dict[str, Any]:
        """The user behind an address, by principal name or by any address; empty where users may not be read."""
        if not USERS.met_by(self._roles):
            return {}
        missing = Fault.PROBE_MAILBOX_MISSING if probe else Fault.MAILBOX_MISSING
        about = About(what=f"the look at the user {quoted(address, longest=120)}", missing=missing)
        named = Ask(path=f"/users/{segment(address)}", about=about, query={"$select": _SELECT})
        reply = await self._graph.get(named)
        if reply.status == 403:
            return {}
        if reply.status != 404 or reply.code not in graph_answer.NO_OBJECT:
            return graph_answer.one(reply, about)
        reply = await self._graph.get(_by_address(address, about))
        records = graph_answer.listed(reply, about)
        if records:
            return records[0]
        detail = f"no user of the tenant has the address {quoted(address, longest=120)}"
        raise with_request_id(ProviderFault(missing, detail), reply.request_id)


def _by_address(address: str, about: About) -> Ask:
    """The question for a user whose principal name is not the address."""
    proxies = (f"proxyAddresses/any(x:x eq {literal(prefix + address)})" for prefix in ("smtp:", "SMTP:"))
    filters = " or ".join((*proxies, f"mail eq {literal(address)}"))
    return Ask(path="/users", about=about, query={"$filter": filters, "$select": _SELECT, "$top": "2"}, eventual=True)
