"""The directory of a Microsoft 365 tenant, over Graph; implements `daemon.ports.Directory`.

Users, groups and contacts are looked up in one batch. What the token's permissions do not allow is said before
Graph refuses it; contacts are a courtesy, and without the permission for them the rest goes on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from daemon.ports import Clock, DirectoryAccess, DirectoryObject, Examination, Found, ObjectKind, ProviderFault
from daemon.providers import graph_answer, graph_permissions, graph_reasons, graph_wanted
from daemon.providers.app_roles import GROUPS, consent_missing
from daemon.providers.graph import Ask, Graph, segment
from daemon.providers.graph_answer import About, Reply
from daemon.providers.graph_examination import TENANT, DirectoryVisit, the_tenant
from daemon.providers.graph_objects import COLLECTIONS, CONTACT, GROUP, Collection, directory_object
from daemon.providers.graph_wanted import Wanted
from daemon.providers.http import HttpClient
from daemon.providers.quoting import quoted
from states import Fault

EXAMINATION_PATIENCE: Final = 10.0
"""Seconds that an examination waits for a busy Graph: somebody looks at it meanwhile."""
_PAGE: Final = "999"
_GLANCE: Final = "20"
_TURN: Final = 200
"""Objects of a page after which others get their turn: about two milliseconds' work."""


