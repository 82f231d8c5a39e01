"""One examination of a tenant as a directory: `DIRECTORY_LAYERS`, walked over Graph. Made by `graph_directory.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from daemon.ports import (
    DIRECT_WAY,
    DIRECTORY_LAYERS,
    DirectoryAccess,
    DirectoryObject,
    Examination,
    Found,
    Layer,
    ProviderFault,
    Sighting,
)
from daemon.providers import graph_answer, graph_permissions, graph_reasons, graph_wanted
from daemon.providers.app_roles import CONTACTS, GROUPS, USERS, consent_missing
from daemon.providers.graph import Ask, Graph
from daemon.providers.graph_answer import About
from daemon.providers.http import HttpClient
from daemon.providers.layers import Finding, walked
from daemon.providers.quoting import quoted
from states import Fault

TENANT: Final = Ask(
    path="/organization",
    about=About(what="the look at the tenant", needs="Organization.Read.All"),
    query={"$select": "id,displayName,onPremisesSyncEnabled,verifiedDomains"},
)
HYBRID: Final = Sighting(whereabouts="hybrid", seen="the tenant's users come from an Active Directory")
_TLS: Final = DIRECT_WAY[-1]

Find = Callable[[str], Awaitable[Found]]


class DirectoryVisit:
    """One walk; made anew for each. `find` looks up as the directory does."""

    def __init__(self, client: HttpClient, access: DirectoryAccess, *, graph: Graph, find: Find) -> None:
        self._client = client
        self._access = access
        self._graph = graph
        self._find = find
        self._way: tuple[Layer, ...] = ()
        self._sightings: list[Sighting] = []

    async def examined(self, monotonic: Callable[[], float]) -> Examination:
        """Walk every layer until one fails."""
        looks = (self._server, self._secured, self._sign_in, self._tenant, self._lookup)
        layers = await walked(zip(DIRECTORY_LAYERS, looks, strict=True), monotonic=monotonic)
        return Examination(layers=layers, sightings=tuple(self._sightings))

    async def _server(self) -> Finding:
        self._way = await self._client.examine(self._graph.address)
        way = [layer for layer in self._way if layer.name != _TLS]
        if way[-1].fault is not None:
            raise way[-1].fault
        seconds = round(sum(layer.seconds for layer in way), 4)
        return Finding(detail="; ".join(layer.detail for layer in way), seconds=seconds)

    async def _secured(self) -> Finding:
        tls = self._way[-1]
        if tls.fault is not None:
            raise tls.fault
        return Finding(detail=tls.detail, seconds=tls.seconds)

    async def _sign_in(self) -> Finding:
        own = self._graph.registration
        roles = await graph_permissions.permissions(
            self._graph, fresh_without=(USERS, GROUPS, CONTACTS), afresh=self._access.afresh
        )
        lacking = [need for need in (USERS, GROUPS) if not need.met_by(roles)]
        if lacking:
            raise consent_missing(lacking, client_id=own.client_id)
        detail = f"signed in at {own.authority} as {own.client_id}; {graph_permissions.in_words(roles)}"
        if CONTACTS.met_by(roles):
            return Finding(detail=detail)
        return Finding(
            detail=f"{detail}; contacts cannot be read",
            status="warning",
            remedy=f"Give the app registration the application permission {CONTACTS}, with admin consent, if the "
            "tenant has contacts. Permissions can take up to two hours.",
        )

    async def _tenant(self) -> Finding:
        reply = await self._graph.get(TENANT)
        if reply.status == 403:
            named = quoted(self._graph.registration.tenant_id, longest=80)
            return Finding(
                detail=f"the tenant {named}; its name is not readable (Organization.Read.All would allow it)"
            )
        tenant = the_tenant(graph_answer.listed(reply, TENANT.about))
        if tenant is None:
            raise graph_answer.malformed(reply, TENANT.about, "lacks the tenant")
        name = f'the tenant "{quoted(tenant.get("displayName"), longest=80)}" ({quoted(tenant.get("id"), longest=40)})'
        if tenant.get("onPremisesSyncEnabled") is True:
            self._sightings.append(HYBRID)
            return Finding(detail=f"{name}; its users come from an Active Directory")
        self._sightings.append(Sighting(whereabouts="microsoft-365", seen="the tenant's users are its own"))
        return Finding(detail=f"{name}; its users are its own")

    async def _lookup(self) -> Finding:
        wanted = self._access.lookup
        if not wanted:
            return Finding(detail="no address to look up is configured", status="skipped")
        sought = graph_wanted.read(wanted)
        if because := graph_reasons.not_asked(sought, self._access.domains):
            detail = f'"{quoted(wanted, longest=120)}" cannot be found: {because}'
            raise ProviderFault(Fault.DIRECTORY_OBJECT_MISSING, detail)
        found = await self._find(wanted)
        if found.objects:
            return Finding(detail=f"found {'; '.join(map(_told, found.objects))}")
        near = f"; nearly the same: {', '.join(map(_told, found.near))}" if found.near else ""
        reasons = f" ({'; '.join(found.reasons)})" if found.reasons else ""
        raise ProviderFault(
            Fault.DIRECTORY_OBJECT_MISSING,
            f'nothing in the tenant has the address "{quoted(wanted, longest=120)}"{near}{reasons}',
        )


def the_tenant(records: list[dict[str, Any]]) -> Mapping[str, Any] | None:
    """The one record in the list of organizations."""
    return records[0] if records and isinstance(records[0].get("id"), str) else None


def _told(one: DirectoryObject) -> str:
    name, address = quoted(one.display_name, longest=80), quoted(one.primary_address, longest=120)
    state = ", disabled" if one.enabled is False else ""
    return f'the {one.kind} "{name}" <{address or "no address"}>{state}'
