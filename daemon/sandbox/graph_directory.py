"""Users, groups, contacts and the organization, as Graph lists and shows them. Routed to by `graph.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NoReturn

from daemon.sandbox.call import Answer, Call
from daemon.sandbox.graph_failures import bad_request, refuse
from daemon.sandbox.graph_kinds import CASTS, CONTACT, GROUP, OBJECT, ORGANIZATION, USER, Kind, kind_of
from daemon.sandbox.graph_members import Member
from daemon.sandbox.graph_pages import Pages, Wanted, selected, shown
from daemon.sandbox.tenant import Contact, Group, Person, Tenant

Walk = Callable[[Tenant, Group], Iterator[Member]]


class DirectoryCalls:
    """The handlers."""

    def __init__(self, *, tenant: Tenant, pages: Pages, url: Callable[[], str]) -> None:
        self._tenant = tenant
        self._pages = pages
        self._url = url

    def users(self, call: Call) -> Answer:
        """List the users."""
        return self._list(call, USER, items=self._tenant.people.values())

    def groups(self, call: Call) -> Answer:
        """List the groups."""
        return self._list(call, GROUP, items=self._tenant.groups.values())

    def contacts(self, call: Call) -> Answer:
        """List the contacts of the organization."""
        return self._list(call, CONTACT, items=self._tenant.contacts.values())

    def organization(self, call: Call) -> Answer:
        """Show the tenant, in a list of one."""
        return self._list(call, ORGANIZATION, items=(self._tenant,))

    def user(self, who: str, call: Call) -> Answer:
        """Show a user by id or principal name; other addresses of theirs do not count."""
        return self._show(call, person(self._tenant, who) or _missing(who))

    def group(self, id: str, call: Call) -> Answer:
        """Show a group by id."""
        return self._show(call, self._group(id))

    def contact(self, id: str, call: Call) -> Answer:
        """Show a contact by id."""
        found = next((one for one in self._tenant.contacts.values() if one.id == id.casefold()), None)
        return self._show(call, found or _missing(id))

    def members(self, walk: Walk, id: str, call: Call) -> Answer:
        """List what is in a group; each member says of which kind it is."""
        found = list(walk(self._tenant, self._group(id)))
        wanted = Wanted.of(call, OBJECT)
        return self._pages.answer(call, wanted, items=found, size=self._tenant.page, typed=True)

    def members_of_kind(self, walk: Walk, id: str, cast: str, call: Call) -> Answer:
        """List what is in a group and of one kind, an advanced query."""
        kind = CASTS.get(cast)
        if kind is None:
            bad_request(f"Resource not found for the segment '{cast[:60]}'.")
        found = [one for one in walk(self._tenant, self._group(id)) if kind_of(one) is kind]
        wanted = Wanted.of(call, kind, advanced=True)
        return self._pages.answer(call, wanted, items=found, size=self._tenant.page, typed=False)

    def _list(self, call: Call, kind: Kind, *, items: Iterable[object]) -> Answer:
        wanted = Wanted.of(call, kind)
        return self._pages.answer(call, wanted, items=list(items), size=self._tenant.page, typed=False)

    def _show(self, call: Call, item: Person | Group | Contact) -> Answer:
        kind = kind_of(item)
        record = shown(item, selected(call.query, kind), typed=False)
        return Answer(body={"@odata.context": f"{self._url()}/v1.0/$metadata#{kind.name}s/$entity", **record})

    def _group(self, id: str) -> Group:
        found = next((one for one in self._tenant.groups.values() if one.id == id.casefold()), None)
        return found or _missing(id)


def person(tenant: Tenant, who: str) -> Person | None:
    """Find a user by id or principal name."""
    key = who.casefold()
    return next((one for one in tenant.people.values() if key in (one.signs_in_as.casefold(), one.id)), None)


def _missing(name: str) -> NoReturn:
    refuse(
        404,
        "Request_ResourceNotFound",
        message=f"Resource '{name[:80]}' does not exist or one of its queried reference-property objects "
        "are not present.",
    )