class GraphDirectory:
    """Looks up in the tenant of `graph`'s app registration; `client` walks the way to it for an examination."""

    def __init__(self, client: HttpClient, access: DirectoryAccess, *, graph: Graph, clock: Clock) -> None:
        self._client = client
        self._access = access
        self._graph = graph
        self._clock = clock

    async def examine(self) -> Examination:
        graph = self._graph.with_patience(EXAMINATION_PATIENCE)
        brisk = GraphDirectory(self._client, self._access, graph=graph, clock=self._clock)
        return await DirectoryVisit(self._client, self._access, graph=graph, find=brisk.find).examined(
            self._clock.monotonic
        )

    async def find(self, wanted: str, *, kind: ObjectKind | None = None) -> Found:
        """An address outside `access.domains` and a distinguished name are answered without a call."""
        sought = graph_wanted.read(wanted)
        reason = graph_reasons.not_asked(sought, self._access.domains)
        if reason:
            return Found(objects=(), reasons=(reason,))
        asked = await self._readable(kind)
        asks = [sought.ask(collection) for collection in asked]
        objects, unread = self._read(asked, asks, await self._graph.batch(asks), optional=kind is None)
        unread = unread or (kind is None and CONTACT not in asked)
        if objects:
            reasons = graph_reasons.of_found(objects, unread=unread)
            return Found(objects=objects, reasons=(*reasons, *await self._of_group(objects, unread=unread)))
        if kind is not None and (others := await self._of_other_kinds(sought, kind)):
            return Found(objects=(), near=others, reasons=(f"it is a {others[0].kind}, not a {kind}",))
        return await self._not_found(sought, asked, unread=unread)

    async def members(self, group: DirectoryObject) -> AsyncIterator[DirectoryObject]:
        """Contacts are left out where the token may not read them; `find` says so beside the group."""
        if group.kind != "group":
            raise ProviderFault(Fault.REQUEST_REFUSED, f'"{quoted(group.display_name)}" is no group: it has no members')
        seen: set[str] = set()
        for collection in await self._readable(None):
            if collection is GROUP:
                continue
            async for page in self._graph.pages(_members_of(group, collection)):
                for number, record in enumerate(page):
                    if number % _TURN == 0:
                        await self._clock.sleep(0)
                    one = directory_object(record, collection, source=self._source)
                    if one is not None and one.id not in seen:
                        seen.add(one.id)
                        yield one

    @property
    def _source(self) -> str:
        return f"graph:{self._graph.host}"

    async def _readable(self, kind: ObjectKind | None) -> tuple[Collection, ...]:
        """The collections to ask. Raises `ProviderFault` where the token lacks what cannot be done without."""
        wanted = [collection for collection in COLLECTIONS if kind in {None, collection.kind}]
        roles = await graph_permissions.permissions(self._graph)
        lacking = [collection for collection in wanted if not collection.needs.met_by(roles)]
        demanded = [collection.needs for collection in lacking if collection is not CONTACT or kind is not None]
        if demanded:
            raise consent_missing(demanded, client_id=self._graph.registration.client_id)
        return tuple(collection for collection in wanted if collection not in lacking)

    def _read(
        self, asked: Sequence[Collection], asks: Sequence[Ask], replies: Sequence[Reply], *, optional: bool
    ) -> tuple[tuple[DirectoryObject, ...], bool]:
        """What was found, each once; and whether contacts turned out to be unreadable, where they are `optional`."""
        found: dict[str, DirectoryObject] = {}
        unread = False
        for collection, ask, reply in zip(asked, asks, replies, strict=True):
            if optional and collection is CONTACT and reply.status == 403:
                unread = True
                continue
            for record in _records(reply, ask):
                one = directory_object(record, collection, source=self._source)
                if one is not None:
                    found.setdefault(one.id, one)
        return tuple(found.values()), unread

    async def _of_group(self, objects: Sequence[DirectoryObject], *, unread: bool) -> tuple[str, ...]:
        """Why the one group that was found resolves to nothing; a look at its first members tells."""
        if len(objects) != 1 or objects[0].kind != "group":
            return ()
        asked = [one for one in COLLECTIONS if one is not GROUP and not (unread and one is CONTACT)]
        asks = [_members_of(objects[0], collection, most=_GLANCE) for collection in asked]
        replies = await self._graph.batch(asks)
        members, _ = self._read(asked, asks, replies, optional=True)
        more = any("@odata.nextLink" in reply.json for reply in replies if not reply.is_refusal)
        return graph_reasons.of_group(members, more=more)

    async def _of_other_kinds(self, sought: Wanted, kind: ObjectKind) -> tuple[DirectoryObject, ...]:
        roles = await graph_permissions.permissions(self._graph)
        others = [one for one in COLLECTIONS if one.kind != kind and one.needs.met_by(roles)]
        if not others:
            return ()
        asks = [sought.ask(collection) for collection in others]
        found, _ = self._read(others, asks, await self._graph.batch(asks), optional=True)
        return found[: graph_wanted.MOST_NEAR]

    async def _not_found(self, sought: Wanted, asked: Sequence[Collection], *, unread: bool) -> Found:
        """Near misses and the tenant's own domains, in one more batch."""
        readable = [one for one in asked if not (unread and one is CONTACT)]
        asks = [sought.near(collection) for collection in readable] if sought.by != "id" else []
        *replies, tenant = await self._graph.batch([*asks, TENANT])
        candidates, _ = self._read(readable[: len(asks)], asks, replies, optional=False)
        near = graph_wanted.nearest(sought, candidates)
        record = None if tenant.is_refusal else the_tenant(graph_answer.listed(tenant, TENANT.about))
        search = graph_reasons.Search(
            wanted=sought,
            kinds=[one.kind for one in readable],
            candidates=candidates,
            alike=near,
            tenant=record,
            unread=unread,
        )
        return Found(objects=(), near=near, reasons=graph_reasons.of_missing(search))


def _records(reply: Reply, ask: Ask) -> list[dict[str, Any]]:
    """The objects of a reply: a list, or the one object that an id names."""
    if "$top" in ask.query:
        return graph_answer.listed(reply, ask.about)
    if reply.status == 404 and reply.code in graph_answer.NO_OBJECT:
        return []
    return [graph_answer.one(reply, ask.about)]


def _members_of(group: DirectoryObject, collection: Collection, *, most: str = _PAGE) -> Ask:
    return Ask(
        path=f"/groups/{segment(group.id)}/transitiveMembers/{collection.cast}",
        about=About(what=f'the members of "{quoted(group.display_name, longest=80)}"', needs=str(GROUPS)),
        query={"$select": collection.select, "$top": most},
        eventual=True,
        background=True,
    )
